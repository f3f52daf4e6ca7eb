"""What a generated scene is painted with: ground, roads, yards, shadows, roofs, trees, exposure.

Every painter changes the canvas (3, H, W) in place.
"""

import numpy as np

from kinsight.alignment.polygons import Polygon
from kinsight.alignment.raster import inside

_GRASS, _EARTH = (0.34, 0.42, 0.25), (0.55, 0.48, 0.38)
_ASPHALT, _TREE = (0.42, 0.42, 0.43), (0.17, 0.27, 0.15)
_ROOFS = (
    (0.62, 0.36, 0.27), (0.52, 0.33, 0.27), (0.50, 0.50, 0.52), (0.38, 0.36, 0.36),
    (0.72, 0.70, 0.66), (0.55, 0.49, 0.40), (0.40, 0.45, 0.36),
)  # fmt: skip
_ROAD = 8.0  # half its width, px


def smooth(random: np.random.Generator, size: int, length: int) -> np.ndarray:
    """Random values of deviation about 1 that vary over ``length`` pixels: (size, size)."""
    count = size // length + 4
    grid = random.normal(0, 1, (count, count))
    at = np.arange(size) / length + 1
    low, rest = at.astype(int), at % 1
    rest = rest * rest * (3 - 2 * rest)  # no creases at the lines of the grid
    rows = grid[low] * (1 - rest)[:, None] + grid[low + 1] * rest[:, None]
    return 1.3 * (rows[:, low] * (1 - rest) + rows[:, low + 1] * rest)


def signed_distance(points: np.ndarray, road: np.ndarray) -> np.ndarray:
    """How far points (..., 2) are from the line through both ends (2, 2), negative on one side."""
    along = (road[1] - road[0]) / np.linalg.norm(road[1] - road[0])
    to = points - road[0]
    return to[..., 0] * along[1] - to[..., 1] * along[0]


def ground(random: np.random.Generator, size: int) -> np.ndarray:
    """Grass and bare earth with patches of several sizes: (3, size, size)."""
    share = 1 / (1 + np.exp(-3 * (smooth(random, size, 70) + random.normal(0, 0.7))))
    canvas = _colour(_GRASS) * share + _colour(_EARTH) * (1 - share)
    rough = 0.05 * smooth(random, size, 25) + 0.05 * smooth(random, size, 5)
    return canvas * (1 + rough + 0.04 * random.normal(0, 1, (size, size)))


def road(canvas: np.ndarray, random: np.random.Generator, ends: np.ndarray) -> None:
    """A grey strip 16 px wide with a pale line in the middle."""
    away = np.abs(signed_distance(_places(canvas), ends))
    grey = random.uniform(0.8, 1.2) + 0.04 * smooth(random, canvas.shape[1], 6)
    _blend(canvas, _colour(_ASPHALT) * grey, np.clip(_ROAD + 0.5 - away, 0, 1))
    _blend(canvas, _colour((0.7, 0.7, 0.66)), 0.6 * np.clip(1.2 - away, 0, 1))


def yard(canvas: np.ndarray, random: np.random.Generator, polygon: Polygon) -> None:
    """A paved or dug place of a roof's shape, no building: flat, without shadow or ridge."""
    where = _covered(canvas, polygon)
    colour = _colour(_ROOFS[random.integers(2, 6)]) * random.uniform(0.8, 1.1)
    _blend(canvas, colour * (1 + 0.06 * smooth(random, canvas.shape[1], 4)), 0.85 * where)


def shadow(canvas: np.ndarray, polygon: Polygon, reach: np.ndarray) -> None:
    """The shadow of a building of which a corner at the eaves falls ``reach`` (2,) away."""
    steps = max(int(np.ceil(np.abs(reach).max() / 2)), 1)
    where = np.zeros(canvas.shape[1:], dtype=bool)
    for step in range(1, steps + 1):
        where |= inside(polygon.shifted(reach * step / steps), *canvas.shape[1:])
    canvas *= 1 - 0.55 * where


def roof(
    canvas: np.ndarray, random: np.random.Generator, polygon: Polygon, sun: np.ndarray
) -> None:
    """A roof with a ridge along its first wall, a bright and a dark side, rows of tiles, dirt."""
    places = _places(canvas) - polygon.centre
    wall = polygon.outline[1] - polygon.outline[0]
    wall = wall / np.linalg.norm(wall)
    across = places @ np.array([-wall[1], wall[0]])  # (H, W)
    slope = np.array([-wall[1], wall[0]]) @ sun * (random.random() < 0.75)  # the rest are flat
    light = 1 + 0.28 * slope * np.tanh(across / 1.5)
    tiles = random.uniform(0, 0.07) * np.sin(across * random.uniform(0.9, 1.8))
    dirt = 0.05 * smooth(random, canvas.shape[1], 12) + 0.03 * random.normal(0, 1, canvas.shape[1:])
    colour = _colour(_ROOFS[random.integers(len(_ROOFS))]) * random.uniform(0.8, 1.15)
    _blend(canvas, colour * (light + tiles + dirt), _covered(canvas, polygon))


def tree(canvas: np.ndarray, random: np.random.Generator, sun: np.ndarray) -> None:
    """A crown of 4 to 13 px with a bright side and a short shadow; it may hang over a roof."""
    size = canvas.shape[1]
    middle, radius = random.uniform(0, size, 2), random.uniform(4, 13)
    low = np.maximum((middle - 2.5 * radius).astype(int), 0)
    high = np.minimum((middle + 2.5 * radius).astype(int) + 1, size)
    part = canvas[:, low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return
    to = _places(part) + low - middle  # (h, w, 2)
    ragged = 0.8 * radius * (1 + 0.2 * random.normal(0, 1, part.shape[1:]))
    dark = np.linalg.norm(to + sun * radius * 0.6, axis=-1)
    part *= 1 - 0.5 * np.clip(radius - dark, 0, 1)
    light = 1 + 0.35 * (to @ sun) / radius
    _blend(part, _colour(_TREE) * light, np.clip(ragged - np.linalg.norm(to, axis=-1), 0, 1))


def exposed(canvas: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What a camera makes of it: softened by a pixel, a tint, a contrast, noise; (3, H, W)."""
    soft = canvas
    for axis in (1, 2):
        soft = (np.roll(soft, 1, axis) + 2 * soft + np.roll(soft, -1, axis)) / 4
    tint = random.normal(1, 0.04, (3, 1, 1)) * random.uniform(0.8, 1.15)
    noisy = soft * tint + random.normal(0, 0.015, soft.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)


def _colour(colour: tuple[float, float, float]) -> np.ndarray:
    return np.array(colour)[:, None, None]


def _places(canvas: np.ndarray) -> np.ndarray:
    """The centre of every pixel: (H, W, 2)."""
    y, x = np.mgrid[: canvas.shape[1], : canvas.shape[2]] + 0.5
    return np.stack([x, y], -1)


def _covered(canvas: np.ndarray, polygon: Polygon) -> np.ndarray:
    return inside(polygon, *canvas.shape[1:]).astype(float)


def _blend(canvas: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    canvas += share * (colour - canvas)
