"""The layout of Bradbury et al.: corners as MATLAB counts them, rings ended by NaN."""

import numpy as np
import pytest

from alignment.cases import square
from alignment.made_tiles import city
from kinsight.alignment import Polygon, read_bradbury
from kinsight.alignment.bradbury import read_corners
from kinsight.errors import DataError

pytest.importorskip("rasterio", reason="kinsight[maps] is not installed")

HOLED = Polygon((square(100, 20, 40).outline, square(110, 30, 10).outline[::-1]))


def test_corners_come_back_as_they_were_drawn(tmp_path) -> None:
    """The left edge is 1 in the file and 0 here, the right one the width in both."""
    drawn = [square(0, 0, 160), square(20, 30), HOLED]
    city(tmp_path / "Here", drawn)
    (area,) = read_bradbury(tmp_path)
    (one,) = area.scenes
    assert (area.name, one.image.shape) == ("Here", (3, 160, 160))
    for found, wanted in zip(one.polygons, drawn, strict=True):
        assert len(found.rings) == len(wanted.rings)
        np.testing.assert_allclose(found.vertices, wanted.vertices, atol=1e-5)
    assert [found.properties["Polygon_ID"] for found in one.polygons] == ["1", "2", "3"]
    assert one.polygons[2].area == pytest.approx(1600 - 100, abs=1e-3)


def test_a_second_ring_the_same_way_round_is_another_building(tmp_path) -> None:
    both = Polygon((square(100, 20, 40).outline, square(20, 90, 20).outline))
    city(tmp_path / "Here", [both])
    (area,) = read_bradbury(tmp_path)
    assert [round(found.area) for found in area.scenes[0].polygons] == [1600, 400]


def test_large_images_are_cut_and_misspelt_files_named(tmp_path) -> None:
    city(tmp_path / "Here", [square(20, 30), square(300, 300), square(100, 70, 30)],
         file="Here_01buildingCoords.csv")  # fmt: skip
    (tmp_path / "papers").mkdir()
    (area,) = read_bradbury(tmp_path, 80)
    assert [len(one.polygons) for one in area.scenes] == [1, 0, 0, 1]
    said = "\n".join(area.repairs)
    assert "Here_01buildingCoords.csv: read in place of Here_01_buildingCoord.csv" in said
    assert "1 polygon(s) outside the image or empty left out" in said
    assert "1 polygon(s) reach over the edge" in said  # from 70 to 100, cut at 80


def test_what_does_not_fit_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="expected folders CITY"):
        read_bradbury(tmp_path)
    folder = city(tmp_path / "Here", [square()])
    (file,) = folder.glob("*.csv")
    whole = file.read_text()
    file.unlink()
    with pytest.raises(DataError, match="found none"):
        read_bradbury(tmp_path)
    for text, said in [
        ("a,b,c\n", "heading"),
        (whole + "Here_01,2,2,3,4,5\n", "pairs of x and y, got 3"),
        (whole + "Here_01,2,2,3,4,5,east\n", "line 3"),
    ]:
        file.write_text(text)
        with pytest.raises(DataError, match=said):
            read_corners(file, (160, 160))
