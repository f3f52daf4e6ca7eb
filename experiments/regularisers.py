"""Terms made of gradients, on one budget: similarity, invariance, contraction, penalties.

    python experiments/regularisers.py [--data FOLDER] [--full] [--workers 1]

Fashion-MNIST with 100, 1,000 and 10,000 labels, one small network, as many steps for every term.
Quick by default: two minutes, into runs/. With --full the published numbers: written problem by
problem, and the same command goes on where it was, to experiments/results/regularisers.json, with
docs/experiments/regularisers.md and its figure. Without --data, scikit-learn's digits.
"""

import statistics
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parent))
from grey_pictures import Pictures, pictures
from regularisers_page import write_page
from regularisers_terms import METHODS, Term, method
from resumable import completed, keep, options, places, started

BATCH, RATE = 32, 2e-3


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    labels: tuple[int, ...]
    validation: int  # training pictures that choose the weight
    test: int
    steps: int
    seeds: int


FULL = Sizes(labels=(100, 1000, 10_000), validation=1000, test=2000, steps=100, seeds=4)
QUICK = Sizes(labels=(100,), validation=300, test=500, steps=60, seeds=3)


def main() -> None:
    """Measure what is missing, then write the tables, the figure and the page."""
    asked = options(__doc__).parse_args()
    torch.set_num_threads(1)
    sizes = FULL if asked.full else QUICK
    where = places("regularisers", asked)
    name = "digits" if asked.data is None else "fashion_mnist"
    report = started(where["results"], {**asdict(sizes), "data": name})
    cells = [f"{count}/{seed:02d}" for seed in range(sizes.seeds) for count in sizes.labels]
    solve = partial(solved, folder=asked.data, sizes=sizes)
    report = completed(report, cells, solve, where["results"], asked)
    if "costs" not in report:
        report["costs"] = costs(loaded(asked.data), 20)
        keep(report, where["results"])
    image = where["images"] / "regularisers.png"
    print(write_page(report, where["page"], image, where["results"]))


def solved(cell: str, folder: Path | None, sizes: Sizes) -> dict:
    """All methods with all weights on one problem: accuracy on validation and test pictures."""
    data, (count, seed) = loaded(folder), map(int, cell.split("/"))
    order = torch.randperm(len(data.y), generator=torch.Generator().manual_seed(seed))
    train, held = order[:count], order[-sizes.validation :]
    found = {}
    for name, entry in METHODS.items():
        found[name] = {}
        for weight in entry.weights:
            steps = sizes.steps * entry.times
            model = trained(name, weight, seed, data.x[train], data.y[train], steps)
            found[name][str(weight)] = [
                round(accuracy(model, data.x[held], data.y[held]), 4),
                round(accuracy(model, data.test_x[: sizes.test], data.test_y[: sizes.test]), 4),
            ]
    return {"methods": found}


def network(seed: int) -> nn.Sequential:
    """Two strided convolutions and a linear layer, smooth: 9,226 parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.GELU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.GELU(),
            nn.Flatten(), nn.Linear(784, 10),
        )  # fmt: skip


def trained(name: str, weight: float, seed: int, x: Tensor, y: Tensor, steps: int) -> nn.Module:
    """Adam, the rate falling to 0 by a cosine; start and batches depend on the seed alone."""
    model = network(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    term = method(name, weight, model, seed)
    for _ in range(steps):
        chosen = torch.randint(len(x), (BATCH,), generator=generator)
        update(model, optimiser, term, x[chosen], y[chosen])
        schedule.step()
    return model.eval()


def update(
    model: nn.Module, optimiser: torch.optim.Optimizer, term: Term | None, x: Tensor, y: Tensor
) -> None:
    """One step on cross-entropy and the term."""
    optimiser.zero_grad()
    loss = cross_entropy(model(x), y)
    if term is not None:
        loss = loss + term(x, y)
    loss.backward()
    optimiser.step()


@torch.inference_mode()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of pictures whose class is found."""
    return float(torch.cat([model(part).argmax(1) for part in x.split(500)]).eq(y).double().mean())


def costs(data: Pictures, rounds: int) -> dict[str, float]:
    """Processor time of a step in plain steps: methods in turn, median over rounds."""
    jobs = {}
    for name, entry in METHODS.items():
        model = network(0)
        term = method(name, entry.weights[-1], model, 0)
        jobs[name] = partial(update, model, torch.optim.Adam(model.parameters()), term)
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            begin = time.process_time()
            job(data.x[:BATCH], data.y[:BATCH])
            if number:  # the first step allocates
                times[name].append(time.process_time() - begin)
    return {
        name: round(statistics.median(a / b for a, b in zip(own, times["plain"], strict=True)), 2)
        for name, own in times.items()
    }


@cache
def loaded(folder: Path | None) -> Pictures:
    """The data, read once a process."""
    return pictures(folder, "fashion_mnist")


if __name__ == "__main__":
    main()
