"""How stable is what a network takes for the same thing: across seeds, training and widths?

    python experiments/stability.py --data FOLDER [--full] [--threads 1]

Small convolutional networks on Fashion-MNIST, compared pair by pair on test images, by the
tangent kernel and by the last hidden layer. Writes experiments/results/stability.json,
docs/images/stability.png and docs/experiments/stability.md.
"""

import argparse
import copy
import gzip
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))
from pages import environment, write
from stability_page import VIEWS, figure, page, text

import kinsight as ks
from kinsight import baselines

BATCH = 64


def main() -> None:
    """Train, look, compare, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--full", action="store_true", help="more images, steps, seeds, widths")
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    began = time.perf_counter()
    scale = (
        {"train": 60_000, "steps": 4096, "asked": 2000, "seeds": 5, "widths": [4, 8, 16, 32, 64]}
        if asked.full
        else {"train": 10_000, "steps": 1024, "asked": 500, "seeds": 3, "widths": [4, 8, 16, 32]}
    )
    x, y = pictures(asked.data, "train", scale["train"])
    asked_x, asked_y = pictures(asked.data, "t10k", 10_000)
    report = {"scale": scale, **measured(x, y, asked_x, asked_y, scale)}
    report["environment"] = environment(asked, time.perf_counter() - began)
    report["environment"]["core_minutes"] = round(time.process_time() / 60, 1)
    print(text(report))
    figure(report)
    write("stability", report, page(report))


def measured(x: Tensor, y: Tensor, asked_x: Tensor, asked_y: Tensor, scale: dict) -> dict:
    """All networks and all comparisons."""
    middle, few = 16, asked_x[: scale["asked"]]
    checkpoints = [0, *(2**i for i in range(1, 20) if 2**i <= scale["steps"])]
    snapshots = train(middle, x, y, scale["steps"], 0, checkpoints)
    final = snapshots[scale["steps"]]
    last = views(final, few)
    said: dict = {"training": [], "seeds": [], "widths": []}
    for step, model in snapshots.items():
        right = accuracy(model, asked_x, asked_y)
        said["training"].append(
            {"step": step, "accuracy": right, **compared(views(model, few), last)}
        )
    for width in scale["widths"]:
        members = list(trained(width, x, y, scale["steps"], scale["seeds"]))
        seen = [views(model, few) for model in members]
        pairs = [compared(a, b) for i, a in enumerate(seen) for b in seen[:i]]
        right = statistics.mean(accuracy(model, asked_x, asked_y) for model in members)
        said["seeds"].append({"width": width, "accuracy": right, "pairs": pairs})
        if width == middle:
            middle_seen = seen
        else:
            said["widths"].append({"width": width, "seen": seen})
    for each in said["widths"]:  # every seed of one width with every other seed of the middle one
        seen = each.pop("seen")
        each["pairs"] = [
            compared(a, b) for i, a in enumerate(seen) for j, b in enumerate(middle_seen) if i != j
        ]
    return said


def views(model: nn.Module, x: Tensor) -> dict[str, ks.Source]:
    """The images as the network sees them, computed once."""
    kernel = ks.TangentKernel(model, output=ks.outputs.Logits())
    return {
        "tangent kernel": baselines.SimilaritySource(kernel.on(x).gram()),
        "last layer": baselines.LastLayer(model).on(x),
    }


def compared(first: dict[str, ks.Source], second: dict[str, ks.Source]) -> dict:
    """Agreement of two networks, by each view."""
    found = {}
    for name in VIEWS:
        both = ks.compare(first[name], second[name], k=10)
        found[name] = {
            "shared": float(both.overlap.nanmean()),
            "rank_correlation": float(both.rank_correlation.nanmean()),
            "cka": both.alignment_unbiased,
            "chance": both.chance,
        }
    return found


def trained(width: int, x: Tensor, y: Tensor, steps: int, seeds: int) -> Iterator[nn.Module]:
    """Networks that differ in initialisation and in the order of the batches."""
    for seed in range(1, seeds + 1):
        print(f"width {width} seed {seed}", file=sys.stderr, flush=True)
        yield train(width, x, y, steps, seed, [steps])[steps]


def train(
    width: int, x: Tensor, y: Tensor, steps: int, seed: int, at: list[int]
) -> dict[int, nn.Module]:
    """Adam 2e-3, falling to 0 by a cosine; copies after the steps ``at``."""
    torch.manual_seed(seed)
    model = network(width)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    taken = {0: copy.deepcopy(model).eval()} if 0 in at else {}
    for step in range(1, steps + 1):
        chosen = torch.randint(len(x), (BATCH,))
        loss = functional.cross_entropy(model(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step in at:
            taken[step] = copy.deepcopy(model).eval()
    return taken


def network(width: int) -> nn.Sequential:
    """Two convolutions with pooling, and two linear layers, all as wide as ``width`` says."""
    return nn.Sequential(
        nn.Conv2d(1, width, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(18 * width, 4 * width),
        nn.ReLU(),
        nn.Linear(4 * width, 10),
    )


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of test images whose class is found."""
    return float(torch.cat([model(part).argmax(1) for part in x.split(1000)]).eq(y).double().mean())


def pictures(folder: Path, part: str, count: int) -> tuple[Tensor, Tensor]:
    """The first images of Fashion-MNIST, mean 0 and deviation 1, and their classes."""
    root = folder / "fashion_mnist"
    with gzip.open(root / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(16 + count * 784), np.uint8, offset=16)
    with gzip.open(root / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + count), np.uint8, offset=8)
    value = torch.from_numpy(pixels.copy()).float().reshape(-1, 1, 28, 28) / 255
    return (value - 0.286) / 0.353, torch.from_numpy(labels.astype(np.int64))


if __name__ == "__main__":
    main()
