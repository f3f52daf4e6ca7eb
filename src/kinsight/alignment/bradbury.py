"""The aerial images of Bradbury et al. 2016: a GeoTIFF and a CSV of building corners a place.

Layout: ``CITY/CITY_01.tif`` and ``CITY/CITY_01_buildingCoord.csv`` with a heading, then a row a
building: Image_Name, Polygon_ID, Number_Vertices, x, y, x, y, … Source: "Aerial imagery object
identification dataset for building and road detection, and building height estimation", figshare,
collection 3290519; the corners come from OpenStreetMap.

Corners are indices of MATLAB's, counted so that the left edge of the image is 1 and the right one
its width W: from the corner of the image that is (x − 1) W / (W − 1). NaN ends a ring.
"""

import csv
import re
from pathlib import Path

import numpy as np

from kinsight.alignment.areas import SIDE, Area, cut_up, reaching
from kinsight.alignment.images import read_image
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.repair import repaired
from kinsight.alignment.scenes import Scene
from kinsight.errors import DataError

HEADING = ["Image_Name", "Polygon_ID", "Number_Vertices"]


def read_bradbury(folder: str | Path, side: int = SIDE) -> list[Area]:
    """One area a city, its images cut into scenes of at most ``side`` pixels.

    Some files were handed out under misspelt names (``Atlanta_01buildingCoord.csv``): they are
    found, and named in ``repairs``. A ring that turns the other way round than the first of its
    row is a hole, any other a polygon of its own.

    Args:
        folder: with a folder for each city; what else lies there is passed over.

    Raises:
        DataError: no city, an image without corners, or rows made otherwise.
        MissingExtraError: without rasterio.

    Cost: an image of 5000² pixels is 300 MB of float32, and its scenes as much again.
    """
    folder = Path(folder)
    cities = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    found = [area for city in cities if (area := _city(city, side)) is not None]
    if not found:
        raise DataError(f"{folder}: expected folders CITY with CITY_01.tif in them, found none")
    return found


def _city(folder: Path, side: int) -> Area | None:
    """The images of one city; None where the folder has none."""
    scenes, repairs = [], []
    for path in sorted(folder.glob("*.tif")):
        read = read_image(path)
        repairs += [f"{path.name}: {one}" for one in read.repairs]
        corners, said = _corners_of(path)
        polygons, notes = read_corners(corners, read.image.shape[1:])
        parts, gone = cut_up(Scene(read.image, polygons, path.stem), side)
        notes += [f"{gone} polygon(s) outside the image or empty left out"] if gone else []
        over = sum(map(reaching, parts))
        notes += [f"{over} polygon(s) reach over the edge of their scene and stay"] if over else []
        repairs += said + [f"{corners.name}: {one}" for one in notes]
        scenes += parts
    return Area(folder.name, scenes, None, repairs) if scenes else None


def _corners_of(image: Path) -> tuple[Path, list[str]]:
    """The file of corners of an image, and whether it is misspelt."""
    right = image.with_name(f"{image.stem}_buildingCoord.csv")
    if right.exists():
        return right, []
    pattern = re.compile(re.escape(image.stem) + r"_?buildingcoords?\.csv", re.IGNORECASE)
    others = [path for path in sorted(image.parent.iterdir()) if pattern.fullmatch(path.name)]
    if not others:
        raise DataError(f"{image}: expected {right.name} beside it, found none")
    return others[0], [f"{others[0].name}: read in place of {right.name}"]


def read_corners(path: Path, shape: tuple[int, ...]) -> tuple[list[Polygon], list[str]]:
    """The polygons of a file of corners in pixels of its image, and what was repaired.

    Args:
        shape: (H, W) of the image.

    Raises:
        DataError: another heading, an odd number of coordinates, or something that is no number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or [cell.strip() for cell in rows[0][:3]] != HEADING:
        raise DataError(f"{path}: expected a heading {', '.join(HEADING)}, got {rows[:1]}")
    size = np.array(shape[::-1], dtype=float)
    shapes, known = [], []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        rings = _rings(row[3:], f"{path}, line {line}")
        for own in _sorted_rings([(ring - 1) * size / (size - 1) for ring in rings]):
            shapes.append(own)
            known.append({"Polygon_ID": row[1].strip()})
    polygons, repairs = repaired(shapes, known)
    return polygons, [str(repair) for repair in repairs]


def _rings(cells: list[str], where: str) -> list[np.ndarray]:
    """The rings of a row, which NaN ends: (V, 2) each; cells left empty at its end do not count."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise DataError(f"{where}: expected x, y, x, y, …, got: {error}") from error
    if len(values) % 2:
        raise DataError(f"{where}: expected pairs of x and y, got {len(values)} numbers")
    points = values.reshape(-1, 2)
    breaks = np.flatnonzero(np.isnan(points).any(1))
    parts = [part[~np.isnan(part).any(1)] for part in np.split(points, breaks)]
    return [part for part in parts if len(part)]


def _sorted_rings(rings: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Outlines, each with the holes that follow it; one empty polygon where there is no ring."""
    found: list[list[np.ndarray]] = []
    for ring in rings:
        if found and _turn(ring) * _turn(found[0][0]) < 0:
            found[-1].append(ring)
        else:
            found.append([ring])
    return found or [[]]


def _turn(ring: np.ndarray) -> float:
    """Twice the area, with the sign of the way round."""
    x, y = (ring - ring[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
