"""Training patches: a window at some scale, its polygons displaced by a known field."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kinsight.alignment.fields import SmoothField
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.raster import drawn

UNOWNED = -1


@dataclass(frozen=True)
class Displacements:
    """The known displacements of training, in pixels of the scale at which a patch is cut.

    Args:
        shift: deviation on each axis of what each polygon moves by itself.
        field: deviation of what neighbours move by together.
        length: of that field.
    """

    shift: float = 3.0
    field: float = 1.5
    length: float = 40.0

    def of(self, polygons: Sequence[Polygon], random: np.random.Generator) -> np.ndarray:
        """One displacement for each polygon: (M, 2); a patch is calm or wild as a whole."""
        size = random.uniform(0.3, 1.3)
        field = SmoothField(size * self.field, self.length, random)
        own = random.normal(0, size * self.shift, (len(polygons), 2))
        return own + field.at(np.array([p.centre for p in polygons]).reshape(-1, 2))


@dataclass(frozen=True)
class Patches:
    """A batch of patches of side S.

    Args:
        image: (B, 3, S, S) float32.
        polygons: (B, 3, S, S) float32, the channels of the displaced polygons.
        displacement: (B, 2, S, S) float32, from there to the label, in pixels of the patch.
        owner: (B, S, S) int64, which polygon of the patch owns a pixel; −1: none.
        classes: (B, S, S) int64 of the label as it was: background, inside, edge, vertex.
    """

    image: Tensor
    polygons: Tensor
    displacement: Tensor
    owner: Tensor
    classes: Tensor


def cut(
    pyramids: Sequence[Pyramid], maps: Sequence[Sequence[Polygon]], random: np.random.Generator,
    scales: Sequence[int], side: int, count: int, displacements: Displacements,
) -> Patches:  # fmt: skip
    """A batch at one scale, mirrored as a whole at random; each patch has a polygon in it.

    Args:
        pyramids: of the images.
        maps: the polygons of each image, the labels.
    """
    scale = int(random.choice(np.array(scales)))
    chosen = [
        (image, polygon)
        for image, polygons in enumerate(maps)
        for polygon in polygons
        if not polygon.is_empty
    ]
    parts = []
    for i in random.integers(0, len(chosen), count):
        image, polygon = chosen[i]
        corner = pyramids[image].corner(polygon.centre, scale, side, random)
        window = pyramids[image].window(scale, corner, side)
        near = within_window(maps[image], corner, scale, side)
        parts.append((window, *_labelled(near, displacements.of(near, random), side)))
    stacked = [torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)]
    return _mirrored(Patches(*stacked), *(random.random(3) < 0.5))


def within_window(
    polygons: Sequence[Polygon], corner: np.ndarray, scale: int, side: int
) -> list[Polygon]:
    """The polygons whose centre lies in a window or near it, in its own pixels."""
    found = []
    for polygon in polygons:
        centre = (polygon.centre - corner) / scale
        if not polygon.is_empty and (centre > -side / 4).all() and (centre < 1.25 * side).all():
            found.append(polygon.shifted(-corner).scaled(1 / scale))
    return found


def class_map(channels: np.ndarray) -> np.ndarray:
    """Classes from channels (3, H, W): vertex over edge over inside over background; (H, W)."""
    found = np.where(channels[0] >= 0.5, 1, 0)
    found[channels[1] >= 0.5] = 2
    found[channels[2] >= 0.5] = 3
    return found.astype(np.int64)


def _labelled(labels: list[Polygon], moves: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Channels, displacement, owner and classes of one patch."""
    away = [label.shifted(-move) for label, move in zip(labels, moves, strict=True)]
    channels, owner = drawn(away, side, side)
    table = np.concatenate([moves, np.zeros((1, 2))]).astype(np.float32)  # the last: no owner
    displacement = table[owner].transpose(2, 0, 1)
    classes = class_map(drawn(labels, side, side)[0])
    return channels, np.ascontiguousarray(displacement), owner.astype(np.int64), classes


def _mirrored(patches: Patches, left_right: bool, up_down: bool, swapped: bool) -> Patches:
    """Mirrored along x, along y, and x and y exchanged; displacements turn along."""
    found = vars(patches)
    for along, wanted in ((-1, left_right), (-2, up_down)):
        if wanted:
            found = {name: value.flip(along) for name, value in found.items()}
            sign = torch.ones(2, 1, 1)
            sign[-1 - along] = -1
            found["displacement"] = found["displacement"] * sign
    if swapped:
        found = {name: value.transpose(-1, -2) for name, value in found.items()}
        found["displacement"] = found["displacement"].flip(1)
    return Patches(**{name: value.contiguous() for name, value in found.items()})
