"""Images of any kind as (3, H, W) in [0, 1]: 8 and 16 bits, grey, alpha, GeoTIFF with its place."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from kinsight.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

    from affine import Affine  # pyright: ignore[reportMissingImports]

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_TIFF = (".tif", ".tiff")
_SIDE = 30_000  # pixels; larger ones are cut into tiles by who made them
_PARTS = (0.01, 0.99)  # of the values of 16 bits, stretched to [0, 1]


@dataclass(frozen=True)
class ReadImage:
    """An image, and where it lies.

    Args:
        image: (3, H, W) float32 in [0, 1].
        repairs: what was done to it, in sentences.
        crs: of its coordinates; None: it has none, and polygons are in pixels.
        to_pixels, from_pixels: between map coordinates and pixels, (V, 2) to (V, 2).
    """

    image: np.ndarray
    repairs: list[str]
    crs: str | None = None
    to_pixels: Callable[[np.ndarray], np.ndarray] = np.asarray
    from_pixels: Callable[[np.ndarray], np.ndarray] = np.asarray


def read_image(path: str | Path) -> ReadImage:
    """An image file; a GeoTIFF is read with rasterio, with its coordinate system.

    Repairs that are named: an alpha channel or a fourth band is left out, grey becomes three equal
    colours, 16 bits are stretched from their 1 % to their 99 % quantile.

    Raises:
        DataError: no image, or one too large.
        MissingExtraError: a GeoTIFF without rasterio.
    """
    path = Path(path)
    if path.suffix.lower() in _TIFF:
        return _read_tiff(path)
    pixels = _read_plain(path)
    image, repairs = _three_colours(pixels)
    return ReadImage(image, repairs)


def _read_plain(path: Path) -> np.ndarray:
    """The bands of a picture: (C, H, W)."""
    try:
        with Image.open(path) as picture:
            if max(picture.size) > _SIDE:
                raise DataError(f"{path}: expected at most {_SIDE} pixels a side; cut it in tiles")
            if picture.mode in ("P", "1", "CMYK", "PA", "YCbCr", "LAB", "HSV"):
                picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
            pixels = np.asarray(picture)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected an image, got: {error}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _read_tiff(path: Path) -> ReadImage:
    pixels, forth, crs = _read_bands(path)
    image, repairs = _three_colours(pixels)
    if crs is None:
        return ReadImage(image, repairs)
    back = ~forth
    return ReadImage(
        image, repairs, crs.to_string(),
        lambda points: _through(back, points), lambda points: _through(forth, points),
    )  # fmt: skip


def _read_bands(path: Path) -> tuple[np.ndarray, "Affine", Any]:
    """Bands (C, H, W), from pixels to coordinates, and the coordinate system or None."""
    rasterio = with_rasterio("GeoTIFF images are read")
    try:
        with warnings.catch_warnings():
            # A TIFF without a place is a plain image.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                if max(source.width, source.height) > _SIDE:
                    raise DataError(
                        f"{path}: expected at most {_SIDE} pixels a side; cut it in tiles"
                    )
                return source.read(), source.transform, source.crs
    except rasterio.errors.RasterioError as error:
        raise DataError(f"{path}: expected a GeoTIFF, got: {error}") from error


def _three_colours(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(C, H, W) of any type as (3, H, W) in [0, 1], and what was done."""
    repairs = []
    if pixels.shape[0] in (2, 4):
        repairs.append("alpha channel or extra band left out")
        pixels = pixels[: pixels.shape[0] - 1]
    elif pixels.shape[0] > 4:
        repairs.append(f"the first 3 of {pixels.shape[0]} bands kept")
        pixels = pixels[:3]
    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        values = values / 255
    elif pixels.dtype == bool:
        repairs.append("black and white as grey")
    else:
        low, high = np.nanquantile(values, _PARTS)
        values = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
        repairs.append(f"{pixels.dtype}: values from {low:g} to {high:g} stretched to [0, 1]")
    if values.shape[0] == 1:
        repairs.append("grey as three equal colours")
        values = np.repeat(values, 3, 0)
    return np.ascontiguousarray(np.nan_to_num(values)), repairs


def _through(transform: "Affine", points: np.ndarray) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]
    across = transform.a * x + transform.b * y + transform.c
    return np.stack([across, transform.d * x + transform.e * y + transform.f], 1)


def read_pixels(path: Path) -> np.ndarray:
    """The bands of an image file as they are: (C, H, W).

    Raises:
        DataError, MissingExtraError: as ``read_image``.
    """
    if path.suffix.lower() in _TIFF:
        return _read_bands(path)[0]
    return _read_plain(path)


def with_rasterio(what: str) -> "ModuleType":
    """The package rasterio.

    Args:
        what: needs it, the beginning of a sentence.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import rasterio  # pyright: ignore[reportMissingImports]
        import rasterio.errors  # pyright: ignore[reportMissingImports]
        import rasterio.features  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError(
            f"{what} with rasterio, which is not installed; pip install 'kinsight[maps]'"
        ) from error
    return rasterio
