"""How many windows the network takes for alike after each round, plain and up to a rotation.

The windows are the same in all rounds, those of the map as it was given: only the network differs.
"""

from pathlib import Path

import numpy as np
import torch
from map_alignment_cells import Sizes
from map_alignment_windows import (
    SIDE,
    digits,
    kernel_of,
    middle,
    rounds,
    seed_of,
    taken,
    taught,
    trained,
)
from torch import Tensor

import kinsight as ks
from kinsight.baselines import SimilaritySource
from kinsight.kernel.rotation import best_trace

BINS = 40  # of the density as a share of all windows, from 0 to 1


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = None, side: int = SIDE,
    device: str = "cpu",
) -> dict:  # fmt: skip
    """Density and averaging after every finished round, by the plain and the turned similarity."""
    windows = taken(taught(name, sizes), seed_of(name), count, side=side)
    found = []
    for number in range(rounds(folder, name)):
        kernel = kernel_of(trained(folder, name, number, device), device)
        matrices = kernel.matrix(windows.data)
        kinds = {"plain": plain(matrices), "turned": turned(matrices)}
        found.append({kind: statistics(values) for kind, values in kinds.items()})
    return {"windows": len(windows), "rounds": found}


def plain(matrices: Tensor) -> Tensor:
    """k_C = Tr K_C / 2 from K_C (N, M, 2, 2): (N, M) in [−1, 1]."""
    return matrices.diagonal(dim1=2, dim2=3).mean(2)


def turned(matrices: Tensor) -> Tensor:
    """½ max over rotations R of Tr(K_C R): (N, M) in [0, 1], the same however outputs turn."""
    return best_trace(matrices) / 2


def turns(matrices: Tensor) -> Tensor:
    """The rotation R nearest to each K_C(x, x'): (N, M, 2, 2); R y' is y' as x sees it."""
    along = matrices[..., 0, 0] + matrices[..., 1, 1]
    across = matrices[..., 1, 0] - matrices[..., 0, 1]
    length = torch.hypot(along, across).clamp_min(1e-30)
    cos, sin = along / length, across / length
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def statistics(similarity: Tensor) -> dict:
    """Of similarities (N, N): density, its histogram, and the factor of the scalar average.

    With scalar weights w_ij = k_ij / Σ_j k_ij the averaged noise has the deviation ‖w_i‖.
    """
    count = len(similarity)
    density = ks.density(SimilaritySource(similarity)).score
    factor = similarity.double().square().sum(1).sqrt() / similarity.double().sum(1)
    others = similarity[~torch.eye(count, dtype=torch.bool)]
    share = (density / count).clamp(0, 1).numpy()
    return {
        "density": middle(density),
        "quartiles": [digits(float(q)) for q in np.quantile(density, (0.05, 0.25, 0.75, 0.95))],
        "histogram": np.histogram(share, BINS, (0, 1))[0].tolist(),
        "factor": middle(factor),
        "mean": digits(float(others.mean())),
        "negative": digits(float((others < 0).float().mean())),
    }
