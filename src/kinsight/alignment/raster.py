"""Polygons as channels of an image: inside, edge, vertex; and which polygon owns a pixel."""

import math
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
    low, high = polygon.outline.min(0).tolist(), polygon.outline.max(0).tolist()
    left, top = (max(math.floor(value - _VERTEX), 0) for value in low)
    right = min(math.ceil(high[0] + _VERTEX), width)
    bottom = min(math.ceil(high[1] + _VERTEX), height)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _channels(polygon: Polygon, rows: slice, columns: slice) -> np.ndarray:
    """The three channels on a box. Few calls on small arrays: a scene has hundreds of polygons."""
    x = np.arange(columns.start, columns.stop) + 0.5  # against (V, h, w)
    y = (np.arange(rows.start, rows.stop) + 0.5)[:, None]
    start = np.concatenate(polygon.rings)  # (V, 2)
    after = [part for ring in polygon.rings for part in (ring[1:], ring[:1])]
    along = np.concatenate(after) - start
    ax, ay = start[:, 0, None, None], start[:, 1, None, None]
    dx, dy = along[:, 0, None, None], along[:, 1, None, None]
    ux, uy = x - ax, y - ay  # (V, 1, w), (V, h, 1)
    flat = np.where(dy == 0, 1.0, dy)  # a level edge is never crossed
    crossed = ((ay > y) != ((ay + dy) > y)) & (x < ax + dx * uy / flat)
    length = np.maximum(dx * dx + dy * dy, 1e-12)  # a corner given twice
    part = ux * dx + uy * dy  # (V, h, w), in place from here: memory is what takes time
    part /= length
    np.minimum(np.maximum(part, 0, out=part), 1, out=part)
    off = part * dx
    np.subtract(ux, off, out=off)
    off *= off
    part *= dy
    np.subtract(uy, part, out=part)
    part *= part
    off += part
    edge = np.sqrt(off.min(0))
    vertex = np.sqrt(np.add(ux * ux, uy * uy, out=off).min(0))
    found = np.empty((3, *edge.shape), dtype=np.float32)
    found[0] = np.logical_xor.reduce(crossed, axis=0)
    found[1] = np.minimum(np.maximum(_EDGE - edge, 0), 1)
    found[2] = np.minimum(np.maximum(_VERTEX - vertex, 0), 1)
    return found
