"""An image at several scales, and windows of it."""

from collections.abc import Sequence

import numpy as np

from kinsight.errors import DataError


class Pyramid:
    """An image in pixels 1, 2, 4, … times as large, means of the small ones.

    Args:
        image: (3, H, W) float32 in [0, 1].
        scales: whole numbers.

    Raises:
        DataError: an image of another shape.

    >>> Pyramid(np.ones((3, 8, 8), np.float32), (1, 4)).level(4).shape
    (3, 2, 2)
    """

    def __init__(self, image: np.ndarray, scales: Sequence[int]):
        if image.ndim != 3 or image.shape[0] != 3:
            raise DataError(f"image: expected three colours (3, H, W), got shape {image.shape}")
        self.height, self.width = image.shape[1:]
        self._levels = {scale: _coarser(image, scale) for scale in scales}

    def level(self, scale: int) -> np.ndarray:
        """The whole image at one scale: (3, ⌈H/scale⌉, ⌈W/scale⌉); a border is repeated."""
        return self._levels[scale]

    def corner(
        self, centre: np.ndarray, scale: int, side: int, random: np.random.Generator
    ) -> np.ndarray:
        """The corner (x, y) of a window that holds ``centre`` somewhere in its middle half.

        A multiple of the scale, inside the image where the image is large enough.
        """
        wanted = centre / scale - side * random.uniform(0.25, 0.75, 2)
        height, width = self.level(scale).shape[1:]
        most = np.maximum((width - side, height - side), 0)
        return np.clip(wanted.round(), 0, most).astype(int) * scale

    def window(self, scale: int, corner: np.ndarray, side: int) -> np.ndarray:
        """The pixels of a window, its border repeated where the image ends: (3, side, side)."""
        left, top = np.asarray(corner) // scale
        part = self.level(scale)[:, top : top + side, left : left + side]
        missing = [(0, 0), *((0, side - length) for length in part.shape[1:])]
        return np.pad(part, missing, mode="edge")


def _coarser(image: np.ndarray, scale: int) -> np.ndarray:
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (0, -height % scale), (0, -width % scale)), mode="edge")
    count, tall, wide = padded.shape
    cells = padded.reshape(count, tall // scale, scale, wide // scale, scale)
    return cells.mean((2, 4), dtype=np.float32)
