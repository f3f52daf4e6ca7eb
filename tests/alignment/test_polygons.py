"""Polygons: what holds of them, when they cross, what becomes of those that do."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.cases import SQUARE, square
from kinsight.alignment import Polygon, read_geojson, repaired, write_geojson
from kinsight.alignment.polygons import crosses_itself
from kinsight.errors import DataError

BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10]]
corner = st.tuples(st.integers(0, 12), st.integers(0, 12))
rings = st.lists(corner, min_size=3, max_size=7, unique=True)


@given(rings)
def test_crossing_is_what_another_library_calls_invalid(ring) -> None:
    shapely = pytest.importorskip("shapely", reason="kinsight[maps] is not installed")
    assert crosses_itself(Polygon.of(ring)) == (not shapely.Polygon(ring).is_valid)


@pytest.mark.parametrize(
    ("ring", "crosses"),
    [
        (SQUARE, False),
        (BOW_TIE, True),
        ([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]], True),  # touches an edge
        ([[0, 0], [4, 0], [2, 0], [2, 3]], True),  # runs back along itself
    ],
)
def test_crossing(ring, crosses: bool) -> None:
    assert crosses_itself(Polygon.of(ring)) is crosses


@given(rings, st.tuples(st.floats(-50, 50), st.floats(-50, 50)))
def test_a_shift_moves_every_corner_and_leaves_the_area(ring, by) -> None:
    polygon = Polygon.of(ring)
    moved = polygon.shifted(by)
    np.testing.assert_allclose(moved.vertices, polygon.vertices + by, atol=1e-9)
    assert moved.area == pytest.approx(polygon.area, abs=1e-6)


def test_holes_count_against_the_area() -> None:
    hole = [[30, 40], [40, 40], [40, 50], [30, 50]]
    polygon = Polygon.of(SQUARE, hole)
    assert polygon.area == 30 * 40 - 100
    assert not crosses_itself(polygon)
    assert crosses_itself(Polygon.of(SQUARE, np.array(hole) + 15))


def test_a_bow_tie_becomes_its_two_halves() -> None:
    pytest.importorskip("shapely", reason="kinsight[maps] is not installed")
    polygons, repairs = repaired([[BOW_TIE], [SQUARE]], [{"id": 1}, {"id": 2}])
    assert [polygon.area for polygon in polygons] == [25, 1200, 25]
    assert [polygon.properties["id"] for polygon in polygons] == [1, 2, 1]
    assert [str(repair) for repair in repairs] == [
        "polygon 0: crosses itself; its largest valid part is kept; 1 smaller part(s) put at the "
        "end of the list"
    ]


def test_empty_polygons_keep_their_place_and_bad_ones_are_refused() -> None:
    polygons, repairs = repaired([[], [[[1, 1], [2, 2], [1, 1]]], [SQUARE, [[1, 1], [2, 2]]]])
    assert [polygon.is_empty for polygon in polygons] == [True, True, False]
    assert [repair.number for repair in repairs] == [0, 1, 2]
    with pytest.raises(DataError, match="finite"):
        Polygon.of([[0, 0], [1, np.nan], [1, 1]])
    with pytest.raises(DataError, match=r"\[x, y\]"):
        repaired([[["here", "there", "everywhere"]]])


def test_geojson_comes_back_as_it_was_written(tmp_path) -> None:
    hole = [[30, 40], [40, 40], [40, 50], [30, 50]]
    before = [Polygon.of(SQUARE, hole, name="mill"), Polygon((), {"name": None}), square()]
    sure = {"sure": np.array([0.5, np.nan, 1.0])}
    write_geojson(tmp_path / "a.geojson", before, sure, "EPSG:3857")
    found = read_geojson(tmp_path / "a.geojson")
    assert found.crs == "EPSG:3857"
    assert [polygon.properties for polygon in found.polygons] == [
        {"name": "mill", "sure": 0.5}, {"name": None, "sure": None}, {"sure": 1.0},
    ]  # fmt: skip
    for one, other in zip(before, found.polygons, strict=True):
        assert len(one.rings) == len(other.rings)
        np.testing.assert_array_equal(one.vertices, other.vertices)


def test_parts_of_multi_polygons_and_what_is_no_polygon_are_told(tmp_path) -> None:
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}},
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]},
            "properties": {"id": 3},
        },
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = read_geojson(path)
    assert [polygon.properties["id"] for polygon in found.polygons] == [3, 3]
    assert [repair.what for repair in found.repairs] == ["a Point stands before it, left out"]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        '{"type": "Topology"}',
        '{"type": "FeatureCollection", "features": {}}',
        '{"type": "FeatureCollection", "features": [3]}',
        '{"type": "Feature", "geometry": 3}',
        '{"type": "Polygon", "coordinates": 3}',
        '{"type": "Polygon", "coordinates": [3]}',
        '{"type": "Polygon", "coordinates": [["a", "b", "c"]]}',
    ],
)
def test_what_is_no_geojson_is_refused_by_name(tmp_path, text: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(DataError):
        read_geojson(path)
