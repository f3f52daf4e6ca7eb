"""A copy of the real tiles that is read without rasterio and shapely, for a machine without them.

    python map_alignment_regions_data.py --data DIR --out runs/map_alignment_data

The pictures are the same bytes or the same pixels, the polygons the same numbers: cells on the copy
are cells on the original. Only what was repaired is written down, for the page.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from kinsight.alignment import read_folder, repaired, write_geojson
from kinsight.alignment.mosaics import INDEX, POLYGONS

SAID = "repairs.json"  # beside the folders: sentences for each region


def copied(data: Path, out: Path) -> None:
    """``aerial_osm`` and ``aerial_inria`` of ``data``, as far as they are there, into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    said: dict[str, list[str]] = {}
    if (data / "aerial_osm").is_dir():
        said |= copied_mosaics(data / "aerial_osm", out / "aerial_osm")
    if (data / "aerial_inria").is_dir():
        said["inria"] = copied_folder(data / "aerial_inria", out / "aerial_inria")
    (out / SAID).write_text(json.dumps(said, indent=1) + "\n")


def copied_mosaics(folder: Path, out: Path) -> dict[str, list[str]]:
    """Tiles as they are, polygons repaired; what was repaired for each region."""
    said = {}
    for name, entry in json.loads((folder / INDEX).read_text()).items():
        (out / name).mkdir(parents=True, exist_ok=True)
        for one in entry["tiles"]:
            shutil.copyfile(folder / name / one["file"], out / name / one["file"])
        value = json.loads((folder / name / POLYGONS).read_text())
        polygons, repairs = repaired([one["rings"] for one in value])
        kept = [{"rings": [ring.tolist() for ring in polygon.rings]} for polygon in polygons]
        (out / name / POLYGONS).write_text(json.dumps(kept))
        said[name] = [f"{name}: {repair}" for repair in repairs]
    shutil.copyfile(folder / INDEX, out / INDEX)
    return said


def copied_folder(folder: Path, out: Path) -> list[str]:
    """Images as PNG with GeoJSON files in place of masks; what was repaired."""
    tiles = read_folder(folder)
    out.mkdir(parents=True, exist_ok=True)
    for path, scene in zip(tiles.paths, tiles.scenes, strict=True):
        pixels = (scene.image * 255).round().astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(pixels).save(out / f"{path.stem}.png")
        write_geojson(out / f"{path.stem}.geojson", scene.polygons)
    return tiles.repairs


def main() -> None:
    """Copy what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="with aerial_osm, aerial_inria")
    parser.add_argument("--out", type=Path, required=True, help="where the copy goes")
    asked = parser.parse_args()
    copied(asked.data, asked.out)


if __name__ == "__main__":
    main()
