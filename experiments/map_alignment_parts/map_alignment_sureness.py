"""Which polygons of an unseen map end up wrong? Asked of the tangent kernel, and of mirrors.

Two places are asked about. *One pass*: the first network on the map as it is given, at a quarter
of the resolution; the error of its one answer. *Aligned*: the last network after all passes, at
full resolution; the error that is left. The reference is what the same network learnt from.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from map_alignment_cells import TEST_SEED, Region, Sizes, parsed, region
from map_alignment_windows import (
    SIDE,
    Averaged,
    Windows,
    answers,
    digits,
    kernel_of,
    labels_of,
    ranked,
    rounds,
    seed_of,
    taken,
    taught,
    trained,
)
from torch import Tensor

import kinsight as ks
from kinsight.alignment import Passes, Polygon, align
from kinsight.alignment.applying import displacements
from kinsight.alignment.pyramid import Pyramid
from kinsight.errors import ArgumentError

SCORES = ("uncertainty", "density", "gradient", "spread", "move", "doubt")
STAGES = ("one pass", "aligned")


@dataclass(frozen=True)
class Placed:
    """The maps of unseen scenes where a score is asked for, and what mirrored views say there.

    Args:
        maps: the polygons of each scene.
        spread, move: (M,) of each scene, pixels: deviation among the views, length of the move.
    """

    maps: list[list[Polygon]]
    spread: list[np.ndarray]
    move: list[np.ndarray]


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = None, side: int = SIDE,
    device: str = "cpu",
) -> dict:  # fmt: skip
    """Rank correlations of every score with the error of a polygon, at both places.

    Args:
        count: windows of the reference, the training scenes; None: one for each polygon.
    """
    where, seed = taught(name, sizes), seed_of(name)
    other = region(sizes.held_out, TEST_SEED + seed, parsed(name)[0].noise, sizes.side)
    last, found = rounds(folder, name) - 1, {}
    for stage, number, scale in zip(STAGES, (0, last), (4, 1), strict=True):
        model = trained(folder, name, number, device)
        labels = labels_of(folder, name, where.maps, number)
        reference = taken(where, seed, count, maps=labels, scale=scale, side=side)
        place = one_pass if stage == "one pass" else aligned
        placed = place(model, other, scale, side)
        queries = taken(other, seed, maps=placed.maps, scale=scale, side=side, moving=False)
        error = -queries.true  # of a polygon that stays where it is
        if stage == "one pass":
            error = answers(model, queries.data) - queries.true
        scores = scored(model, reference, queries, placed, device)
        found[stage] = judged(scores, error.norm(dim=1) * scale)
    return {"reference": len(reference), "stages": found}


def one_pass(model: Averaged, other: Region, scale: int, side: int) -> Placed:
    """The map as it is given, and one pass with four views."""
    found = [
        displacements(model.network, Pyramid(one.image, (scale,)), polygons, scale,
                      Passes(views=4, side=side))[0]
        for one, polygons in zip(other.scenes, other.maps, strict=True)
    ]  # fmt: skip
    spread = [scale * views.std(0, ddof=1).mean(1) for views in found]
    move = [scale * np.linalg.norm(views.mean(0), axis=1) for views in found]
    return Placed(other.maps, spread, move)


def aligned(model: Averaged, other: Region, scale: int, side: int) -> Placed:
    """The map after all passes, the last of them at this scale."""
    passes = Passes(views=4, side=side)
    if passes.scales[-1] != scale:
        raise ArgumentError(f"scale: expected that of the last pass, got {scale}")
    pairs = zip(other.scenes, other.maps, strict=True)
    found = [align(model.network, one.image, polygons, passes) for one, polygons in pairs]
    return Placed([a.polygons for a in found], [a.spread for a in found], [a.last for a in found])


def scored(
    model: Averaged, reference: Windows, queries: Windows, placed: Placed, device: str
) -> dict[str, Tensor]:
    """Every score of :data:`SCORES`: (N,) each."""
    kernel = kernel_of(model, device)
    source = kernel.on(reference.data)
    at = list(zip(queries.scene.tolist(), queries.number.tolist(), strict=True))
    spread, move = (
        torch.tensor([each[i][j] for i, j in at]) for each in (placed.spread, placed.move)
    )
    return {
        "uncertainty": ks.uncertainty(source, queries.data).score,
        "density": kernel.density(queries.data, reference.data),
        "gradient": source.other(queries.data).norms(),
        "spread": spread,
        "move": move,
        "doubt": spread + move,
    }


def judged(scores: dict[str, Tensor], error: Tensor) -> dict:
    """Rank correlation of each score with the errors (N,), what is invented left out."""
    real = error.isfinite()
    return {
        "polygons": int(real.sum()),
        "median": digits(float(error[real].median())),
        "ranks": {name: digits(ranked(score[real], error[real])) for name, score in scores.items()},
    }
