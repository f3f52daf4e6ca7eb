"""Grey pictures of 28×28 for the experiments on training: MNIST, Fashion-MNIST or digits.

With a folder the two data sets are read from their idx files in ``mnist/`` and
``fashion_mnist/``. Without one, scikit-learn's digits, enlarged from 8×8, take their place.
"""

import gzip
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

MEAN = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}  # and deviation
HELD_OUT = 500  # of the 1,797 digits


@dataclass(frozen=True)
class Pictures:
    """Training and test pictures, mean 0 and deviation 1, with their classes from 0 to 9."""

    name: str
    x: Tensor  # (N, 1, 28, 28)
    y: Tensor  # (N,)
    test_x: Tensor  # (M, 1, 28, 28)
    test_y: Tensor  # (M,)


def pictures(folder: Path | None, name: str) -> Pictures:
    """``name`` ("mnist", "fashion_mnist") from the folder, or digits where there is none."""
    if folder is None:
        return _digits()
    parts = [_idx(folder / name, part, *MEAN[name]) for part in ("train", "t10k")]
    return Pictures(name, *parts[0], *parts[1])


def turned(x: Tensor, angles: Tensor, shifts: Tensor | None = None) -> Tensor:
    """Pictures rotated by angles in radians (B,), and shifted by (B, 2) pixels; bilinear.

    What comes in from outside repeats the border.
    """
    cosine, sine = angles.cos(), angles.sin()
    shift = torch.zeros(len(x), 2) if shifts is None else shifts
    rows = torch.stack(
        [
            torch.stack([cosine, -sine, 2 * shift[:, 0] / x.shape[3]], 1),
            torch.stack([sine, cosine, 2 * shift[:, 1] / x.shape[2]], 1),
        ],
        1,
    )  # (B, 2, 3)
    grid = functional.affine_grid(rows, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def moved(x: Tensor, generator: torch.Generator, degrees: float = 15, pixels: float = 2) -> Tensor:
    """Every picture turned and shifted at random, uniformly within ± these bounds."""
    angles = (2 * torch.rand(len(x), generator=generator) - 1) * math.radians(degrees)
    shifts = (2 * torch.rand(len(x), 2, generator=generator) - 1) * pixels
    return turned(x, angles, shifts)


def _idx(folder: Path, part: str, mean: float, deviation: float) -> tuple[Tensor, Tensor]:
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    value = torch.from_numpy(pixels.copy()).float().reshape(-1, 1, 28, 28) / 255
    return (value - mean) / deviation, torch.from_numpy(labels.astype(np.int64))


def _digits() -> Pictures:
    pixels, classes = load_digits(return_X_y=True)
    value = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    # 20×20 with an empty border of 4, as in MNIST.
    value = functional.interpolate(value, size=20, mode="bilinear", align_corners=False)
    value = functional.pad(value, (4, 4, 4, 4))
    value = (value - value.mean()) / value.std()
    labels = torch.tensor(classes)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    value, labels = value[order], labels[order]
    cut = len(labels) - HELD_OUT
    return Pictures("digits", value[:cut], labels[:cut], value[cut:], labels[cut:])
