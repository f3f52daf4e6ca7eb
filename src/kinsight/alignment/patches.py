"""Training patches: a window at some scale, its polygons displaced by a known field."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kinsight.alignment.fields import SmoothField
from kinsight.alignment.light import relit
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
        return self.at(np.array([p.centre for p in polygons]).reshape(-1, 2), random)

    def at(self, centres: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The same for polygons whose centres are known: (M, 2) from (M, 2)."""
        size = random.uniform(0.3, 1.3)
        field = SmoothField(size * self.field, self.length, random)
        return random.normal(0, size * self.shift, centres.shape) + field.at(centres)


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
    known: dict[tuple[int, int], np.ndarray] | None = None, mirrored: bool = True,
    light: float = 0.0,
) -> Patches:  # fmt: skip
    """A batch at one scale, mirrored as a whole at random; each patch has a polygon in it.

    Every patch has random numbers of its own, and in it every polygon of the image, near or not:
    two maps of the same buildings that differ by noise alone are displaced alike.

    Args:
        pyramids: of the images.
        maps: the polygons of each image, the labels.
        known: where the classes of these maps are kept by image and scale, as long as the maps
            are the same; None: they are drawn anew.
        mirrored: False: patches stay as they lie.
        light: strength of random changes of contrast, brightness and colour; 0: none.
    """
    known = {} if known is None else known
    scale = int(random.choice(np.array(scales)))
    chosen, parts = _solid(maps), []
    seeds = random.integers(0, 1 << 62, count)
    for i, seed in zip(random.integers(0, len(chosen), count), seeds, strict=True):
        (image, polygon), own = chosen[i], np.random.default_rng(seed)
        corner = pyramids[image].corner(polygon.centre, scale, side, own)
        window = pyramids[image].window(scale, corner, side)
        centres = _centres(maps[image], corner, scale)
        near = _near(centres, side)
        moves = displacements.at(centres, own)[near]
        placed = [maps[image][j].shifted(-corner).scaled(1 / scale) for j in near]
        if (image, scale) not in known:
            known[image, scale] = _classes(pyramids[image], maps[image], scale, side)
        if light:  # after the moves, which are then the same with and without
            window = relit(window, light, own)
        left, top = corner // scale
        classes = known[image, scale][top : top + side, left : left + side].astype(np.int64)
        parts.append((window, *_displaced(placed, moves, side), classes))
    stacked = [torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)]
    turns = random.random(3) < 0.5
    return _mirrored(Patches(*stacked), *turns) if mirrored else Patches(*stacked)


def _solid(maps: Sequence[Sequence[Polygon]]) -> list[tuple[int, Polygon]]:
    """The polygons that have corners, with the number of their image."""
    return [(i, one) for i, polygons in enumerate(maps) for one in polygons if not one.is_empty]


def class_map(channels: np.ndarray) -> np.ndarray:
    """Classes from channels (3, H, W): vertex over edge over inside over background; (H, W)."""
    found = np.where(channels[0] >= 0.5, 1, 0)
    found[channels[1] >= 0.5] = 2
    found[channels[2] >= 0.5] = 3
    return found.astype(np.int64)


def _centres(polygons: Sequence[Polygon], corner: np.ndarray, scale: int) -> np.ndarray:
    """Centres in pixels of a window (M, 2); NaN where a polygon is empty."""
    return (np.array([p.centre for p in polygons]).reshape(-1, 2) - corner) / scale


def _near(centres: np.ndarray, side: int) -> list[int]:
    """Which centres lie in a window or near it; an empty polygon's does not."""
    inside = (centres > -side / 4) & (centres < 1.25 * side)  # (M, 2)
    return np.flatnonzero(inside.all(1)).tolist()


def _classes(pyramid: Pyramid, polygons: Sequence[Polygon], scale: int, side: int) -> np.ndarray:
    """Classes over a whole image at one scale, at least a window large: (H, W) uint8.

    Windows begin at whole pixels of the scale: theirs are cut out of it.
    """
    height, width = pyramid.level(scale).shape[1:]
    scaled = [polygon.scaled(1 / scale) for polygon in polygons]
    return class_map(drawn(scaled, max(height, side), max(width, side))[0]).astype(np.uint8)


def _displaced(placed: list[Polygon], moves: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Channels, displacement and owner of one patch whose polygons are moved away."""
    away = [label.shifted(-move) for label, move in zip(placed, moves, strict=True)]
    channels, owner = drawn(away, side, side)
    table = np.concatenate([moves, np.zeros((1, 2))]).astype(np.float32)  # the last: no owner
    displacement = table[owner].transpose(2, 0, 1)
    return channels, np.ascontiguousarray(displacement), owner.astype(np.int64)


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
