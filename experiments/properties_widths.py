"""How much similarity depends on the seed: by width, along training, and of ensembles."""

import copy
import math
import statistics
import sys
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import kinsight as ks
from kinsight import baselines

BATCH, RATE, NEAR = 64, 0.05, 10


class Pictures(NamedTuple):
    """Flat pictures and their classes, to train on and to ask about."""

    name: str
    x: Tensor  # (N, pixels)
    y: Tensor  # (N,)
    asked: Tensor  # (M, pixels)
    asked_y: Tensor  # (M,)


class Scale(NamedTuple):
    """How large the experiment is."""

    widths: list[int]
    seeds: int  # networks that are trained; twice as many are looked at before
    steps: int
    asked: int
    members: int  # networks for ensembles


def network(inputs: int, width: int, seed: int) -> nn.Sequential:
    """Two ReLU layers of ``width`` and ten outputs, PyTorch's own initialisation."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 10),
        ).eval()  # fmt: skip


def train(
    model: nn.Sequential, data: Pictures, steps: int, seed: int, at: list[int]
) -> dict[int, nn.Sequential]:
    """SGD with momentum 0.9 on cross-entropy; copies after the steps ``at``."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    taken = {0: copy.deepcopy(model)} if 0 in at else {}
    for step in range(1, steps + 1):
        chosen = torch.randint(len(data.x), (BATCH,), generator=generator)
        loss = functional.cross_entropy(model(data.x[chosen]), data.y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in at:
            taken[step] = copy.deepcopy(model)
    return taken


def measured(data: Pictures, scale: Scale) -> dict:
    """All widths, the checkpoints of one, and ensembles."""
    asked = data.asked[: scale.asked]
    by_width, grams = [], {}
    for width in scale.widths:
        before, after, right = [], [], []
        for seed in range(2 * scale.seeds):
            print(f"{data.name} width {width} seed {seed}", file=sys.stderr, flush=True)
            first = network(asked.shape[1], width, seed)
            before.append(similarity(first, asked))
            if seed < scale.seeds:
                last = train(first, data, scale.steps, seed, [scale.steps])[scale.steps]
                after.append(similarity(last, asked))
                right.append(accuracy(last, data))
        grams[width] = after
        by_width.append(
            {
                "width": width,
                "accuracy": statistics.mean(right),
                "before": across(before),
                "after": across(after),
                "training": between(list(zip(before, after, strict=False))),
            }
        )
    return {
        "widths": by_width,
        "slopes": {when: slope(by_width, when) for when in ("before", "after", "training")},
        "other widths": other_widths(grams),
        "checkpoints": checkpoints(data, asked, scale),
        "ensembles": ensembles(data, asked, scale),
    }


def similarity(model: nn.Module, x: Tensor) -> Tensor:
    """k_C of the ten logits among all samples: (N, N) float64."""
    return ks.TangentKernel(model).similarity(x).double()


def across(grams: list[Tensor]) -> dict:
    """Mean similarity; its deviation over seeds; agreement of every two seeds."""
    return {"mean": float(off_diagonal(torch.stack(grams)).mean()), **spread(grams)} | between(
        list(combinations(grams, 2))
    )


def spread(grams: list[Tensor]) -> dict:
    """Deviation of k(x, x') over seeds, root of the mean square over pairs."""
    return {"spread": float(off_diagonal(torch.stack(grams)).var(0).mean().sqrt())}


def between(pairs: list[tuple[Tensor, Tensor]]) -> dict:
    """Means over pairs of networks: |Δk| (root mean square), shared nearest, rank correlation."""
    found = [agreement(*pair) for pair in pairs]
    return {name: statistics.mean(each[name] for each in found) for name in found[0]}


def agreement(first: Tensor, second: Tensor) -> dict:
    """Two networks' similarities of the same samples."""
    sources = [baselines.SimilaritySource(each) for each in (first, second)]
    both = ks.compare(*sources, k=NEAR)
    return {
        "moved": float(off_diagonal(first - second).square().mean().sqrt()),
        "shared": float(both.overlap.nanmean()),
        "order": float(both.rank_correlation.nanmean()),
    }


def other_widths(grams: dict[int, list[Tensor]]) -> list[dict]:
    """Every width against every other, all pairs of networks that differ in seed as well."""
    found = []
    for one, other in combinations(grams, 2):
        pairs = [
            (a, b) for i, a in enumerate(grams[one]) for j, b in enumerate(grams[other]) if i != j
        ]
        found.append({"one": one, "other": other, **between(pairs)})
    return found


def checkpoints(data: Pictures, asked: Tensor, scale: Scale) -> list[dict]:
    """A network of the middle width after so many steps against itself at the end, and another."""
    width = scale.widths[len(scale.widths) // 2]
    at = [0, *(2**i for i in range(20) if 2**i < scale.steps), scale.steps]
    taken = [
        train(network(asked.shape[1], width, seed), data, scale.steps, seed, at) for seed in (0, 1)
    ]
    own, other = ({step: similarity(m, asked) for step, m in each.items()} for each in taken)
    return [
        {
            "step": step,
            "accuracy": accuracy(taken[0][step], data),
            "end": agreement(own[step], own[scale.steps]),
            "seed": agreement(own[step], other[step]),
        }
        for step in at
    ]


def ensembles(data: Pictures, asked: Tensor, scale: Scale) -> list[dict]:
    """Means of m narrow networks against the mean of m others, m = 1, 2, 4 …"""
    kernels = []
    for seed in range(scale.members):
        first = network(asked.shape[1], scale.widths[0], 100 + seed)
        last = train(first, data, scale.steps, 100 + seed, [scale.steps])[scale.steps]
        kernels.append(ks.TangentKernel(last))
    found, size = [], 1
    while 2 * size <= scale.members:
        groups = [kernels[i : i + size] for i in range(0, size * (scale.members // size), size)]
        means = [baselines.Ensemble(group).similarity(asked).double() for group in groups]
        found.append({"size": size, **between(list(combinations(means, 2)))})
        size *= 2
    return found


def slope(rows: list[dict], when: str) -> float:
    """Of log spread against log width, least squares; of the change by training for its own."""
    key = "moved" if when == "training" else "spread"
    points = [(math.log(row["width"]), math.log(row[when][key])) for row in rows]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def off_diagonal(values: Tensor) -> Tensor:
    """Pairs of two samples: (…, N (N − 1))."""
    return values[..., ~torch.eye(values.shape[-1], dtype=torch.bool)]


@torch.no_grad()
def accuracy(model: nn.Module, data: Pictures) -> float:
    """Share of the asked pictures whose class is found."""
    return float((model(data.asked).argmax(1) == data.asked_y).double().mean())
