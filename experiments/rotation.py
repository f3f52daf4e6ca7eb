"""Invariance to rotation: asked for by a term, by augmentation, by both; what holds when turned?

    python experiments/rotation.py [--data FOLDER] [--full] [--workers 1]

A small network on Fashion-MNIST; k_C(x, T_φ x) and accuracy against the angle φ. Quick by default:
two minutes, into runs/. With --full the published numbers: written seed by seed, and the same
command goes on where it was, to experiments/results/rotation.json, with
docs/experiments/rotation.md and its figure. Without --data, scikit-learn's digits.
"""

import math
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parent))
from grey_pictures import Pictures, pictures, turned
from resumable import completed, keep, options, places, started
from rotation_page import write_page

import kinsight as ks

RANGE, BATCH, RATE, STEP = 15.0, 32, 2e-3, 1e-2  # degrees; the difference in radians
ANGLES = (-60.0, -45.0, -30.0, -20.0, -15.0, -10.0, -5.0, 0.0)
ANGLES += tuple(-angle for angle in ANGLES[-2::-1])
OUTPUT = ks.outputs.OwnClass("batch")


@dataclass(frozen=True)
class Arm:
    """Are pictures turned at random within ±15°, and with which weight is invariance asked for?"""

    turned: bool = False
    weight: float = 0.0


ARMS = {
    "nothing": Arm(),
    "augmentation": Arm(turned=True),
    "term 0.01": Arm(weight=0.01),
    "term 0.1": Arm(weight=0.1),
    "both 0.01": Arm(turned=True, weight=0.01),
    "both 0.1": Arm(turned=True, weight=0.1),
}


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    train: int
    test: int
    asked: int  # test pictures whose similarity to their images is measured
    steps: int
    seeds: int


FULL = Sizes(train=2000, test=2000, asked=60, steps=300, seeds=6)
QUICK = Sizes(train=500, test=500, asked=20, steps=120, seeds=2)


def main() -> None:
    """Measure what is missing, then write the tables, the figure and the page."""
    asked = options(__doc__).parse_args()
    torch.set_num_threads(1)
    sizes = FULL if asked.full else QUICK
    where = places("rotation", asked)
    name = "digits" if asked.data is None else "fashion_mnist"
    report = started(where["results"], {**asdict(sizes), "data": name, "angles": ANGLES})
    cells = [f"{seed:02d}" for seed in range(sizes.seeds)]
    solve = partial(solved, folder=asked.data, sizes=sizes)
    report = completed(report, cells, solve, where["results"], asked)
    if "costs" not in report:
        report["costs"] = costs(loaded(asked.data), 20)
        keep(report, where["results"])
    image = where["images"] / "rotation.png"
    print(write_page(report, where["page"], image, where["results"]))


def network(seed: int) -> nn.Sequential:
    """Two strided convolutions and a linear layer: 9,226 parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.GELU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.GELU(),
            nn.Flatten(), nn.Linear(784, 10),
        )  # fmt: skip


def rotated(batch: tuple[Tensor, Tensor], angles: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures turned by one angle each, in radians; their labels stay."""
    return turned(batch[0], angles), batch[1]


def trained(arm: Arm, seed: int, x: Tensor, y: Tensor, steps: int) -> nn.Sequential:
    """Adam, the rate falling to 0 by a cosine. Start, batches and angles depend on the seed."""
    model = network(seed)
    generator = torch.Generator().manual_seed(seed)
    step, schedule = stepping(arm, model, steps)
    for _ in range(steps):
        chosen = torch.randint(len(x), (BATCH,), generator=generator)
        angles = (2 * torch.rand(BATCH, generator=generator) - 1) * math.radians(RANGE)
        step(x[chosen], y[chosen], angles)
        schedule.step()
    return model.eval()


def stepping(arm: Arm, model: nn.Module, steps: int):
    """One step on pictures, labels and angles; and the schedule of the rate."""
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    term = ks.losses.InvarianceLoss(model, rotated, step=STEP, weight=arm.weight, output=OUTPUT)

    def step(x: Tensor, y: Tensor, angles: Tensor) -> None:
        seen = turned(x, angles) if arm.turned else x
        optimiser.zero_grad()
        loss = cross_entropy(model(seen), y)
        if arm.weight:
            loss = loss + term((seen, y))
        loss.backward()
        optimiser.step()

    return step, schedule


def solved(cell: str, folder: Path | None, sizes: Sizes) -> dict:
    """All arms with one seed: it draws the training pictures, too."""
    data, seed = loaded(folder), int(cell)
    generator = torch.Generator().manual_seed(1000 + seed)
    chosen = torch.randperm(len(data.y), generator=generator)[: sizes.train]
    found = {}
    for name, arm in ARMS.items():
        model = trained(arm, seed, data.x[chosen], data.y[chosen], sizes.steps)
        found[name] = measured(model, data.test_x[: sizes.test], data.test_y[: sizes.test], sizes)
    return {"arms": found}


def measured(model: nn.Module, x: Tensor, y: Tensor, sizes: Sizes) -> dict:
    """Accuracy and mean k_C(x, T_φ x) at each angle, the rate of turning, and mean k_C of pairs."""
    few = x[: sizes.asked], y[: sizes.asked]
    kernel = ks.TangentKernel(model, output=OUTPUT)
    along = ks.invariance(
        kernel, few, lambda b, degrees: rotated(b, torch.full((len(b[1]),), math.radians(degrees))),
        strengths=ANGLES,
    )  # fmt: skip
    rates = ks.losses.InvarianceLoss(model, rotated, step=STEP, output=OUTPUT).rates(few).detach()
    pairs = kernel.similarity(few)
    apart = ~torch.eye(len(pairs), dtype=torch.bool)
    return {
        "accuracy": [round(accuracy(model, x, y, degrees), 4) for degrees in ANGLES],
        "similarity": [round(float(value), 4) for value in along.mean()],
        "rate": round(float(rates.mean()), 4),
        "pairs": round(float(pairs[apart].mean()), 4),
    }


@torch.inference_mode()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, degrees: float) -> float:
    """Share of pictures, turned by this angle, whose class is found."""
    right = [
        model(turned(part, torch.full((len(part),), math.radians(degrees)))).argmax(1) == labels
        for part, labels in zip(x.split(250), y.split(250), strict=True)
    ]
    return float(torch.cat(right).double().mean())


def costs(data: Pictures, rounds: int) -> dict[str, float]:
    """Processor time of a step in plain steps: arms in turn, median over rounds."""
    steps = {name: stepping(arm, network(0), rounds + 1)[0] for name, arm in ARMS.items()}
    times: dict[str, list[float]] = {name: [] for name in ARMS}
    angles = torch.linspace(-0.2, 0.2, BATCH)
    for _ in range(rounds + 1):
        for name, step in steps.items():
            begin = time.process_time()
            step(data.x[:BATCH], data.y[:BATCH], angles)
            times[name].append(time.process_time() - begin)
    plain = torch.tensor(times["nothing"][1:])  # the first step allocates
    return {
        name: round(float((torch.tensor(own[1:]) / plain).median()), 2)
        for name, own in times.items()
    }


@cache
def loaded(folder: Path | None) -> Pictures:
    """The data, read once a process."""
    return pictures(folder, "fashion_mnist")


if __name__ == "__main__":
    main()
