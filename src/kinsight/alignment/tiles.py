"""A folder of images with polygons beside them, as one list of scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.alignment.geojson import PolygonFile, mapped, read_geojson
from kinsight.alignment.images import SUFFIXES, ReadImage, read_image
from kinsight.alignment.masks import layout_of, read_mask
from kinsight.alignment.scenes import Scene
from kinsight.errors import DataError

_MAPS = (".geojson", ".json")
_DEGREES = 360.0


@dataclass(frozen=True)
class Tiles:
    """What a folder holds.

    Args:
        scenes: image and polygons in pixels.
        paths: of the images.
        repairs: what was done to images and polygons, in sentences with file names.
        images: as they were read, with their coordinate systems.
    """

    scenes: list[Scene]
    paths: list[Path]
    repairs: list[str]
    images: list[ReadImage]


def read_folder(folder: str | Path) -> Tiles:
    """Every image of a folder with the GeoJSON file of the same name, or its mask.

    Masks are looked for where the folder has ``images`` and ``gt`` (Inria Aerial Image Labeling)
    or ``sat`` and ``map`` (Massachusetts Buildings) in it; their files bear the same name.

    Polygons are in pixels where the image has no coordinate system (PNG, JPEG, plain TIFF), else in
    the system of the image, or in longitude and latitude, which a GeoJSON file without ``crs``
    means: those are brought into the image's own.

    Raises:
        DataError: no image; an image without map or a map without image; another coordinate
            system that does not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images with GeoJSON files, got none")
    apart = layout_of(folder)
    if apart is not None:
        return _with_masks(*apart)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    maps = [path for path in files if path.suffix.lower() in _MAPS]
    _check_pairs(folder, images, maps, "GeoJSON file")
    by_name = {path.stem: path for path in maps}
    found = Tiles([], images, [], [])
    for path in images:
        scene, read, repairs = read_pair(path, by_name[path.stem])
        found.scenes.append(scene)
        found.images.append(read)
        found.repairs.extend(repairs)
    return found


def _with_masks(image_folder: Path, mask_folder: Path) -> Tiles:
    """Images and masks in folders of their own."""
    images, masks = (
        sorted(path for path in one.iterdir() if path.suffix.lower() in SUFFIXES)
        for one in (image_folder, mask_folder)
    )
    _check_pairs(image_folder, images, masks, "mask")
    by_name = {path.stem: path for path in masks}
    found = Tiles([], images, [], [])
    for path in images:
        read, mask = read_image(path), by_name[path.stem]
        polygons, said = read_mask(mask, read.image.shape[1:])
        found.scenes.append(Scene(read.image, polygons, path.stem))
        found.images.append(read)
        found.repairs.extend(f"{path.name}: {repair}" for repair in read.repairs)
        found.repairs.extend(f"{mask.name}: {repair}" for repair in said)
    return found


def read_pair(image: str | Path, polygons: str | Path) -> tuple[Scene, ReadImage, list[str]]:
    """One image and its map: the scene in pixels, the image with its place, what was repaired.

    Raises:
        DataError: either cannot be read, or their coordinate systems do not fit.
    """
    image, polygons = Path(image), Path(polygons)
    read, file = read_image(image), read_geojson(polygons)
    placed = Scene(read.image, in_pixels(file, read, str(polygons)), image.stem)
    repairs = [f"{image.name}: {repair}" for repair in read.repairs]
    repairs += [f"{polygons.name}: {repair}" for repair in file.repairs]
    outside = _outside(placed)
    if outside:
        repairs.append(f"{polygons.name}: {outside} polygon(s) outside the image stay as they are")
    return placed, read, repairs


def in_pixels(file: PolygonFile, image: ReadImage, name: str) -> list:
    """The polygons of a file in pixels of an image.

    Raises:
        DataError: the file's coordinate system is not the image's.
    """
    if image.crs is None:
        if file.crs is not None:
            raise DataError(
                f"{name}: expected polygons in pixels, as the image has no coordinate system, got "
                f"{file.crs}; use the GeoTIFF, or write the polygons in pixels without crs"
            )
        return file.polygons
    system = file.crs or "EPSG:4326"
    polygons = file.polygons
    if not _same_system(system, image.crs):
        polygons = mapped(polygons, lambda points: _transformed(points, system, image.crs, name))
    return mapped(polygons, image.to_pixels)


def _check_pairs(folder: Path, images: Sequence[Path], maps: Sequence[Path], kind: str) -> None:
    if not images:
        raise DataError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none")
    names = [path.stem for path in images]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{folder}: expected one image of a name, got several: {_few(twice)}")
    alone = sorted(set(names) - {path.stem for path in maps})
    if alone:
        raise DataError(
            f"{folder}: expected a {kind} beside every image, none for {_few(alone)}; an image "
            "without buildings has an empty one"
        )
    idle = sorted({path.stem for path in maps} - set(names))
    if idle:
        raise DataError(f"{folder}: expected an image beside every {kind}, none for {_few(idle)}")


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _same_system(one: str, other: str) -> bool:
    # An image with a system was read with rasterio.
    from rasterio.crs import CRS  # pyright: ignore[reportMissingImports]

    return CRS.from_user_input(one) == CRS.from_user_input(other)


def _transformed(points: np.ndarray, system: str, to: str | None, name: str) -> np.ndarray:
    from rasterio.errors import RasterioError  # pyright: ignore[reportMissingImports]
    from rasterio.warp import transform  # pyright: ignore[reportMissingImports]

    if system == "EPSG:4326" and np.abs(points).max(initial=0) > _DEGREES:
        raise DataError(
            f"{name}: expected longitude and latitude, as the file names no crs, got "
            f"{points[0].tolist()}; name the coordinate system of the file in it ({to}?)"
        )
    try:
        moved = transform(system, to, points[:, 0], points[:, 1])
    except RasterioError as error:
        raise DataError(f"{name}: coordinates in {system} do not fit {to}: {error}") from error
    return np.stack([np.asarray(part) for part in moved[:2]], 1)


def _outside(scene: Scene) -> int:
    height, width = scene.image.shape[1:]
    return sum(
        bool((p.vertices.max(0) <= 0).any() or (p.vertices.min(0) >= (width, height)).any())
        for p in scene.polygons
        if not p.is_empty
    )
