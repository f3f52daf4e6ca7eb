"""Tiles of a web map with polygons in pixels of the mosaic: one index, one folder for each area."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.alignment.areas import SIDE, Area, reaching
from kinsight.alignment.images import read_image
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.repair import repaired
from kinsight.alignment.scenes import Scene
from kinsight.checks import positive
from kinsight.errors import DataError

INDEX, POLYGONS = "index.json", "polygons_px.json"

Place = tuple[int, int]  # column and row of a tile


def read_mosaics(folder: str | Path, side: int = SIDE) -> list[Area]:
    """The areas of a folder of tiles: every mosaic cut into scenes without a gap.

    ``index.json`` has for each area ``tile_px``, ``tiles`` (``file`` and ``px``, the corner [x, y]
    in the mosaic) and, where known, ``m_per_px``. ``AREA/polygons_px.json`` is a list of
    ``{"rings": [[[x, y], …], …], …}`` in pixels of the mosaic: outline first, then holes.

    A scene is a full rectangle of neighbouring tiles. Where a tile is missing there is no scene, so
    no empty ground is taken for imagery. A polygon belongs to the scene that holds the middle of
    its bounding box; without one it is left out, and counted in ``repairs``.

    Args:
        side: of a scene at most, in pixels; a tile that is larger is a scene of its own.

    Raises:
        DataError: a file that is missing or made otherwise; a tile of another size than the index
            says, or off its grid.
        MissingExtraError: a polygon crosses itself and shapely is not installed.

    Cost: memory of all tiles as float32, not of the gaps between them.
    """
    folder = Path(folder)
    positive("side", side)
    index = _json(folder / INDEX)
    if not isinstance(index, dict) or not index:
        raise DataError(f"{folder / INDEX}: expected an object with one entry an area, got others")
    return [_area(folder, name, entry, side) for name, entry in index.items()]


def _area(folder: Path, name: str, entry: Any, side: int) -> Area:
    try:
        size = int(entry["tile_px"])
        corners = [(str(one["file"]), *map(int, one["px"])) for one in entry["tiles"]]
        metres = entry.get("m_per_px")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / INDEX}: expected tile_px and tiles with file and px for {name!r}, got "
            f"an entry without: {error}"
        ) from error
    files = _on_grid(folder / name, size, corners)
    polygons, repairs = _polygons(folder / name / POLYGONS)
    scenes, known, alpha = [], {}, 0
    for number, rectangle in enumerate(rectangles(files, max(1, side // size))):
        image, extra = _pasted(files, rectangle, size)
        alpha += extra
        left, top = rectangle[0] * size, rectangle[1] * size
        scenes.append(Scene(image, [], f"{name} {left} {top}"))
        known |= dict.fromkeys(_places(rectangle), (number, left, top))
    gone = _given_out(polygons, scenes, known, size)
    said = [
        (alpha, "tile(s) read without their alpha channel or as three equal colours"),
        (gone, "polygon(s) without a tile under their middle left out"),
        (sum(map(reaching, scenes)), "polygon(s) reach over the edge of their scene and stay"),
    ]
    repairs += [f"{count} {what}" for count, what in said if count]
    return Area(name, scenes, metres, [f"{name}: {one}" for one in repairs])


def _on_grid(folder: Path, size: int, corners: list[tuple]) -> dict[Place, Path]:
    """The file of each place of the grid of tiles."""
    found: dict[Place, Path] = {}
    for file, x, y in corners:
        place = (x // size, y // size)
        if x % size or y % size or place in found:
            raise DataError(
                f"{folder / file}: expected one tile at each multiple of {size} px, got "
                f"{'a second one' if place in found else 'one'} at {[x, y]}"
            )
        found[place] = folder / file
    return found


def rectangles(places: Iterable[Place], most: int) -> list[tuple[int, int, int, int]]:
    """Places of a grid as full rectangles of at most ``most`` places a side.

    Returns:
        column, row, columns and rows of each; together they hold every place once.

    >>> rectangles([(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)], 2)
    [(0, 0, 2, 2), (0, 2, 1, 1)]
    """
    left, found = set(places), []
    for column, row in sorted(left, key=lambda place: place[::-1]):
        if (column, row) not in left:
            continue
        wide = tall = 1
        while wide < most and (column + wide, row) in left:
            wide += 1
        while tall < most and all((column + i, row + tall) in left for i in range(wide)):
            tall += 1
        rectangle = (column, row, wide, tall)
        left -= set(_places(rectangle))
        found.append(rectangle)
    return found


def _places(rectangle: tuple[int, int, int, int]) -> list[Place]:
    column, row, wide, tall = rectangle
    return [(column + i, row + j) for j in range(tall) for i in range(wide)]


def _pasted(
    files: dict[Place, Path], rectangle: tuple[int, int, int, int], size: int
) -> tuple[np.ndarray, int]:
    """The image of a rectangle of tiles (3, H, W), and how many tiles had to be repaired."""
    column, row, wide, tall = rectangle
    image, alpha = np.empty((3, tall * size, wide * size), dtype=np.float32), 0
    for place in _places(rectangle):
        read = read_image(files[place])
        if read.image.shape[1:] != (size, size):
            raise DataError(
                f"{files[place]}: expected a tile of {size} × {size} pixels as the index says, "
                f"got {read.image.shape[1]} × {read.image.shape[2]}"
            )
        left, top = (place[0] - column) * size, (place[1] - row) * size
        image[:, top : top + size, left : left + size] = read.image
        alpha += bool(read.repairs)
    return image, alpha


def _polygons(path: Path) -> tuple[list[Polygon], list[str]]:
    """The polygons of an area in pixels of the mosaic, and their repairs."""
    value = _json(path)
    if not isinstance(value, list) or any(
        not isinstance(one, dict) or not isinstance(one.get("rings"), list) for one in value
    ):
        raise DataError(f"{path}: expected a list of objects with rings, got something else")
    known = [{key: one[key] for key in one if key != "rings"} for one in value]
    polygons, repairs = repaired([one["rings"] for one in value], known)
    return polygons, [str(repair) for repair in repairs]


def _given_out(
    polygons: list[Polygon], scenes: list[Scene], known: dict[Place, tuple], size: int
) -> int:
    """Every polygon into its scene; how many have none."""
    gone = 0
    for polygon in polygons:
        found = None
        if not polygon.is_empty:
            column, row = (polygon.centre // size).astype(int).tolist()
            found = known.get((column, row))
        if found is None:
            gone += 1
            continue
        number, left, top = found
        scenes[number].polygons.append(polygon.shifted([-left, -top]))
    return gone


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected a JSON file of a folder of tiles, got: {error}"
        ) from error
