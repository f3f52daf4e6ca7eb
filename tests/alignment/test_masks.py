"""Masks become polygons that cover the same pixels; folders of images and masks are read."""

import numpy as np
import pytest
from PIL import Image

from alignment.cases import grey, square
from kinsight.alignment import read_folder
from kinsight.alignment.masks import polygons_of_mask
from kinsight.alignment.raster import inside
from kinsight.errors import DataError

pytest.importorskip("rasterio", reason="kinsight[maps] is not installed")
pytest.importorskip("shapely", reason="kinsight[maps] is not installed")


def buildings() -> np.ndarray:
    """A hall with a yard in it, a house, and a speck: (120, 160) bool."""
    mask = inside(square(10, 20, 60), 120, 160) & ~inside(square(30, 40, 15), 120, 160)
    mask |= inside(square(90, 30, 25), 120, 160)
    mask[110, 150] = True
    return mask


def test_polygons_cover_the_pixels_of_the_mask() -> None:
    mask = buildings()
    polygons, small = polygons_of_mask(mask)
    assert small == 1
    assert sorted(polygon.area for polygon in polygons) == [625, 60 * 60 - 15 * 15]
    covered = np.any([inside(polygon, 120, 160) for polygon in polygons], 0)
    mask[110, 150] = False
    np.testing.assert_array_equal(covered, mask)
    assert sorted(len(polygon.vertices) for polygon in polygons) == [4, 8]


def test_a_slanted_wall_is_simplified_and_stays_near() -> None:
    turned = square(0, 0, 50).outline @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + (60, 15)
    from kinsight.alignment import Polygon

    polygon = Polygon.of(turned)
    (found,), _ = polygons_of_mask(inside(polygon, 120, 160))
    assert len(found.vertices) < 12
    off = np.linalg.norm(turned[:, None] - found.vertices[None], axis=2).min(1)
    assert off.max() < 2.5


def test_an_empty_mask_has_no_polygons() -> None:
    assert polygons_of_mask(np.zeros((9, 9), dtype=bool)) == ([], 0)
    with pytest.raises(DataError, match="mask"):
        polygons_of_mask(np.zeros((3, 9, 9), dtype=bool))


@pytest.mark.parametrize(("images", "masks"), [("images", "gt"), ("sat", "map")])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_folders_of_data_sets_are_read(tmp_path, images, masks, suffix) -> None:
    for name in (images, masks):
        (tmp_path / name).mkdir()
    pixels = (grey() * 255).astype(np.uint8).transpose(1, 2, 0)
    mask = tmp_path / masks / f"a1.{suffix}"
    Image.fromarray(pixels).save(tmp_path / images / f"a1.{suffix}")
    Image.fromarray(buildings().astype(np.uint8) * 255).save(mask)
    found = read_folder(tmp_path)
    assert [len(scene.polygons) for scene in found.scenes] == [2]
    assert found.repairs == [f"{mask.name}: 1 part(s) below 16 pixels left out"]
    Image.fromarray(pixels[..., 0]).save(mask)
    with pytest.raises(DataError, match="two values"):
        read_folder(tmp_path)
    Image.fromarray(buildings()[:50].astype(np.uint8) * 255).save(mask)
    with pytest.raises(DataError, match="like its image"):
        read_folder(tmp_path)
    mask.unlink()
    with pytest.raises(DataError, match="a mask beside every image, none for a1"):
        read_folder(tmp_path)


def test_real_chips_are_read(data) -> None:
    found = read_folder(data / "aerial_inria")
    assert len(found.scenes) == 51
    for path, scene in zip(found.paths, found.scenes, strict=True):
        mask = np.asarray(Image.open(data / "aerial_inria" / "gt" / path.name))
        covered = np.any([inside(p, 256, 256) for p in scene.polygons] or [mask & False], 0)
        assert (covered != mask).mean() < 0.02  # outlines are simplified by a pixel
    assert sum(len(scene.polygons) for scene in found.scenes) > 100
