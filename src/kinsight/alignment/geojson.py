"""Polygons in and out of GeoJSON (RFC 7946), in pixels or in the coordinates of a map."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.alignment.polygons import Polygon
from kinsight.alignment.repair import Repair, repaired
from kinsight.errors import DataError
from kinsight.files import write_text

_KINDS = ("Polygon", "MultiPolygon")
_LARGEST = 1 << 30  # bytes of a file


@dataclass(frozen=True)
class PolygonFile:
    """What a GeoJSON file holds.

    Args:
        polygons: one for each ``Polygon`` and each part of a ``MultiPolygon``, in their order.
        repairs: what was repaired, and what is no polygon; numbers count polygons as read.
        crs: the name of the coordinate system that the file gives; None: it gives none.
    """

    polygons: list[Polygon]
    repairs: list[Repair]
    crs: str | None


def read_geojson(path: str | Path) -> PolygonFile:
    """Polygons of a GeoJSON file: FeatureCollection, Feature or bare geometry.

    Features without geometry become empty polygons. Points and lines are no buildings: each is
    named in ``repairs``.

    Raises:
        DataError: no such file, no GeoJSON, or coordinates that are no numbers.
        MissingExtraError: a polygon crosses itself and shapely is not installed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: expected a file of at most 1 GiB; cut it into regions")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected a GeoJSON file, got: {error}") from error
    shapes, known, others = [], [], []
    for geometry, properties in _geometries(value, path):
        kind = None if geometry is None else _object(geometry, path).get("type")
        if geometry is not None and kind not in _KINDS:
            others.append(Repair(len(shapes), f"a {kind} stands before it, left out"))
            continue
        for rings in _parts(geometry, path):
            shapes.append(rings)
            known.append(properties)
    polygons, repairs = repaired(shapes, known)
    return PolygonFile(polygons, others + repairs, _crs_of(value))


def write_geojson(
    path: str | Path,
    polygons: Sequence[Polygon],
    columns: dict[str, Sequence[Any]] | None = None,
    crs: str | None = None,
    place: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """A FeatureCollection, one feature a polygon; an empty polygon has the geometry null.

    Args:
        columns: more properties, one value a polygon; NaN is written as null.
        crs: the name of the coordinate system, written as older programs read it.
        place: from pixels (V, 2) to the coordinates that are written; pixels where left out.

    Raises:
        RunFolderError: it cannot be written there.
    """
    features = []
    for number, polygon in enumerate(polygons):
        more = {name: _plain(values[number]) for name, values in (columns or {}).items()}
        kept = {name: _plain(value) for name, value in polygon.properties.items()}
        features.append(
            {
                "type": "Feature",
                "properties": kept | more,
                "geometry": _geometry(polygon, place or (lambda points: points)),
            }
        )
    found: dict[str, Any] = {"type": "FeatureCollection"}
    if crs:
        found["crs"] = {"type": "name", "properties": {"name": crs}}
    text = json.dumps(found | {"features": features}, ensure_ascii=False, allow_nan=False)
    write_text(Path(path), text + "\n")


def mapped(polygons: Sequence[Polygon], place: Callable[[np.ndarray], np.ndarray]) -> list[Polygon]:
    """Polygons in other coordinates, each ring through ``place``: (V, 2) to (V, 2)."""
    return [replace(p, rings=tuple(place(ring) for ring in p.rings)) for p in polygons]


def _geometries(value: Any, path: Path) -> list[tuple[dict | None, dict[str, Any]]]:
    """Every geometry with the properties of its feature."""
    value = _object(value, path)
    kind = value.get("type")
    if kind == "FeatureCollection":
        features = value.get("features")
        if not isinstance(features, list):
            raise DataError(f"{path}: expected a list of features, got {type(features).__name__}")
        return [found for feature in features for found in _geometries(feature, path)]
    if kind == "Feature":
        geometry, properties = value.get("geometry"), value.get("properties")
        inner = None if geometry is None else _object(geometry, path).get("geometries")
        each = inner if isinstance(inner, list) else [geometry]
        return [(one, properties if isinstance(properties, dict) else {}) for one in each]
    if "coordinates" in value:
        return [(value, {})]
    raise DataError(f"{path}: expected a FeatureCollection or polygons, got type {kind!r}")


def _object(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object of GeoJSON, got {str(value)[:40]}")
    return value


def _parts(geometry: dict[str, Any] | None, path: Path) -> list[list[Any]]:
    """The rings of each polygon of a geometry; an empty one where there is none."""
    coordinates = (geometry or {}).get("coordinates", [])
    if not isinstance(coordinates, list):
        raise DataError(f"{path}: expected lists of coordinates, got {coordinates!r}")
    parts = coordinates if (geometry or {}).get("type") == "MultiPolygon" else [coordinates]
    if any(not isinstance(part, list) for part in parts) or any(
        not isinstance(ring, list) for part in parts for ring in part
    ):
        raise DataError(f"{path}: expected rings as lists of [x, y], got something else")
    return parts or [[]]


def _crs_of(value: dict[str, Any]) -> str | None:
    crs = value.get("crs")
    properties = crs.get("properties") if isinstance(crs, dict) else None
    return properties.get("name") if isinstance(properties, dict) else None


def _geometry(polygon: Polygon, place: Callable[[np.ndarray], np.ndarray]) -> dict | None:
    if polygon.is_empty:
        return None
    rings = [place(ring).tolist() for ring in polygon.rings]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
