"""Polygons that are no proper polygons: each repaired in a way that is named, none dropped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinsight.alignment.polygons import Polygon, crosses_itself, opened
from kinsight.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

_FEWEST = 3


@dataclass(frozen=True)
class Repair:
    """What was done to one polygon.

    Args:
        number: of the polygon in the list that was read.
        what: a sentence for people.
    """

    number: int
    what: str

    def __str__(self) -> str:
        return f"polygon {self.number}: {self.what}"


def repaired(
    shapes: Sequence[Sequence[Any]],
    properties: Sequence[dict[str, Any]] | None = None,
    numbers: Sequence[int] | None = None,
) -> tuple[list[Polygon], list[Repair]]:
    """Polygons from lists of rings, in their order, and what had to be repaired.

    Rings with fewer than three corners are left out; a polygon whose outline is one is kept as an
    empty polygon. A self-intersecting polygon becomes its valid parts: the largest stays in its
    place, every other is put at the end, with the same properties.

    Args:
        shapes: rings of each polygon, the outline first.
        properties: of each polygon.
        numbers: what each is called in the report; its place in the list where left out.

    Raises:
        DataError: coordinates that are not numbers, or not finite.
        MissingExtraError: a polygon crosses itself and shapely is not installed.

    >>> polygons, repairs = repaired([[[[0, 0], [4, 0], [4, 4]]], [[[1, 1], [2, 2]]]])
    >>> polygons[1].is_empty, str(repairs[0])
    (True, 'polygon 1: fewer than three corners; kept as an empty polygon')
    """
    found: list[Polygon] = []
    more: list[Polygon] = []
    repairs: list[Repair] = []
    for place, rings in enumerate(shapes):
        number = place if numbers is None else numbers[place]
        known = {} if properties is None else properties[place]
        polygon, notes = _with_proper_rings(rings, known)
        if crosses_itself(polygon):
            parts = _valid_parts(polygon)
            polygon, rest = parts[0], parts[1:]
            more += rest
            notes.append(_said(parts))
        found.append(polygon)
        repairs += [Repair(number, note) for note in notes]
    return found + more, repairs


def _with_proper_rings(rings: Sequence[Any], known: dict[str, Any]) -> tuple[Polygon, list[str]]:
    open_rings = [opened(ring) if len(ring) else np.zeros((0, 2)) for ring in rings]
    if not open_rings or len(open_rings[0]) < _FEWEST:
        return Polygon((), known), ["fewer than three corners; kept as an empty polygon"]
    kept = [ring for ring in open_rings if len(ring) >= _FEWEST]
    gone = len(open_rings) - len(kept)
    notes = [f"{gone} hole(s) with fewer than three corners left out"] if gone else []
    return Polygon(tuple(kept), known), notes


def _said(parts: list[Polygon]) -> str:
    if parts[0].is_empty:
        return "crosses itself and has no inside; kept as an empty polygon"
    rest = len(parts) - 1
    more = f"; {rest} smaller part(s) put at the end of the list" if rest else ""
    return f"crosses itself; its largest valid part is kept{more}"


def _valid_parts(polygon: Polygon) -> list[Polygon]:
    """The valid parts, the largest first; one empty polygon where there is none."""
    shapely = _shapely()
    shape = shapely.make_valid(shapely.Polygon(polygon.outline, polygon.rings[1:]))
    flat = list(getattr(shape, "geoms", [shape]))
    flat = [inner for part in flat for inner in getattr(part, "geoms", [part])]
    parts = [
        Polygon.of(part.exterior.coords, *(hole.coords for hole in part.interiors))
        for part in flat
        if part.geom_type == "Polygon" and part.area > 0 and math.isfinite(part.area)
    ]
    parts.sort(key=lambda part: -part.area)
    return [replace(part, properties=dict(polygon.properties)) for part in parts] or [
        Polygon((), polygon.properties)
    ]


def _shapely() -> "ModuleType":
    try:
        import shapely
    except ImportError as error:
        raise MissingExtraError(
            "polygons that cross themselves are repaired with shapely, which is not installed; "
            "pip install 'kinsight[maps]'"
        ) from error
    return shapely
