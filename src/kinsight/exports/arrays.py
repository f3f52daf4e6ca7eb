"""Tangent features as an array on disk: one row a sample."""

from pathlib import Path

import numpy as np

from kinsight.exports.material import Material

FILE = "features.npy"


def write_features(folder: Path, material: Material) -> None:
    """``features.npy``, (N, S) float32, where there are some. Memory: one block of rows."""
    if material.store is None:
        return
    shape = (material.count, material.store.rows.dim)
    kept = np.lib.format.open_memmap(
        folder / FILE, mode="w+", dtype=np.float32, shape=shape
    )  # fmt: skip
    for rows, block in material.blocks():
        kept[rows.start : rows.stop] = block
    kept.flush()
