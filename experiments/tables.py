"""Real regression tables for the experiments: six UCI sets and California housing, standardised.

The data are not part of the project. ``folder`` holds ``tab_uci`` (NAME.txt and the indices of the
Hernandez-Lobato and Gal split 0) and ``tab_california_housing`` (housing.csv.gz).
"""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

UCI = ("concrete", "energy", "kin8nm", "power-plant", "wine-quality-red", "yacht")
NAMES = (*UCI, "california")
SHORES = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")


@dataclass(frozen=True)
class Table:
    """A regression table; columns and target have mean 0 and std 1 over the training rows."""

    name: str
    x: Tensor  # (N, d) float32
    y: Tensor  # (N,)
    test_x: Tensor  # (M, d)
    test_y: Tensor  # (M,)


def load(folder: Path, name: str, train: int | None = None, test: int | None = None) -> Table:
    """The table; at most ``train`` and ``test`` rows of its two parts, chosen by seed 0."""
    values, first, second = _california(folder) if name == "california" else _uci(folder, name)
    random = np.random.default_rng(0)
    first, second = (
        part if most is None else random.permutation(part)[:most]
        for part, most in ((first, train), (second, test))
    )
    return standardised(name, values[first], values[second])


def standardised(name: str, train: np.ndarray, test: np.ndarray) -> Table:
    """Rows whose last column is the target: columns of mean 0 and std 1 over ``train``."""
    mean, std = train.mean(0), train.std(0)
    std = np.where(std > 0, std, 1.0)  # a constant column says nothing
    train, test = (
        torch.from_numpy((part - mean) / std).to(torch.float32) for part in (train, test)
    )
    return Table(name, train[:, :-1], train[:, -1], test[:, :-1], test[:, -1])


def _uci(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rows, and the training and test indices of the standard split 0."""
    root = folder / "tab_uci"
    parts = (np.loadtxt(root / f"{name}.index_{part}_0.txt") for part in ("train", "test"))
    train, test = (part.astype(int) for part in parts)
    return np.loadtxt(root / f"{name}.txt"), train, test


def _california(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows without missing values, the shore as 0/1 columns; a split of nine to one by seed 0."""
    rows = []
    with gzip.open(folder / "tab_california_housing" / "housing.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            shore, price = row.pop("ocean_proximity"), row.pop("median_house_value")
            if all(row.values()):
                dummies = [float(shore == other) for other in SHORES]
                rows.append([*map(float, row.values()), *dummies, float(price)])
    order = np.random.default_rng(0).permutation(len(rows))
    cut = len(rows) * 9 // 10
    return np.array(rows), order[:cut], order[cut:]
