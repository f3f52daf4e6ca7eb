"""Small maps, images and networks for the tests of this folder."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from kinsight.alignment import AlignmentNetwork, NetworkSize, Polygon

SMALL = NetworkSize((4, 4, 8), (4, 4, 8), (4, 8, 8))
SQUARE = [[20, 30], [50, 30], [50, 70], [20, 70]]


def constant(x: float, y: float) -> AlignmentNetwork:
    """A network that answers (x, y) everywhere: its last layer has a bias alone."""
    network = AlignmentNetwork(SMALL)
    with torch.no_grad():
        network.displacement.bias.copy_(torch.tensor([x, y]))
    return network.eval()


def square(left: float = 20, top: float = 30, side: float = 30) -> Polygon:
    """An upright square."""
    right, bottom = left + side, top + side
    return Polygon.of([[left, top], [right, top], [right, bottom], [left, bottom]])


def grey(height: int = 120, width: int = 160) -> np.ndarray:
    """An image of random colours: (3, H, W)."""
    return np.random.default_rng(0).random((3, height, width), dtype=np.float32)


def pair(folder: Path, name: str = "a", rings=(SQUARE,)) -> tuple[Path, Path]:
    """A PNG of 160×120 and a GeoJSON file with one polygon beside it."""
    image, polygons = folder / f"{name}.png", folder / f"{name}.geojson"
    pixels = (grey() * 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(pixels).save(image)
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]}
    feature = {"type": "Feature", "properties": {"id": 7}, "geometry": geometry}
    polygons.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return image, polygons
