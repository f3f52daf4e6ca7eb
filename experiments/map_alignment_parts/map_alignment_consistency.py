"""Where averaging over neighbours fails: do the residuals show that the labels err alike?

Errors that neighbours share do not average out. Moran's I says how alike the residuals
r = ỹ − ŷ of neighbouring windows are,

    I = (N / Σ_ij w_ij) Σ_ij w_ij r_i·r_j / Σ_i r_i·r_i,    r less their mean, w_ii = 0,

about 0 for residuals that are independent of each other. Neighbours: the windows most similar to
the tangent kernel, or those close by in the same scene. The mean is taken off first, and a trained
network has taken the mean of the labels over: what all labels share is invisible to any such
measure.
"""

from pathlib import Path

import torch
from map_alignment_cells import Sizes
from map_alignment_rounds import plain
from map_alignment_windows import (
    SCALE,
    SIDE,
    Windows,
    answers,
    digits,
    kernel_of,
    seed_of,
    taken,
    taught,
    trained,
)
from torch import Tensor

NEIGHBOURS = 10
NEAR = 150.0  # pixels of the scene, the length of the shared field
PERMUTATIONS = 499


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = None, side: int = SIDE,
    device: str = "cpu",
) -> dict:  # fmt: skip
    """I of the first round's residuals over both kinds of neighbours, and their mean.

    *Scaled*: ỹ − β ŷ with the β of least squares, as a network that goes too short a part of the
    way leaves the rest of it in its residuals. Beside it I of the noise itself, which only the
    truth knows, and of the moves that the network proposes for the map as it is.
    """
    where, model = taught(name, sizes), trained(folder, name, 0, device)
    windows = taken(where, seed_of(name), count, side=side)
    real = windows.noise.isfinite().all(1)
    still = taken(where, seed_of(name), count, side=side, moving=False)
    given = answers(model, windows.data)
    residual = windows.labels - given
    slope = float((windows.labels * given).sum() / given.square().sum().clamp_min(1e-30))
    similarity = plain(kernel_of(model, device).matrix(windows.data))
    kinds = {"kernel": most_similar(similarity, NEIGHBOURS), "space": close_by(windows, NEAR)}
    asked = {"residual": residual, "scaled": windows.labels - slope * given,
             "noise": windows.noise.nan_to_num(), "moves": answers(model, still.data)}  # fmt: skip
    return {
        "windows": len(windows),
        "moran": {
            of: {kind: tested(values, weights) for kind, weights in kinds.items()}
            for of, values in asked.items()
        },
        "mean": {
            "residual": mean_of(residual),
            "noise": mean_of(windows.noise[real]),
            "error": mean_of((windows.labels - residual - windows.true)[real]),
        },
        "slope": digits(slope),
        "scale": SCALE,
    }


def most_similar(similarity: Tensor, k: int) -> Tensor:
    """w_ij = 1 for the k most similar others of each sample: (N, N)."""
    others = similarity.double().clone().fill_diagonal_(-torch.inf)
    best = others.topk(min(k, len(others) - 1), dim=1).indices
    return torch.zeros_like(others).scatter_(1, best, 1.0)


def close_by(windows: Windows, reach: float) -> Tensor:
    """w_ij = 1 for polygons of one scene whose centres are at most ``reach`` px apart: (N, N)."""
    same = windows.scene[:, None] == windows.scene[None]
    near = torch.cdist(windows.place, windows.place) <= reach
    return (same & near).double().fill_diagonal_(0.0)


def moran(values: Tensor, weights: Tensor) -> Tensor:
    """Moran's I of vectors (…, N, D) with weights (N, N): (…)."""
    centred = values.double() - values.double().mean(-2, keepdim=True)
    together = ((weights @ centred) * centred).sum((-2, -1))
    own = centred.square().sum((-2, -1)).clamp_min(1e-300)
    return values.shape[-2] / weights.sum().clamp_min(1e-300) * together / own


def tested(values: Tensor, weights: Tensor) -> dict:
    """I, and where it lies among those of values that are dealt out to the windows at random."""
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack(
        [torch.randperm(len(values), generator=generator) for _ in range(PERMUTATIONS)]
    )
    own = float(moran(values, weights))
    chance = torch.cat([moran(values[some], weights) for some in orders.split(50)])
    return {
        "i": digits(own),
        "chance": digits(float(chance.std())),
        "z": digits((own - float(chance.mean())) / max(float(chance.std()), 1e-12), 1),
        "p": digits((1 + int((chance >= own).sum())) / (1 + PERMUTATIONS), 4),
    }


def mean_of(values: Tensor) -> dict:
    """Mean on both axes and its standard error were the windows independent, pixels of windows."""
    error = values.double().std(0) / len(values) ** 0.5
    return {
        "mean": [digits(v) for v in values.double().mean(0).tolist()],
        "error": [digits(v) for v in error.tolist()],
    }
