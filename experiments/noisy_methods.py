"""Training on noisy labels: loss correction, noise layer, distillation and relabelling compared.

    python experiments/noisy_methods.py --data FOLDER [--full] [--workers 2]

Fashion-MNIST and CIFAR-10, planted noise, one small network, five paired seeds. Quick by default:
about three minutes, into runs/. With --full the published table: results are written cell by cell
and the same command goes on where it was, to experiments/results/noisy_methods.json, with
docs/experiments/noisy_methods.md and its figure.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from label_scores import noisy_labels
from noisy_methods_arms import Problem, measured
from noisy_methods_losses import true_matrix
from noisy_methods_page import write_page
from noisy_methods_training import Training
from pages import IMAGES, PAGES, RESULTS, ROOT, environment
from pictures import DATA_SETS, SIMILAR, training_pictures

KINDS = ("symmetric", "class-dependent")
POOL, TEST = 7000, 3000  # pictures to draw training sets from, and those after them


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    samples: int  # training pictures
    steps: int  # T
    rates: tuple[float, ...]
    seeds: int


FULL = Sizes(samples=2000, steps=320, rates=(0.2, 0.4), seeds=5)
QUICK = Sizes(samples=600, steps=60, rates=(0.4,), seeds=5)


@dataclass(frozen=True)
class Cell:
    """One problem. The seed draws training pictures, noise, initialisation and batches."""

    data: str
    kind: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """Its key in the results."""
        return f"{self.data}/{self.kind}/{self.rate}/{self.seed}"


def main() -> None:
    """Measure what is missing, then write the tables, the figure and the page."""
    asked, sizes = arguments()
    torch.set_num_threads(1)
    file = asked.out / "noisy_methods.json"
    report = started(file, sizes)
    cells = [cell for cell in all_cells(sizes) if cell.name not in report["cells"]]
    for count, (name, found) in enumerate(worked(cells, asked, sizes), 1):
        report["cells"][name] = found
        report["cells"] = dict(sorted(report["cells"].items()))
        file.write_text(json.dumps(report, indent=1) + "\n")
        print(f"{count} of {len(cells)}: {name}, {found['seconds']:.0f} s", file=sys.stderr)
    print(write_page(report, asked.page, asked.image))


def arguments() -> tuple[argparse.Namespace, Sizes]:
    """What was asked for, with the places for results."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--data", type=Path, required=True, help="holds cifar10, fashion_mnist")
    options.add_argument("--full", action="store_true", help="the published table")
    options.add_argument("--workers", type=int, default=2, help="processes side by side")
    asked = options.parse_args()
    rough = ROOT / "runs" / "noisy_methods_quick"
    asked.out = RESULTS if asked.full else rough
    asked.page = (PAGES if asked.full else rough) / "noisy_methods.md"
    asked.image = (IMAGES if asked.full else rough) / "noisy_methods.png"
    for folder in (asked.out, asked.page.parent, asked.image.parent):
        folder.mkdir(parents=True, exist_ok=True)
    return asked, FULL if asked.full else QUICK


def started(file: Path, sizes: Sizes) -> dict:
    """What was measured before with the same sizes and versions, or nothing yet."""
    found = environment(argparse.Namespace(), 0.0)
    del found["minutes"], found["arguments"]  # counted by the cells; the sizes say the rest
    now = json.loads(json.dumps({"environment": found, "sizes": {**asdict(sizes), "test": TEST}}))
    if file.exists():
        report = json.loads(file.read_text())
        if {key: report[key] for key in now} == now:
            return report
    return {**now, "cells": {}}


def all_cells(sizes: Sizes) -> Iterator[Cell]:
    """Every problem, seed by seed: a run that is stopped has whole seeds."""
    for seed, kind, rate, data in product(range(sizes.seeds), KINDS, sizes.rates, DATA_SETS):
        yield Cell(data, kind, rate, seed)


def worked(
    cells: list[Cell], asked: argparse.Namespace, sizes: Sizes
) -> Iterator[tuple[str, dict]]:
    """Name and result of each cell, as they are ready."""
    context = get_context("spawn")
    with ProcessPoolExecutor(asked.workers, context, torch.set_num_threads, (1,)) as pool:
        futures = {pool.submit(solved, cell, asked.data, sizes): cell for cell in cells}
        for future in as_completed(futures):
            yield futures[future].name, future.result()


def solved(cell: Cell, data: Path, sizes: Sizes) -> dict:
    """All arms on one problem; seconds of processor time."""
    begin = time.process_time()
    found = measured(problem_of(cell, data, sizes))
    return {**found, "seconds": round(time.process_time() - begin, 1)}


def problem_of(cell: Cell, data: Path, sizes: Sizes) -> Problem:
    """Training pictures drawn from the pool, their labels made noisy; the test pictures are fixed.

    The pictures do not depend on the noise: those of one seed can be compared across noises.
    """
    pictures = training_pictures(data, cell.data, POOL + TEST)
    order = torch.randperm(POOL, generator=torch.Generator().manual_seed(cell.seed))
    chosen = order[: sizes.samples]
    true, similar = pictures.labels[chosen], SIMILAR[cell.data]
    generator = torch.Generator().manual_seed(1000 + cell.seed)
    noisy = noisy_labels(true, cell.rate, cell.kind, similar, generator)
    training = Training(pictures.images[chosen], sizes.steps, cell.seed)
    matrix = true_matrix(cell.rate, cell.kind, similar)
    test = slice(POOL, POOL + TEST)
    return Problem(training, true, noisy, matrix, pictures.images[test], pictures.labels[test])


if __name__ == "__main__":
    main()
