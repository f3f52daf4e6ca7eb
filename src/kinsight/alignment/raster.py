"""Polygons as channels of an image: inside, edge, vertex; and which polygon owns a pixel."""

from collections.abc import Sequence

import numpy as np

from kinsight.alignment.polygons import Polygon

CHANNELS = ("inside", "edge", "vertex")
_EDGE, _VERTEX = 1.5, 2.0  # reach in pixels, where a channel falls to 0


def rasterised(polygons: Sequence[Polygon], height: int, width: int) -> np.ndarray:
    """The channels that a network reads: (3, H, W) float32 in [0, 1].

    inside: 1 where a pixel's centre is in a polygon by the even-odd rule, else 0. edge and vertex:
    clip(r − distance, 0, 1) with r = 1.5 and 2 px, so that parts of a pixel show. The maximum over
    polygons. Those outside the image draw nothing. Cost: pixels of the bounding box × corners.
    """
    return drawn(polygons, height, width)[0]


def drawn(polygons: Sequence[Polygon], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The channels, and the owner of each pixel: (3, H, W) float32 and (H, W) int32.

    A pixel is owned by the last polygon of the list that has it inside or on its edge (at least
    half); −1: by none.
    """
    channels = np.zeros((3, height, width), dtype=np.float32)
    owner = np.full((height, width), -1, dtype=np.int32)
    for number, polygon in enumerate(polygons):
        box = _box(polygon, height, width)
        if box is None:
            continue
        rows, columns = box
        part = _channels(polygon, rows, columns)  # (3, h, w)
        np.maximum(channels[:, rows, columns], part, out=channels[:, rows, columns])
        owner[rows, columns][(part[0] > 0) | (part[1] >= 0.5)] = number
    return channels, owner


def inside(polygon: Polygon, height: int, width: int) -> np.ndarray:
    """Where a pixel's centre is in the polygon, by the even-odd rule: (H, W) bool."""
    found = np.zeros((height, width), dtype=bool)
    box = _box(polygon, height, width)
    if box is not None:
        found[box] = _channels(polygon, *box)[0] > 0
    return found


def _box(polygon: Polygon, height: int, width: int) -> tuple[slice, slice] | None:
    """The part of the image that a polygon can touch."""
    if polygon.is_empty:
        return None
    low = np.floor(polygon.outline.min(0) - _VERTEX).astype(int)
    high = np.ceil(polygon.outline.max(0) + _VERTEX).astype(int)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (width, height))
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _channels(polygon: Polygon, rows: slice, columns: slice) -> np.ndarray:
    x = np.arange(columns.start, columns.stop) + 0.5
    y = np.arange(rows.start, rows.stop) + 0.5
    start = polygon.vertices  # (V, 2)
    end = np.concatenate([np.roll(ring, -1, 0) for ring in polygon.rings])
    px, py = x[None, None, :], y[None, :, None]  # against (V, h, w)
    ax, ay = start[:, 0, None, None], start[:, 1, None, None]
    dx, dy = (end - start)[:, 0, None, None], (end - start)[:, 1, None, None]
    ends_below = (ay + dy) > py
    flat = np.where(dy == 0, 1.0, dy)  # a level edge is never crossed
    crossed = ((ay > py) != ends_below) & (px < ax + dx * (py - ay) / flat)
    odd = crossed.sum(0) % 2 == 1
    ux, uy = px - ax, py - ay
    length = np.maximum(dx * dx + dy * dy, 1e-12)  # a corner given twice
    along = np.clip((ux * dx + uy * dy) / length, 0, 1)
    edge = np.sqrt(((ux - along * dx) ** 2 + (uy - along * dy) ** 2).min(0))
    vertex = np.sqrt((ux * ux + uy * uy).min(0))
    parts = (odd, np.clip(_EDGE - edge, 0, 1), np.clip(_VERTEX - vertex, 0, 1))
    return np.stack(parts).astype(np.float32)
