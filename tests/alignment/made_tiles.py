"""Folders of real data sets' layouts, drawn here: tiles with an index, GeoTIFFs with corners."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from kinsight.alignment import Polygon, Scene, scene


def mosaic(folder: Path, name: str, seed: int, tile: int = 64, missing=(), side: int = 256) -> dict:
    """The tiles and polygons of one generated scene, as an area of a folder of tiles.

    Returns:
        What the index says of it.
    """
    one = scene(seed, side)
    (folder / name).mkdir(parents=True)
    pixels = (one.image * 255).round().astype(np.uint8).transpose(1, 2, 0)
    tiles = []
    for y in range(0, side, tile):
        for x in range(0, side, tile):
            if (x // tile, y // tile) not in missing:
                file = f"20_{x}_{y}.png"
                Image.fromarray(pixels[y : y + tile, x : x + tile]).save(folder / name / file)
                tiles.append({"file": file, "px": [x, y]})
    rings = [
        {"osm_id": i, "rings": [[*ring.tolist(), ring[0].tolist()] for ring in p.rings]}
        for i, p in enumerate(one.polygons)
    ]
    (folder / name / "polygons_px.json").write_text(json.dumps(rings))
    return {"zoom": 20, "tile_px": tile, "m_per_px": 0.15, "tiles": tiles}


def mosaics(folder: Path, names=("east", "west"), **more) -> Path:
    """A folder of several areas with its index."""
    index = {name: mosaic(folder, name, 40 + i, **more) for i, name in enumerate(names)}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def city(folder: Path, polygons: list[Polygon], side: int = 160, file: str | None = None) -> Path:
    """An image of Bradbury et al.'s layout, in a folder of its city: as MATLAB counts corners."""
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{folder.name}_01"
    pixels = np.random.default_rng(0).integers(0, 255, (3, side, side)).astype(np.uint8)
    with rasterio.open(folder / f"{stem}.tif", "w", driver="GTiff", width=side, height=side,
                       count=3, dtype="uint8", crs="EPSG:32618",
                       transform=from_origin(580_000, 4_500_000, 0.3, 0.3)) as image:  # fmt: skip
        image.write(pixels)
    lines = ["Image_Name,Polygon_ID,Number_Vertices" + ",," * 12]
    for number, polygon in enumerate(polygons):
        cells = []
        for ring in polygon.rings:
            closed = np.concatenate([ring, ring[:1]]) * (side - 1) / side + 1
            cells += [f"{value:.6f}" for value in closed.ravel()] + ["NaN", "NaN"]
        lines.append(",".join([stem, str(number + 1), str(len(cells) // 2), *cells]) + ",,,")
    (folder / (file or f"{stem}_buildingCoord.csv")).write_text("\n".join(lines) + "\n")
    return folder


def places(scenes: list[Scene], corners: list) -> np.ndarray:
    """The first corner of every polygon, in pixels of what the scenes were cut from."""
    found = [
        p.outline[0] + corner
        for one, corner in zip(scenes, corners, strict=True)
        for p in one.polygons
    ]
    return np.array(found)
