"""Does a term on gradient similarity speed up training, and with which sign? MNIST, paired seeds.

    python experiments/similarity_training.py [--data FOLDER] [--full] [--workers 1]

Cross-entropy on pairs of equal class, plain, with +λ k_C or with −λ k_C. Quick by default: three
minutes, into runs/. With --full the published numbers: written seed by seed, and the same command
goes on where it was, to experiments/results/similarity_training.json, with
docs/experiments/similarity_training.md and its figure. Without --data, scikit-learn's digits.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from grey_pictures import Pictures, pictures
from resumable import completed, keep, options, places, started
from similarity_training_arms import GROUPS, PROBES, STEPS, measured
from similarity_training_cost import costs
from similarity_training_page import write_page


@dataclass(frozen=True)
class Sizes:
    """How much is computed: seeds and last step by pairs a step, pictures for validation."""

    one: int
    sixteen: int
    last_one: int
    last_sixteen: int
    validation: int
    rounds: int  # of timing

    def at(self, group: str) -> tuple[int, ...]:
        """The steps after which validation is done."""
        last = self.last_one if group == "one" else self.last_sixteen
        return tuple(step for step in STEPS if step <= last)


FULL = Sizes(one=60, sixteen=60, last_one=150, last_sixteen=40, validation=1000, rounds=20)
QUICK = Sizes(one=16, sixteen=0, last_one=40, last_sixteen=20, validation=300, rounds=5)
# In this order, so that a run that is stopped has the main arms of all seeds.
PARTS = (
    ("one", ("plain", "apart 1", "alike 1"), 60),
    ("sixteen", tuple(GROUPS["sixteen"]), 6),
    ("one", tuple(GROUPS["one"]), 10),
    ("sixteen", tuple(GROUPS["sixteen"]), 20),
    ("one", tuple(GROUPS["one"]), 60),
    ("sixteen", tuple(GROUPS["sixteen"]), 60),
)


def main() -> None:
    """Measure what is missing, then write the tables, the figure and the page."""
    asked = options(__doc__).parse_args()
    torch.set_num_threads(1)
    sizes = FULL if asked.full else QUICK
    where = places("similarity_training", asked)
    report = started(where["results"], {**asdict(sizes), "data": name_of(asked.data)})
    solve = partial(solved, folder=asked.data, sizes=sizes)
    report = completed(report, runs(sizes, asked.full), solve, where["results"], asked)
    if "costs" not in report:
        report["costs"] = costs(loaded(asked.data), sizes.rounds)
        keep(report, where["results"])
    report |= {"probes": PROBES, "quick": QUICK.one}
    image = where["images"] / "similarity_training.png"
    print(write_page(report, where["page"], image, where["results"]))


def runs(sizes: Sizes, full: bool) -> Iterator[str]:
    """GROUP/ARM/SEED of every run; the quick mode has the first part only."""
    for group, arms, seeds in PARTS if full else PARTS[:1]:
        for seed, arm in product(range(min(seeds, getattr(sizes, group))), arms):
            yield f"{group}/{arm}/{seed:02d}"


def solved(cell: str, folder: Path | None, sizes: Sizes) -> dict:
    """One run."""
    group, arm, seed = cell.split("/")
    return measured(
        GROUPS[group][arm], int(seed), loaded(folder), sizes.at(group), sizes.validation
    )


def name_of(folder: Path | None) -> str:
    """The data set that is used."""
    return "digits" if folder is None else "mnist"


@cache
def loaded(folder: Path | None) -> Pictures:
    """The data, read once a process."""
    return pictures(folder, "mnist")


if __name__ == "__main__":
    main()
