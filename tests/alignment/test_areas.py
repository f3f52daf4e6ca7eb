"""Folders of tiles and large images become scenes: nothing twice, nothing without a tile."""

import json

import numpy as np
import pytest
from PIL import Image

from alignment.cases import grey, square
from alignment.made_tiles import mosaics, places
from kinsight.alignment import Polygon, Scene, cut_up, read_mosaics, scene
from kinsight.alignment.mosaics import rectangles
from kinsight.errors import ArgumentError, DataError


def corners(scenes: list[Scene]) -> list:
    """Where scenes were cut out, as their names say."""
    return [tuple(map(int, one.name.split()[-2:])) for one in scenes]


def test_a_mosaic_is_pasted_from_its_tiles_and_has_its_polygons_once(tmp_path) -> None:
    east, west = read_mosaics(mosaics(tmp_path), 128)
    assert (east.name, west.name, east.metres) == ("east", "west", 0.15)
    true = scene(40, 256)
    assert [one.image.shape for one in east.scenes] == [(3, 128, 128)] * 4
    for one, (left, top) in zip(east.scenes, corners(east.scenes), strict=True):
        part = true.image[:, top : top + 128, left : left + 128]
        np.testing.assert_allclose(one.image, part, atol=1 / 255)
        for polygon in one.polygons:
            assert (polygon.centre >= 0).all()
            assert (polygon.centre < 128).all()
    found = places(east.scenes, corners(east.scenes))
    wanted = np.array([polygon.outline[0] for polygon in true.polygons])
    np.testing.assert_allclose(np.sort(found, 0), np.sort(wanted, 0), atol=1e-9)
    assert [one.properties["osm_id"] for part in east.scenes for one in part.polygons] != []


def test_where_a_tile_is_missing_there_is_no_scene_and_no_polygon(tmp_path) -> None:
    """Not black ground that a network would take for an image."""
    folder = mosaics(tmp_path, ("east",), missing=[(0, 0), (3, 2)])
    (area,) = read_mosaics(folder, 128)
    true = scene(40, 256)
    covered = np.zeros((256, 256), dtype=int)
    for one, (left, top) in zip(area.scenes, corners(area.scenes), strict=True):
        height, width = one.image.shape[1:]
        covered[top : top + height, left : left + width] += 1
        part = true.image[:, top : top + height, left : left + width]
        np.testing.assert_allclose(one.image, part, atol=1 / 255)
    wanted = np.ones((256, 256), dtype=int)
    wanted[:64, :64] = wanted[128:192, 192:] = 0
    np.testing.assert_array_equal(covered, wanted)
    inside = [wanted[tuple(p.centre[::-1].astype(int))] for p in true.polygons]
    assert 0 < sum(inside) < len(inside)
    assert sum(len(one.polygons) for one in area.scenes) == sum(inside)
    gone = len(inside) - sum(inside)
    assert f"east: {gone} polygon(s) without a tile under their middle left out" in area.repairs


def test_crossing_polygons_and_alpha_are_repaired_by_name(tmp_path) -> None:
    pytest.importorskip("shapely", reason="kinsight[maps] is not installed")
    folder = mosaics(tmp_path, ("east",))
    path = folder / "east" / "polygons_px.json"
    shapes = [{"rings": [[[10, 10], [40, 40], [40, 10], [10, 50]]]}, {"rings": [[[1, 1], [2, 2]]]}]
    path.write_text(json.dumps(shapes))
    tile = folder / "east" / "20_0_0.png"
    Image.open(tile).convert("RGBA").save(tile)
    (area,) = read_mosaics(folder, 256)
    said = "\n".join(area.repairs)
    assert "east: polygon 0: crosses itself" in said
    assert "east: polygon 1: fewer than three corners" in said
    assert "1 tile(s) read without their alpha channel" in said
    assert "1 polygon(s) without a tile" in said  # the empty one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry.pop("tile_px"), "tile_px"),
        (lambda entry: entry["tiles"][0].update(px=[3, 0]), "multiple of 64"),
        (lambda entry: entry["tiles"][1].update(px=[0, 0]), "a second one"),
        (lambda entry: entry["tiles"][0].update(file="none.png"), "none.png"),
        (lambda entry: entry.update(tile_px=32), "32 × 32"),
        (lambda entry: entry.update(tiles=7), "tiles"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(tmp_path, change, said) -> None:
    folder = mosaics(tmp_path, ("east",))
    index = json.loads((folder / "index.json").read_text())
    change(index["east"])
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=said):
        read_mosaics(folder)


def test_folders_that_are_none_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match=r"index\.json"):
        read_mosaics(tmp_path)
    folder = mosaics(tmp_path / "made", ("east",))
    with pytest.raises(ArgumentError, match="side"):
        read_mosaics(folder, 0)
    (folder / "east" / "polygons_px.json").write_text('[{"outline": []}]')
    with pytest.raises(DataError, match="with rings"):
        read_mosaics(folder)
    (folder / "index.json").write_text("[]")
    with pytest.raises(DataError, match="one entry an area"):
        read_mosaics(folder)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_rectangles_are_full_small_and_hold_every_place_once(most) -> None:
    random = np.random.default_rng(most)
    given = {(int(x), int(y)) for x, y in random.integers(0, 7, (30, 2))}
    held = []
    for column, row, wide, tall in rectangles(given, most):
        assert max(wide, tall) <= most
        held += [(column + i, row + j) for i in range(wide) for j in range(tall)]
    assert sorted(held) == sorted(given)


def test_a_large_image_is_cut_without_losing_a_pixel() -> None:
    image = grey(130, 250)
    polygons = [square(0, 0), square(110, 50), square(-60, 10), Polygon(())]
    parts, gone = cut_up(Scene(image, polygons, "one"), 100)
    assert gone == 2  # one outside, one empty
    assert [part.image.shape for part in parts] == [
        (3, 65, width) for _ in range(2) for width in (83, 84, 83)
    ]
    for part, (left, top) in zip(parts, corners(parts), strict=True):
        height, width = part.image.shape[1:]
        np.testing.assert_array_equal(part.image, image[:, top : top + height, left : left + width])
    found = places(parts, corners(parts))
    np.testing.assert_array_equal(np.sort(found, 0), [[0, 0], [110, 50]])
    assert [len(part.polygons) for part in parts] == [1, 0, 0, 0, 1, 0]
