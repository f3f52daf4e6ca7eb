"""How far does the tangent kernel move, by width? And does a flat minimum generalise better?

    python experiments/laziness.py [--data FOLDER] [--full] [--workers 1]

Perceptrons that tell T-shirts from shirts. Drift of the kernel in training for widths from 64 to
4096; trace and top eigenvalue of the trained kernel against the generalisation gap. Quick by
default: two minutes, into runs/. With --full the published numbers: written run by run, and the
same command goes on where it was, to experiments/results/laziness.json, with
docs/experiments/laziness.md and its figures. Without --data, scikit-learn's digits.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from laziness_networks import descend, error, mean_loss, network, task
from laziness_numbers import ENOUGH
from laziness_page import write_page
from resumable import completed, options, places, started

import kinsight as ks

KINDS = {"tangent": ("SGD", 0.3), "standard": ("Adam", 1e-3)}  # parametrisation: optimiser, rate
NARROW = 128  # width of the networks whose minima are looked at


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    train: int
    test: int
    probes: int  # test pictures whose kernel is followed
    steps: int  # of the networks of several widths
    batch: int
    widths: tuple[int, ...]
    most_standard: int  # widest network of the standard parametrisation
    width_seeds: int
    rates: tuple[float, ...]
    batches: tuple[int, ...]
    flipped: tuple[float, ...]
    most_steps: int  # until the training loss must be small
    flat_seeds: int


FULL = Sizes(
    train=128, test=1000, probes=64, steps=128, batch=16,
    widths=(64, 128, 256, 512, 1024, 2048, 4096), most_standard=1024, width_seeds=3,
    rates=(0.03, 0.05, 0.1, 0.2), batches=(8, 64), flipped=(0.0, 0.2),
    most_steps=6000, flat_seeds=3,
)  # fmt: skip
QUICK = Sizes(
    train=96, test=300, probes=32, steps=64, batch=16,
    widths=(64, 256, 1024), most_standard=256, width_seeds=3,
    rates=(0.03, 0.05, 0.1, 0.2), batches=(8, 64), flipped=(0.2,), most_steps=3000, flat_seeds=4,
)  # fmt: skip


def main() -> None:
    """Measure what is missing, then write the tables, the figures and the page."""
    asked = options(__doc__).parse_args()
    torch.set_num_threads(1)
    sizes = FULL if asked.full else QUICK
    where = places("laziness", asked)
    name = "digits" if asked.data is None else "fashion_mnist"
    report = started(where["results"], {**asdict(sizes), "data": name})
    solve = partial(solved, folder=asked.data, sizes=sizes)
    report = completed(report, runs(sizes), solve, where["results"], asked)
    report["narrow"] = NARROW
    print(write_page(report, where["page"], where["images"], where["results"]))


def runs(sizes: Sizes) -> Iterator[str]:
    """The name of every run, which says all about it."""
    for seed, kind, width in product(range(sizes.width_seeds), KINDS, sizes.widths):
        if kind == "tangent" or width <= sizes.most_standard:
            yield f"width/{kind}/{width}/{seed}"
    for seed, flipped, rate, batch in product(
        range(sizes.flat_seeds), sizes.flipped, sizes.rates, sizes.batches
    ):
        yield f"flat/{flipped:g}/{rate:g}/{batch}/{seed}"


def solved(cell: str, folder: Path | None, sizes: Sizes) -> dict:
    """One run."""
    sort, *rest = cell.split("/")
    if sort == "width":
        kind, width, seed = rest
        return drift(kind, int(width), int(seed), folder, sizes)
    flipped, rate, batch, seed = rest
    return flatness(float(flipped), float(rate), int(batch), int(seed), folder, sizes)


def drift(kind: str, width: int, seed: int, folder: Path | None, sizes: Sizes) -> dict:
    """Kernel of test pictures before and after training: how far, and how far up to a factor."""
    x, y, test_x, test_y = loaded(folder, seed, sizes.train, sizes.test, 0.0)
    model, probes = network(kind, width, seed), test_x[: sizes.probes]
    before = gram(model, probes)
    name, rate = KINDS[kind]
    optimiser = getattr(torch.optim, name)(model.parameters(), lr=rate)
    descend(model, x, y, sizes.steps, sizes.batch, optimiser, seed)
    after = gram(model, probes)
    cosine = (before * after).sum() / before.norm() / after.norm()
    return {
        "drift": float((after - before).norm() / before.norm()),
        "turn": float(1 - cosine),
        "similarity": float((cosines(after) - cosines(before)).abs().mean()),
        "loss": mean_loss(model, x, y),
        "error": error(model, test_x, test_y),
    }


def flatness(
    flipped: float, rate: float, batch: int, seed: int, folder: Path | None, sizes: Sizes
) -> dict:
    """Trace and top eigenvalue of K/N over the training samples of a fitted network; its gap.

    For squared loss with one output they are those of the Gauss-Newton matrix, and near a fit
    those of the Hessian of the training loss.
    """
    x, y, test_x, test_y = loaded(folder, seed, sizes.train, sizes.test, flipped)
    model = network("standard", NARROW, seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    steps = descend(model, x, y, sizes.most_steps, batch, optimiser, seed, ENOUGH)
    kernel = gram(model, x) / len(x)
    loss = mean_loss(model, x, y)
    return {
        "steps": steps,
        "loss": loss,
        "trace": float(kernel.trace()),
        "top": float(torch.linalg.eigvalsh(kernel)[-1]),
        "gap": mean_loss(model, test_x, test_y) - loss,
        "error gap": error(model, test_x, test_y) - error(model, x, y),
    }


def gram(model: torch.nn.Module, x: Tensor) -> Tensor:
    """g·g' of all pairs: (N, N), in double precision."""
    return ks.TangentKernel(model).inner(x).double()


def cosines(kernel: Tensor) -> Tensor:
    """k_C from inner products."""
    size = kernel.diagonal().sqrt()
    return kernel / size[:, None] / size


@cache
def loaded(folder: Path | None, seed: int, train: int, test: int, flipped: float):
    """The task of a seed, made once a process."""
    return task(folder, seed, train, test, flipped)


if __name__ == "__main__":
    main()
