"""Maps given as masks: black and white images of buildings, turned into polygons."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinsight.alignment.images import read_pixels, with_rasterio
from kinsight.alignment.polygons import Polygon
from kinsight.errors import DataError

# Folders of images and of masks, as data sets are handed out: Inria Aerial Image Labeling
# (Maggiori et al. 2017), Massachusetts Buildings (Mnih 2013).
LAYOUTS = (("images", "gt"), ("sat", "map"))
_SMALLEST = 16  # pixels of area: what is smaller is dust of the mask
_TOLERANCE = 1.0  # pixels that a simplified outline may be off


def polygons_of_mask(
    mask: np.ndarray, tolerance: float = _TOLERANCE, smallest: float = _SMALLEST
) -> tuple[list[Polygon], int]:
    """One polygon for each connected part of a mask, with its holes.

    Outlines run along pixels and are simplified (Douglas and Peucker 1973), so that a straight
    wall has two corners. Parts that touch at a corner only are two.

    Args:
        mask: (H, W) bool.
        tolerance: how far a simplified outline may be from the pixels' own, in pixels.
        smallest: parts of less area, in pixels, are left out.

    Returns:
        The polygons, and how many parts were left out as too small.

    Raises:
        DataError: a mask of another shape.
        MissingExtraError: without rasterio and shapely.
    """
    if mask.ndim != 2:
        raise DataError(f"mask: expected (H, W), got shape {mask.shape}")
    features = with_rasterio("masks become polygons").features
    import shapely

    found, small = [], 0
    for geometry, _ in features.shapes(mask.astype(np.uint8), mask=mask):
        shape = shapely.geometry.shape(geometry)
        if shape.area < smallest:
            small += 1
            continue
        rings = shapely.geometry.mapping(shape.simplify(tolerance))["coordinates"]
        found.append(Polygon.of(*rings))
    return found, small


def layout_of(folder: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks that a data set has, or None."""
    for images, masks in LAYOUTS:
        if (folder / images).is_dir() and (folder / masks).is_dir():
            return folder / images, folder / masks
    return None


def read_mask(path: Path, shape: Sequence[int]) -> tuple[list[Polygon], list[str]]:
    """The polygons of a mask file, and what was left out or repaired, in sentences.

    A pixel belongs to a building where the first band is above 0.

    Args:
        shape: (H, W) of the image.

    Raises:
        DataError: no image, of another size, or with grey values between black and white.
    """
    pixels = read_pixels(path)[0]  # (H, W)
    if pixels.shape != tuple(shape):
        raise DataError(
            f"{path}: expected a mask of {shape[0]} × {shape[1]} pixels like its image, got "
            f"{pixels.shape[0]} × {pixels.shape[1]}"
        )
    values = np.unique(pixels)
    if len(values) > 2:
        raise DataError(
            f"{path}: expected a mask of two values, got {len(values)}, such as {values[1]}; a "
            "mask is kept as PNG or TIFF, not as JPEG"
        )
    polygons, small = polygons_of_mask(pixels > 0)
    return polygons, [f"{small} part(s) below {_SMALLEST} pixels left out"] if small else []
