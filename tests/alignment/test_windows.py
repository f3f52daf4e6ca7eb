"""Windows of a pass are cut out of one drawing of the whole map: as if each were drawn alone."""

import numpy as np
import pytest

from alignment.cases import grey, square
from kinsight.alignment import Polygon
from kinsight.alignment.applying import window_of
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.raster import drawn


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(70, 300), (400, 330)])
def test_a_window_is_what_its_own_drawing_would_be(size, scale) -> None:
    height, width = size
    random = np.random.default_rng(scale)
    image = grey(height, width)
    corners = random.uniform(-20, (width, height), (12, 2))
    polygons = [square(x, y, random.uniform(8, 60)) for x, y in corners] + [Polygon(())]
    pyramid = Pyramid(image, (scale,))
    level = pyramid.level(scale)
    for number, polygon in enumerate(polygons[:-1]):
        found, channels, mask = window_of(pyramid, polygons, number, scale, 48)
        most = np.maximum(np.array(level.shape[:0:-1]) - 48, 0)
        left, top = np.clip((polygon.centre / scale - 24).round(), 0, most).astype(int)
        placed = [p.scaled(1 / scale).shifted([-left, -top]) for p in polygons]
        np.testing.assert_allclose(channels, drawn(placed, 48, 48)[0], atol=1e-5)
        np.testing.assert_array_equal(mask, drawn([placed[number]], 48, 48)[1] >= 0)
        part = level[:, top : top + 48, left : left + 48]
        np.testing.assert_array_equal(found[:, : part.shape[1], : part.shape[2]], part)
