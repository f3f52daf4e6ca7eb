"""Polygons of a map in pixels of its image: rings of vertices, where they are, whether they cross.

Places are (x, y), x to the right and y down, from the corner of the image: the centre of its first
pixel is (0.5, 0.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kinsight.errors import DataError

_FEWEST = 3  # corners of a ring


@dataclass(frozen=True, eq=False)
class Polygon:
    """An outline and its holes, with what else the map says of it.

    Args:
        rings: (V, 2) each, x and y in pixels, not closed; the first is the outline, the others
            are holes. None at all: an empty polygon, which keeps its place in the list.
        properties: of the map, carried along.

    Raises:
        DataError: a ring with fewer than three corners, or coordinates that are not finite.

    >>> square = Polygon.of([[0, 0], [4, 0], [4, 4], [0, 4]])
    >>> square.area, square.shifted([1, 2]).outline[0].tolist()
    (16.0, [1.0, 2.0])
    """

    rings: tuple[np.ndarray, ...]
    properties: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < _FEWEST:
                raise DataError(
                    f"polygon: expected rings of at least {_FEWEST} corners (V, 2), got shape "
                    f"{ring.shape}; `kinsight.alignment.repaired` drops such rings and says so"
                )
            if not np.isfinite(ring).all():
                raise DataError("polygon: expected finite coordinates, got NaN or infinity")

    @classmethod
    def of(cls, *rings: Sequence[Sequence[float]] | np.ndarray, **properties: Any) -> "Polygon":
        """A polygon from lists of corners; a ring that ends where it began is opened."""
        return cls(tuple(opened(ring) for ring in rings), properties)

    @property
    def is_empty(self) -> bool:
        """Whether it has no outline."""
        return not self.rings

    @property
    def outline(self) -> np.ndarray:
        """The corners of the outer ring: (V, 2); (0, 2) when empty."""
        return self.rings[0] if self.rings else np.zeros((0, 2))

    @property
    def vertices(self) -> np.ndarray:
        """The corners of all rings: (V, 2)."""
        return np.concatenate(self.rings) if self.rings else np.zeros((0, 2))

    @property
    def area(self) -> float:
        """Of the outline less its holes, in square pixels."""
        sizes = [abs(_doubled_area(ring)) / 2 for ring in self.rings]
        return sizes[0] - sum(sizes[1:]) if sizes else 0.0

    @property
    def centre(self) -> np.ndarray:
        """The middle of its bounding box: (2,); NaN when empty."""
        if self.is_empty:
            return np.full(2, np.nan)
        return (self.outline.min(0) + self.outline.max(0)) / 2

    def shifted(self, by: Sequence[float] | np.ndarray) -> "Polygon":
        """Moved by (x, y)."""
        return self.moved(np.asarray(by, dtype=np.float64))

    def moved(self, by: np.ndarray) -> "Polygon":
        """Moved by one (2,) for all, or by one for each of ``vertices``: (V, 2)."""
        if by.ndim == 1:
            return replace(self, rings=tuple(ring + by for ring in self.rings))
        moves = np.broadcast_to(by, self.vertices.shape)
        ends = np.cumsum([len(ring) for ring in self.rings])[:-1]
        parts = np.split(moves, ends) if self.rings else []
        rings = tuple(ring + part for ring, part in zip(self.rings, parts, strict=True))
        return replace(self, rings=rings)

    def scaled(self, factor: float) -> "Polygon":
        """In pixels ``1 / factor`` as large."""
        return replace(self, rings=tuple(ring * factor for ring in self.rings))


def opened(ring: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """A ring as (V, 2) float64 without corners that the next one repeats, the first after the last.

    Raises:
        DataError: what is given is no list of points.
    """
    try:
        points = np.array(ring, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"polygon: expected a list of [x, y], got {str(ring)[:60]}") from error
    if points.ndim != 2 or points.shape[1] < 2:
        raise DataError(f"polygon: expected a list of [x, y], got shape {points.shape}")
    points = points[:, :2]  # heights are left out
    return points[np.any(points != np.roll(points, -1, 0), 1)]


def crosses_itself(polygon: Polygon) -> bool:
    """Whether two edges of its rings meet elsewhere than at a corner they share.

    Edges that touch count, as they leave no proper inside. Cost: O(V²).

    >>> crosses_itself(Polygon.of([[0, 0], [4, 4], [4, 0], [0, 4]]))
    True
    """
    if polygon.is_empty:
        return False
    start = polygon.vertices  # (V, 2)
    end = np.concatenate([np.roll(ring, -1, 0) for ring in polygon.rings])  # (V, 2)
    meets = _meet(start, end)  # (V, V)
    offset = 0
    for ring in polygon.rings:
        count = len(ring)
        each = np.arange(count)
        for step in (0, 1, -1):  # an edge, and those that share a corner with it
            meets[offset + each, offset + (each + step) % count] = False
        offset += count
    return bool(meets.any()) or any(_folds_back(ring) for ring in polygon.rings)


def _meet(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Which pairs of segments have a point in common: (V, V) bool."""
    first, second = _side(start, end, start), _side(start, end, end)  # (V, V)
    apart = (first * second > 0) | (first * second > 0).T
    low, high = np.minimum(start, end), np.maximum(start, end)
    near = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(2)
    return ~apart & near


def _side(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> np.ndarray:
    """On which side of each segment each point lies: (V, M), twice a triangle's area."""
    along, to = (end - start)[:, None], points[None] - start[:, None]
    return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]


def _folds_back(ring: np.ndarray) -> bool:
    """Whether an edge runs back along the one before it."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return bool(((turn == 0) & ((before * after).sum(1) < 0)).any())


def _doubled_area(ring: np.ndarray) -> float:
    x, y = (ring - ring[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
