"""Families of changes of pictures: rotation, shift, scale, noise, colour. Pure torch."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.errors import DataError

Transform = Callable[[Any, float], Any]  # (batch, strength) -> batch


def rotation(pictures: Tensor, degrees: float) -> Tensor:
    """Turned counter-clockwise about the middle, the border continued: (B, C, H, W).

    Quarter turns that keep the size move pixels and change none; others are bilinear.
    """
    turns = degrees / 90
    pictures = _pictures(pictures)
    square = pictures.shape[2] == pictures.shape[3]
    if turns == round(turns) and (square or round(turns) % 2 == 0):
        return torch.rot90(pictures, round(turns) % 4, (2, 3))
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _resampled(pictures, [[cosine, -sine], [sine, cosine]])


def shift(pictures: Tensor, share: float) -> Tensor:
    """Moved to the right by a share of the width, the border continued: (B, C, H, W)."""
    return _resampled(pictures, [[1.0, 0.0], [0.0, 1.0]], across=-2 * share)


def scale(pictures: Tensor, factor: float) -> Tensor:
    """Enlarged about the middle (below 1: made smaller, the border continued): (B, C, H, W)."""
    if not factor > 0:
        raise DataError(f"scale: expected factors above 0, got {factor!r}")
    return _resampled(pictures, [[1 / factor, 0.0], [0.0, 1 / factor]])


def noise(inputs: Tensor, deviation: float) -> Tensor:
    """Plus one Gaussian pattern of this standard deviation, the same for all samples: (B, …)."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.randn(inputs.shape[1:], generator=generator, dtype=torch.float64)
    return inputs + deviation * pattern.to(inputs)


def colour(pictures: Tensor, degrees: float) -> Tensor:
    """Hue turned: colours rotated about the grey axis (1, 1, 1): (B, 3, H, W)."""
    if _pictures(pictures).shape[1] != 3:
        raise DataError(
            f"colour: expected pictures of shape (N, 3, H, W), got {tuple(pictures.shape)}"
        )
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rest, side = (1 - cosine) / 3, sine / math.sqrt(3)
    matrix = torch.tensor(
        [
            [cosine + rest, rest - side, rest + side],
            [rest + side, cosine + rest, rest - side],
            [rest - side, rest + side, cosine + rest],
        ]
    )
    return torch.einsum("ij,bjhw->bihw", matrix.to(pictures), pictures)


FAMILIES: dict[str, tuple[Transform, tuple[float, ...], str]] = {
    "rotation": (rotation, tuple(range(-180, 181, 30)), "degrees"),
    "shift": (shift, (-0.25, -0.125, -0.0625, 0.0, 0.0625, 0.125, 0.25), "share of the width"),
    "scale": (scale, (0.5, 0.707, 0.841, 1.0, 1.19, 1.41, 2.0), "factor"),
    "noise": (noise, (0.0, 0.05, 0.1, 0.2, 0.4, 0.8), "standard deviation, in units of the input"),
    "colour": (colour, tuple(range(-180, 181, 30)), "degrees of hue"),
}


def on_inputs(change: Transform) -> Transform:
    """The same of a whole batch: of a tuple the first entry is changed, labels stay.

    Raises:
        DataError: a dict, or inputs that are no real numbers.
    """

    def changed(batch: Any, strength: float) -> Any:
        if isinstance(batch, (tuple, list)):
            make = getattr(type(batch), "_make", type(batch))  # a named tuple stays one
            return make((changed(batch[0], strength), *batch[1:]))
        if not isinstance(batch, Tensor) or not batch.is_floating_point():
            kind = batch.dtype if isinstance(batch, Tensor) else type(batch).__name__
            raise DataError(
                f"transform: expected a tensor of real numbers as input, got {kind}; pass your "
                "own, transform=lambda batch, strength: batch"
            )
        return change(batch, strength)

    return changed


def _pictures(value: Tensor) -> Tensor:
    if value.dim() != 4:
        raise DataError(
            f"expected pictures of shape (N, C, H, W), got shape {tuple(value.shape)}; pass "
            "your own transform=lambda batch, strength: batch"
        )
    return value


def _resampled(pictures: Tensor, turn: list[list[float]], across: float = 0.0) -> Tensor:
    """Pictures read at turned places, bilinear; ``turn`` in pixels, ``across`` in half widths."""
    height, width = _pictures(pictures).shape[2:]
    matrix = torch.tensor(
        [
            [turn[0][0], turn[0][1] * height / width, across],
            [turn[1][0] * width / height, turn[1][1], 0.0],
        ]
    )
    grid = functional.affine_grid(
        matrix.to(pictures).expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False
    )
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
