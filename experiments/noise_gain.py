"""Which share of the labels' noise is in a network's answers, and which smoother predicts it.

    python experiments/noise_gain.py --data FOLDER [--samples 300] [--threads 1]

Truth: two trainings with the same initialisation and batches and two draws of label noise,
‖ŷ¹ − ŷ²‖ / ‖ε¹ − ε²‖ on the training inputs. Predictions: from the first run alone. Writes
experiments/results/noise_gain.json, docs/images/noise_gain.png, docs/experiments/noise_gain.md.
"""

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import smoothers
from noise_gain_page import figure, page
from pages import environment, write
from recipes import Recipe, perceptron, train
from tables import load

import kinsight as ks

TABLES = ("concrete", "energy", "wine-quality-red", "california")
LEVELS = (0.3, 1.0)  # σ of the added noise; the targets have std 1


@dataclass(frozen=True)
class Arm:
    """A kind of network with a way to train it."""

    optimiser: str
    hidden: int
    width: int
    rate: float  # Adam: the step. Else: the step times the largest eigenvalue of K/N at the start
    steps: int

    @property
    def name(self) -> str:
        """Such as "SGD, 2×512"."""
        shown = {"gd": "GD", "sgd": "SGD", "adam": "Adam"}[self.optimiser]
        return f"{shown}, {self.hidden}×{self.width}"


ARMS = (
    Arm("sgd", 1, 2048, 0.3, 2000),
    Arm("gd", 2, 512, 0.4, 250),
    Arm("sgd", 2, 512, 0.1, 1000),
    Arm("sgd", 2, 32, 0.1, 2000),
    Arm("adam", 2, 512, 0.001, 400),
    Arm("adam", 2, 32, 0.003, 1000),
)
WIDE = tuple(arm.name for arm in ARMS if arm.optimiser != "adam" and arm.width > 100)


def main() -> None:
    """Train, measure, predict, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--samples", type=int, default=300)
    options.add_argument("--segments", type=int, default=4, help="kernels taken on the way")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    began, cells = time.perf_counter(), []
    for place, (name, x, y) in enumerate(problems(asked.data, asked.samples)):
        for row, level in enumerate(LEVELS):
            noise = draws(len(x), level, seed=1000 * (asked.seed + 1) + 10 * place + row)
            for arm in ARMS:
                cell = measured(x, y, noise, arm, asked.seed, asked.segments)
                cells.append({"table": name, "sigma": level, "arm": arm.name, **cell})
                print(line(cells[-1]), file=sys.stderr, flush=True)
    report = {
        "environment": environment(asked, time.perf_counter() - began),
        "arms": {arm.name: vars(arm) for arm in ARMS},
        "wide": WIDE,
        "summary": summary(cells),
        "cells": cells,
    }
    print(table(report["summary"]))
    figure(report)
    write("noise_gain", report, page(report))


def problems(data: Path, samples: int) -> list[tuple[str, Tensor, Tensor]]:
    """Name, inputs and standardised targets of the toy function and of every table."""
    tables = [load(data, name, train=samples) for name in TABLES]
    return [("toy", *toy(samples)), *((table.name, table.x, table.y) for table in tables)]


def toy(samples: int, frequency: int = 4) -> tuple[Tensor, Tensor]:
    """sin(2πfα) at points (cos 2πα, sin 2πα) of the circle, α uniform."""
    generator = torch.Generator().manual_seed(20)  # not that of any noise: α and ε independent
    angle = 2 * math.pi * torch.rand(samples, generator=generator)
    target = torch.sin(frequency * angle)
    return torch.stack([angle.cos(), angle.sin()], 1), (target - target.mean()) / target.std()


def draws(samples: int, level: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two independent draws of Gaussian noise of std ``level``: (N,) each."""
    generator = torch.Generator().manual_seed(seed)
    first, second = level * torch.randn(2, samples, generator=generator)
    return first, second


def measured(
    x: Tensor, y: Tensor, noise: tuple[Tensor, Tensor], arm: Arm, seed: int, segments: int
) -> dict:
    """The gain of two runs, and what every smoother predicts from the first."""
    start = perceptron(x.shape[1], arm.width, seed, arm.hidden)
    first_kernel = smoothers.gram(start, x)
    top = float(ks.Spectrum.of_gram(first_kernel).eigenvalues[0]) / len(x)
    rate = arm.rate if arm.optimiser == "adam" else arm.rate / top
    recipe = Recipe(arm.optimiser, rate, arm.steps)
    began = time.perf_counter()
    on_the_way = smoothers.middles(arm.steps, segments)
    run = train(start, x, y + noise[0], recipe, seed, on_the_way)
    twin = train(start, x, y + noise[1], recipe, seed)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        answers, others = run[-1].model(x)[:, 0], twin[-1].model(x)[:, 0]
    difference = noise[0] - noise[1]
    found = smoothers.predictions(start, run, x, y + noise[0], recipe)
    moved = (smoothers.gram(run[-1].model, x) - first_kernel).norm() / first_kernel.norm()
    return {
        "gain": float((answers - others).norm() / difference.norm()),
        "rate": rate,
        "kernel_moved": float(moved),
        "residual": float((y + noise[0] - answers).square().mean().sqrt()),
        "train_seconds": round(seconds, 1),
        "predicted": {
            name: {"gain": said.gain, "same_noise": said.gain_of(difference), "sigma": said.level}
            for name, said in found.items()
        },
    }


def summary(cells: list[dict]) -> dict:
    """For every arm and smoother: median absolute, median signed and largest relative error."""
    result = {}
    for arm in ARMS:
        own = [cell for cell in cells if cell["arm"] == arm.name]
        result[arm.name] = {name: errors(own, name) for name in own[0]["predicted"]}
    wide = [cell for cell in cells if cell["arm"] in WIDE]
    result["wide (S)GD"] = {name: errors(wide, name) for name in wide[0]["predicted"]}
    return result


def errors(cells: list[dict], name: str) -> dict:
    """Relative errors of one smoother's gain over cells."""
    signed = [cell["predicted"][name]["gain"] / cell["gain"] - 1 for cell in cells]
    same = [cell["predicted"][name]["same_noise"] / cell["gain"] - 1 for cell in cells]
    return {
        "median": statistics.median(map(abs, signed)),
        "signed": statistics.median(signed),
        "largest": max(map(abs, signed)),
        "same_noise": statistics.median(map(abs, same)),
    }


def line(cell: dict) -> str:
    """One cell, for those who wait."""
    said = " ".join(f"{name} {value['gain']:.3f}" for name, value in cell["predicted"].items())
    return (
        f"{cell['table']:17s} σ={cell['sigma']} {cell['arm']:12s} gain {cell['gain']:.3f} | {said} "
        f"| moved {cell['kernel_moved']:.2f} | {cell['train_seconds']} s"
    )


def table(numbers: dict) -> str:
    """Median error of every smoother and arm as text."""
    lines = [f"{'median |error|':38s}" + "".join(f"{arm:>14s}" for arm in numbers)]
    for name, shown in smoothers.NAMES.items():
        said = (f"{numbers[arm][name]['median']:.0%}" if name in numbers[arm] else ""
                for arm in numbers)  # fmt: skip
        lines.append(f"{shown:38s}" + "".join(f"{value:>14s}" for value in said))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
