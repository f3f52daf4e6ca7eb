"""Samples that are no pictures: rows of a table by their unusual entries, waveforms as lines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kinsight.run.folder import RunFolder

ENTRIES = 6  # of a row of a table
_POINTS = 128  # of a line
WIDTH, HEIGHT = 128, 40  # of its box; one box a channel, on top of each other
_CHANNELS = 4


class Rows:
    """Rows of numbers with the names of their columns."""

    def __init__(self, run: RunFolder):
        column = run.table("inputs")["values"].to_pylist()
        width = max((len(row) for row in column if row is not None), default=0)
        self.values = np.full((len(column), width), np.nan)
        for position, row in enumerate(column):
            if row is not None:
                self.values[position, : len(row)] = [np.nan if v is None else v for v in row]
        names = run.record.get("features")
        told = names if isinstance(names, list) and len(names) == width else range(width)
        self.names = [str(name) for name in told]
        self._unusual = _deviations(self.values)

    def unusual(self, position: int) -> list[int]:
        """The columns in which this row is furthest from the middle of all, in their order."""
        far = self._unusual[position]
        return sorted(np.argsort(-far, kind="stable")[:ENTRIES].tolist())

    def entries(self, position: int, columns: list[int]) -> list[tuple[str, str]]:
        """Names and values of some columns."""
        return [(self.names[c], _said(self.values[position, c])) for c in columns]


def wave_path(channels: Sequence[Sequence[float] | None]) -> tuple[str, int]:
    """The path of an ``<svg>`` and its number of channels: each drawn to its own full height.

    Args:
        channels: (C, T); long ones are reduced to minimum and maximum of consecutive pieces.
    """
    drawn = []
    for i, values in enumerate(channels[:_CHANNELS]):
        line = _reduced(np.nan_to_num(np.array(values or [0.0], dtype=float)))
        low, high = float(line.min()), float(line.max())
        height = (line - low) / (high - low) if high > low else np.full(len(line), 0.5)
        y = i * HEIGHT + 2 + (1 - height) * (HEIGHT - 4)
        x = np.linspace(0, WIDTH, len(line)) if len(line) > 1 else np.array([0.0])
        drawn.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)))
    return "".join(drawn), max(1, len(drawn))


def _reduced(values: np.ndarray) -> np.ndarray:
    if len(values) <= _POINTS:
        return values
    pieces = np.array_split(values, _POINTS // 2)
    return np.array([end for piece in pieces for end in (piece.min(), piece.max())])


def _deviations(values: np.ndarray) -> np.ndarray:
    """|x − median| over the median of it, column by column: (N, d). Constant columns: 0."""
    if not values.size:
        return np.zeros(values.shape)
    finite = np.where(np.isfinite(values), values, np.nan)
    middle = np.array(
        [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0 for c in finite.T]
    )
    off = np.nan_to_num(np.abs(finite - middle))
    scale = np.median(off, axis=0)
    scale = np.where(scale > 0, scale, off.mean(0))
    return np.divide(off, scale, out=np.zeros_like(off), where=scale > 0)


def _said(value: Any) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}".replace("-", "−")
