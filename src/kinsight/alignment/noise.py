"""Label noise of known size: shifted, bent, missing and invented polygons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinsight.alignment.fields import SmoothField
from kinsight.alignment.polygons import Polygon
from kinsight.errors import ArgumentError


@dataclass(frozen=True)
class LabelNoise:
    """How a map goes wrong. Sizes are deviations on each axis, in pixels; 0 leaves a part out.

    Args:
        shift: each polygon moved by its own N(0, shift²) on each axis.
        field: a smooth field, the same for all polygons of an image: each moves by its value at
            the polygon's centre, so that neighbours move alike.
        length: of that field, in pixels.
        bias: (x, y) added to every polygon; no average over polygons takes it away.
        missing: share of the polygons that the map lacks.
        invented: polygons that are not there, as a share of those that are: copies of others,
            anywhere in the image.

    Raises:
        ArgumentError: a negative size, or a share above 1.
    """

    shift: float = 8.0
    field: float = 0.0
    length: float = 150.0
    bias: tuple[float, float] = (0.0, 0.0)
    missing: float = 0.0
    invented: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "field", "length", "missing", "invented"):
            value = getattr(self, name)
            most = 1.0 if name in ("missing", "invented") else math.inf
            if not 0 <= value <= most or not math.isfinite(value):
                raise ArgumentError(f"{name}: expected a number from 0 to {most}, got {value!r}")
        if self.length == 0:
            raise ArgumentError("length: expected a length above 0, got 0")

    @property
    def median(self) -> float:
        """Median distance in pixels that shift and field move a polygon; without bias.

        σ √(2 ln 2) with σ² = shift² + field²: distances of a plane Gaussian are Rayleigh.
        """
        return math.hypot(self.shift, self.field) * math.sqrt(2 * math.log(2))

    def applied(
        self, polygons: Sequence[Polygon], height: int, width: int, seed: int
    ) -> "NoisyMap":
        """The polygons of one image with noise; the same seed gives the same noise."""
        random = np.random.default_rng(seed)
        count = len(polygons)
        moves = random.normal(0, 1, (count, 2)) * self.shift + np.array(self.bias)
        bend = SmoothField(self.field, self.length, random)
        kept = np.flatnonzero(random.random(count) >= self.missing).tolist()
        centres = np.array([p.centre for p in polygons]).reshape(-1, 2)
        moves = moves + np.nan_to_num(bend.at(centres))  # empty polygons have no centre
        noisy = [polygons[i].shifted(moves[i]) for i in kept]
        copied = random.integers(0, max(count, 1), round(self.invented * count)).tolist()
        places = random.uniform(0, 1, (len(copied), 2)) * (width, height)
        for i, place in zip(copied, places, strict=True):
            if not polygons[i].is_empty:
                noisy.append(polygons[i].shifted(place - polygons[i].centre))
        source = np.array([*kept, *[-1] * (len(noisy) - len(kept))], dtype=int)
        return NoisyMap(noisy, source)


@dataclass(frozen=True)
class NoisyMap:
    """A map with noise, and the true polygon of each.

    Args:
        polygons: as the map has them.
        source: (M,) which true polygon each was; −1: an invented one.
    """

    polygons: list[Polygon]
    source: np.ndarray


def vertex_errors(
    polygons: Sequence[Polygon], source: np.ndarray, truth: Sequence[Polygon]
) -> np.ndarray:
    """Distance in pixels of every vertex from where it should be: (V,).

    Invented and empty polygons have no truth and are left out.
    """
    parts = [
        np.linalg.norm(polygon.vertices - truth[i].vertices, axis=1)
        for polygon, i in zip(polygons, source, strict=True)
        if i >= 0
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def within(errors: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Share of the errors of at most each of ``reach`` pixels: like ``reach``.

    >>> within(np.array([1.0, 3.0]), np.array([0, 1, 2, 4])).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    order = np.sort(errors)
    return np.searchsorted(order, reach, side="right") / max(len(order), 1)
