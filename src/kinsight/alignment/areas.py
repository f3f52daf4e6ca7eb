"""Areas: places of the earth whose scenes look alike, and large images cut into scenes."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kinsight.alignment.polygons import Polygon
from kinsight.alignment.scenes import Scene
from kinsight.checks import positive

SIDE = 512  # pixels of a scene, at most


@dataclass(frozen=True)
class Area:
    """One place of a data set.

    Args:
        name: of the place.
        scenes: its images with their polygons, in pixels of the image.
        metres: of a pixel; None: the data set does not say.
        repairs: what was left out or repaired, in sentences.
    """

    name: str
    scenes: list[Scene]
    metres: float | None
    repairs: list[str]


def cut_up(scene: Scene, side: int = SIDE) -> tuple[list[Scene], int]:
    """A large scene as equal parts of at most ``side`` pixels, row by row.

    A polygon belongs to the part that holds the middle of its bounding box, and may reach over
    its edge.

    Returns:
        The parts, and how many polygons have their middle outside the image, or are empty: those
        are in no part.

    Raises:
        ArgumentError: a side below 1.
    """
    positive("side", side)
    height, width = scene.image.shape[1:]
    rows, columns = _ends(height, side), _ends(width, side)
    kept: dict[tuple[int, int], list[Polygon]] = {}
    gone = 0
    for polygon in scene.polygons:
        x, y = polygon.centre
        if polygon.is_empty or not (0 <= x < width and 0 <= y < height):
            gone += 1
            continue
        place = (_part(rows, y), _part(columns, x))
        kept.setdefault(place, []).append(polygon)
    found = []
    for i, (top, bottom) in enumerate(pairwise(rows)):
        for j, (left, right) in enumerate(pairwise(columns)):
            image = np.ascontiguousarray(scene.image[:, top:bottom, left:right])
            own = [polygon.shifted([-left, -top]) for polygon in kept.get((i, j), [])]
            found.append(Scene(image, own, f"{scene.name} {left} {top}"))
    return found, gone


def reaching(scene: Scene) -> int:
    """How many polygons of a scene reach over its edge."""
    height, width = scene.image.shape[1:]
    return sum(
        bool((p.vertices.min(0) < 0).any() or (p.vertices.max(0) > (width, height)).any())
        for p in scene.polygons
    )


def _ends(length: int, side: int) -> list[int]:
    """Where the parts of a length begin and end: whole pixels, as equal as can be."""
    count = max(1, -(-length // side))
    return [round(number * length / count) for number in range(count + 1)]


def _part(ends: list[int], place: float) -> int:
    return int(np.searchsorted(ends, place, side="right")) - 1
