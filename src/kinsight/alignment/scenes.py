"""Aerial-like scenes with a true map: where roofs, roads, trees and empty ground lie.

Hard on purpose: roofs of the colour of the ground, yards and roads that look like roofs and are
none, shadows that have edges of their own, trees over walls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinsight.alignment import painting
from kinsight.alignment.polygons import Polygon
from kinsight.checks import positive
from kinsight.errors import ArgumentError

_SMALLEST = 128  # pixels of a side
_CELL = 80  # pixels: at most one building in each cell of a jittered grid


@dataclass(frozen=True)
class Scene:
    """An image and the polygons that belong to it.

    Args:
        image: (3, H, W) float32 in [0, 1].
        polygons: in pixels.
        name: of the image.
    """

    image: np.ndarray
    polygons: list[Polygon]
    name: str = "scene"


def scene(seed: int, size: int = 480) -> Scene:
    """One generated scene of ``size`` × ``size`` pixels, the same for the same seed.

    About 0.3 m a pixel: houses and halls of 20 to 70 px, a share of the plots empty, two roads.
    Cost: about 0.2 s.

    Raises:
        ArgumentError: a side below 128 pixels.
    """
    if positive("size", size) < _SMALLEST:
        raise ArgumentError(f"size: expected at least {_SMALLEST} pixels, got {size}")
    random = np.random.default_rng(seed)
    sun = random.uniform(0, 2 * np.pi)
    sun_direction = np.array([np.cos(sun), np.sin(sun)])
    canvas = painting.ground(random, size)
    roads = [_road(random, size) for _ in range(2)]
    for road in roads:
        painting.road(canvas, random, road)
    placed = _placed(random, size, roads)
    for polygon in placed.yards:
        painting.yard(canvas, random, polygon)
    for polygon, height in zip(placed.buildings, placed.heights, strict=True):
        painting.shadow(canvas, polygon, -sun_direction * height)
    for polygon in placed.buildings:
        painting.roof(canvas, random, polygon, sun_direction)
    for _ in range(size * size // 6000):
        painting.tree(canvas, random, sun_direction)
    return Scene(painting.exposed(canvas, random), placed.buildings, f"scene {seed}")


def scenes(count: int, seed: int, size: int = 480) -> list[Scene]:
    """``count`` scenes; no two seeds below 1000 share one."""
    return [scene(1000 * (seed + 1) + number, size) for number in range(count)]


@dataclass(frozen=True)
class _Placed:
    buildings: list[Polygon]
    heights: list[float]
    yards: list[Polygon]


def _placed(random: np.random.Generator, size: int, roads: Sequence[np.ndarray]) -> _Placed:
    """Buildings and yards in cells of a jittered grid, off the roads."""
    found = _Placed([], [], [])
    turn = random.uniform(0, np.pi / 2)  # of the quarter: most walls are parallel
    count = size // _CELL
    for cell in random.permutation(count * count):
        corner = np.array([cell % count, cell // count]) * (size / count)
        middle = corner + random.uniform(0.42, 0.58, 2) * size / count
        angle = turn if random.random() < 0.7 else random.uniform(0, np.pi)
        shape = Polygon.of(_shape(random, angle) + middle)
        if any(_near(shape.outline, road) for road in roads):
            continue
        kind = random.random()
        if kind < 0.75:
            found.buildings.append(shape)
            found.heights.append(random.uniform(4, 12))
        elif kind < 0.88:
            found.yards.append(shape)
    return found


def _near(corners: np.ndarray, road: np.ndarray) -> bool:
    """Whether a road comes close to a building, or runs through it."""
    away = painting.signed_distance(corners, road)
    return bool(away.min() < 14 and away.max() > -14)


def _shape(random: np.random.Generator, angle: float) -> np.ndarray:
    """A rectangle, an L or a T of 20 to 70 px, around (0, 0): (V, 2)."""
    long, wide = random.uniform(24, 62), random.uniform(20, 36)
    x, y = long / 2, wide / 2
    corners = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    if random.random() < 0.45:
        a, b = random.uniform(-0.3, 0.3) * long, random.uniform(-0.2, 0.3) * wide
        corners = np.array([[-x, -y], [x, -y], [x, b], [a, b], [a, y], [-x, y]])
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]])


def _road(random: np.random.Generator, size: int) -> np.ndarray:
    """Both ends of a road across the image: (2, 2)."""
    middle, angle = random.uniform(0.1, 0.9, 2) * size, random.uniform(0, np.pi)
    reach = 2 * size * np.array([np.cos(angle), np.sin(angle)])
    return np.stack([middle - reach, middle + reach])
