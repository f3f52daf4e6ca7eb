"""Images of any kind, folders of images and maps, and what is refused or repaired by name."""

import json

import numpy as np
import pytest
from PIL import Image

from alignment.cases import SQUARE, grey, pair
from kinsight.alignment import read_folder
from kinsight.alignment.images import read_image
from kinsight.alignment.tiles import read_pair
from kinsight.errors import DataError

GREY = "grey as three equal colours"


def saved(path, pixels: np.ndarray) -> None:
    """An image file of any kind."""
    Image.fromarray(pixels).save(path)


def test_eight_bits_are_read_as_they_are(tmp_path) -> None:
    pixels = (grey(8, 9) * 255).astype(np.uint8)
    saved(tmp_path / "a.png", pixels.transpose(1, 2, 0))
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.image, pixels.astype(np.float32) / 255)
    assert found.repairs == []


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        ((8, 9, 4), np.uint8, ["alpha channel or extra band left out"]),
        ((8, 9), np.uint8, [GREY]),
        ((8, 9, 2), np.uint8, ["alpha channel or extra band left out", GREY]),
    ],
)
def test_alpha_and_grey_are_repaired_by_name(tmp_path, shape, kind, said) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(kind)
    saved(tmp_path / "a.png", pixels)
    found = read_image(tmp_path / "a.png")
    assert found.repairs == said
    assert found.image.shape == (3, 8, 9)
    first = pixels if pixels.ndim == 2 else pixels[..., 0]
    np.testing.assert_allclose(found.image[0], first / 255, atol=1e-6)


def test_sixteen_bits_are_stretched_and_said(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(300, 2000, (40, 50)).astype(np.uint16)
    saved(tmp_path / "a.png", pixels)
    found = read_image(tmp_path / "a.png")
    assert found.image.min() == 0
    assert found.image.max() == 1
    assert "stretched" in found.repairs[0]
    order = np.corrcoef(found.image[0].ravel(), pixels.ravel())[0, 1]
    assert order > 0.99


def test_what_is_no_image_is_refused(tmp_path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="expected an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError):
        read_image(tmp_path / "b.jpg")


def test_a_folder_is_read_in_the_order_of_names(tmp_path) -> None:
    for name in ("b", "a"):
        pair(tmp_path, name)
    found = read_folder(tmp_path)
    assert [scene.name for scene in found.scenes] == ["a", "b"]
    np.testing.assert_array_equal(found.scenes[0].polygons[0].outline, SQUARE)
    assert found.repairs == []


def test_images_without_map_and_maps_without_image_are_named(tmp_path) -> None:
    with pytest.raises(DataError, match="expected a folder"):
        read_folder(tmp_path / "none")
    with pytest.raises(DataError, match="found none"):
        read_folder(tmp_path)
    image, polygons = pair(tmp_path)
    kept = polygons.read_text()
    polygons.unlink()
    with pytest.raises(DataError, match="beside every image, none for a"):
        read_folder(tmp_path)
    polygons.write_text(kept)
    (tmp_path / "b.geojson").write_text(kept)
    with pytest.raises(DataError, match="image beside every GeoJSON file, none for b"):
        read_folder(tmp_path)
    (tmp_path / "b.geojson").unlink()
    (tmp_path / "a.jpg").write_bytes(image.read_bytes())
    with pytest.raises(DataError, match="several: a"):
        read_folder(tmp_path)


def test_a_coordinate_system_without_one_in_the_image_is_refused(tmp_path) -> None:
    image, polygons = pair(tmp_path)
    value = json.loads(polygons.read_text())
    value["crs"] = {"type": "name", "properties": {"name": "EPSG:3857"}}
    polygons.write_text(json.dumps(value))
    with pytest.raises(DataError, match="in pixels"):
        read_pair(image, polygons)


def test_polygons_outside_the_image_are_told(tmp_path) -> None:
    image, polygons = pair(tmp_path, rings=[(np.array(SQUARE) + 500).tolist()])
    _, _, repairs = read_pair(image, polygons)
    assert repairs == ["a.geojson: 1 polygon(s) outside the image stay as they are"]


@pytest.fixture
def tiff(tmp_path):
    """A GeoTIFF of 0.3 m a pixel in UTM 36 S, as a path."""
    rasterio = pytest.importorskip("rasterio", reason="kinsight[maps] is not installed")
    from rasterio.transform import from_origin

    path = tmp_path / "a.tif"
    place = from_origin(500_000, 9_000_000, 0.3, 0.3)
    with rasterio.open(path, "w", driver="GTiff", width=160, height=120, count=4, dtype="uint8",
                       crs="EPSG:32736", transform=place) as file:  # fmt: skip
        file.write((grey()[[0, 1, 2, 0]] * 255).astype(np.uint8))
    return path


def placed(path, ring: np.ndarray, crs: str | None) -> None:
    """A GeoJSON file with one ring."""
    value = {"type": "Polygon", "coordinates": [ring.tolist()]}
    if crs:
        value["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("system", ["EPSG:32736", "EPSG:3857", None])
def test_maps_in_any_coordinate_system_come_into_pixels_and_back(tiff, system) -> None:
    from rasterio.warp import transform

    square = np.array(SQUARE, dtype=float)
    utm = square * (0.3, -0.3) + (500_000, 9_000_000)
    x, y = transform("EPSG:32736", system or "EPSG:4326", utm[:, 0], utm[:, 1])
    placed(tiff.with_suffix(".geojson"), np.stack([x, y], 1), system)
    scene, read, repairs = read_pair(tiff, tiff.with_suffix(".geojson"))
    np.testing.assert_allclose(scene.polygons[0].outline, square, atol=1e-3)
    np.testing.assert_allclose(read.from_pixels(square), utm)
    assert repairs == ["a.tif: alpha channel or extra band left out"]


def test_metres_that_claim_to_be_degrees_are_refused(tiff) -> None:
    utm = np.array(SQUARE) * (0.3, -0.3) + (500_000, 9_000_000)
    placed(tiff.with_suffix(".geojson"), utm, None)
    with pytest.raises(DataError, match="longitude and latitude"):
        read_pair(tiff, tiff.with_suffix(".geojson"))
