"""The channels of polygons against a loop over pixels, and who owns a pixel."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alignment.cases import square
from kinsight.alignment import Polygon, rasterised
from kinsight.alignment.raster import drawn, inside

HEIGHT, WIDTH = 9, 13
corner = st.tuples(st.floats(-4, 17), st.floats(-4, 13))
rings = st.lists(corner, min_size=3, max_size=6, unique=True)


def slow(polygon: Polygon) -> np.ndarray:
    """Inside by the winding of angles, distances by hand, pixel by pixel."""
    found = np.zeros((3, HEIGHT, WIDTH))
    ring = polygon.outline.tolist()
    edges = list(zip(ring, ring[1:] + ring[:1], strict=True))
    for row in range(HEIGHT):
        for column in range(WIDTH):
            x, y = column + 0.5, row + 0.5
            crossings = 0
            for (ax, ay), (bx, by) in edges:
                if (ay > y) != (by > y):
                    crossings += x < ax + (bx - ax) * (y - ay) / (by - ay)
            edge = min(away(x, y, a, b) for a, b in edges)
            vertex = min(math.hypot(x - a, y - b) for a, b in ring)
            found[:, row, column] = (
                crossings % 2, min(max(1.5 - edge, 0), 1), min(max(2 - vertex, 0), 1),
            )  # fmt: skip
    return found


def away(x: float, y: float, a: list[float], b: list[float]) -> float:
    """Distance from a segment."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else ((x - a[0]) * dx + (y - a[1]) * dy) / length
    along = min(max(along, 0), 1)
    return math.hypot(x - a[0] - along * dx, y - a[1] - along * dy)


@given(rings)
def test_channels_are_those_of_the_loop(ring) -> None:
    polygon = Polygon.of(ring)
    found, wanted = rasterised([polygon], HEIGHT, WIDTH), slow(polygon)
    np.testing.assert_allclose(found[1:], wanted[1:], atol=1e-5)
    clear = wanted[1] < 1  # on an edge, rounding decides
    np.testing.assert_array_equal(found[0][clear], wanted[0][clear])


def test_a_square_of_whole_pixels_fills_them() -> None:
    found = inside(square(2, 3, 4), HEIGHT, WIDTH)
    assert found.sum() == 16
    assert found[3:7, 2:6].all()


def test_holes_are_outside_and_empty_polygons_draw_nothing() -> None:
    ring = square(1, 1, 7).outline
    holed = Polygon.of(ring, square(3, 3, 3).outline)
    assert inside(holed, HEIGHT, WIDTH).sum() == 49 - 9
    assert not rasterised([Polygon(()), square(50, 50)], HEIGHT, WIDTH).any()


def test_the_last_polygon_owns_a_pixel() -> None:
    _, owner = drawn([square(0, 0, 6), square(3, 0, 6)], HEIGHT, WIDTH)
    assert owner[2, 1] == 0
    assert owner[2, 5] == 1
    assert owner[8, 12] == -1
