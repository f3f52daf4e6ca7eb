"""How much of the labels' noise stays in a taught network's answers, as its tangent kernel says.

f(x) is the displacement averaged over a polygon, in pixels of the window: the same quantity for
gradient, prediction and label.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from map_alignment_cells import ARMS, Sizes, region
from torch import Tensor, nn

import kinsight as ks
from kinsight.alignment import AlignmentNetwork, Displacements, load_network
from kinsight.alignment.applying import averaged, window_of
from kinsight.alignment.pyramid import Pyramid

SCALE, SIDE = 4, 96


class Averaged(nn.Module):
    """A network whose answer for a window is the displacement averaged over one polygon."""

    def __init__(self, network: AlignmentNetwork):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, channels: Tensor, mask: Tensor) -> Tensor:
        """(B, 2) from image (B, 3, S, S), channels (B, 3, S, S) and mask (B, S, S)."""
        return averaged(self.network(image, channels)[0], mask)


def windows(name: str, sizes: Sizes, count: int, side: int = SIDE) -> tuple[tuple, Tensor, Tensor]:
    """Training windows of an arm, one polygon each.

    Returns:
        image, channels, mask; the labels (N, 2) that training would use; the true ones (N, 2).
    """
    arm, seed = name.rsplit(" ", 1)
    taught = region(sizes.scenes, int(seed), ARMS[arm].noise, sizes.side)
    random = np.random.default_rng([1, int(seed)])
    every = [(i, j) for i, one in enumerate(taught.noisy) for j in range(len(one.polygons))]
    chosen = random.permutation(len(every))[:count]
    parts, labels, true = [], [], []
    for i, j in (every[k] for k in chosen):
        one, noisy = taught.scenes[i], taught.noisy[i]
        moves = SCALE * Displacements().of([p.scaled(1 / SCALE) for p in noisy.polygons], random)
        away = [p.shifted(-move) for p, move in zip(noisy.polygons, moves, strict=True)]
        parts.append(window_of(Pyramid(one.image, (SCALE,)), away, j, SCALE, side))
        labels.append(moves[j] / SCALE)
        wrong = noisy.polygons[j].outline[0] - one.polygons[noisy.source[j]].outline[0]
        true.append((moves[j] - wrong) / SCALE)
    image, channels, mask = (
        torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)
    )
    data = (image, channels, mask.float())
    return data, torch.tensor(np.array(labels)), torch.tensor(np.array(true))


def measured(
    name: str, sizes: Sizes, folder: Path, count: int = 200, side: int = SIDE,
    training: Any = "residual",
) -> dict:  # fmt: skip
    """Denoising of the first round's network of a finished cell, beside what the truth says."""
    model = Averaged(load_network(folder / name / "round0.pt")).eval()
    data, labels, true = windows(name, sizes, count, side)
    source = ks.TangentKernel(model).on(data)
    found = ks.denoise(source, labels, training=training)
    with torch.no_grad():
        batches = zip(*(part.split(16) for part in data), strict=True)
        answers = torch.cat([model(*batch) for batch in batches])  # (N, 2)
    return {
        "windows": len(labels),
        "factor": middle(found.factor),
        "shift": middle(found.shift.norm(dim=1)),
        "gain": rounded(found.noise_gain),
        "level": rounded(found.noise_level),
        "smoother": found.smoother,
        "label": size(labels - true),
        "error": size(answers.double() - true),
        "density": middle(ks.density(source).score),
        "fails": [one.name for one in found.assumptions if not one.holds],
    }


def size(values: Tensor) -> float:
    """Root mean square on each axis."""
    return round(float(values.square().mean().sqrt()), 3)


def middle(values: Tensor) -> float:
    """The median of what is finite."""
    return round(float(values[values.isfinite()].median()), 4)


def rounded(value: float | None) -> float | None:
    """None where nothing could be told."""
    return None if value is None or value != value else round(value, 3)
