"""A training that is killed: run as a process of its own, with the folder as its argument."""

import sys
from pathlib import Path

from training.cases import monitor, network, train


def main() -> None:
    model = network()
    watched = monitor(model, Path(sys.argv[1]), every=1)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    train(model, 10_000, watched.step)


if __name__ == "__main__":
    main()
