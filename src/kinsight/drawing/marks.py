"""What figures are made of: histograms, lines across, the map of fit, cells of a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kinsight.drawing.style import ACCENT, CATEGORIES, DASHES, INK, WARM, house_style

_MOST_BINS, _FEWEST_BINS = 60, 8
_FULLEST = 0.55  # opacity of a full cell: figures on it stay legible on light and dark paper
_MOST_NUMBERED = 15  # rows up to which the cells carry their numbers


@house_style()
def histogram(
    axes: Any, values: np.ndarray, name: str, marked: np.ndarray | None = None, said: str = ""
) -> None:
    """Samples by value, the median as a broken line; ``marked`` of them in the warm colour.

    Args:
        values: (N,) NaN and infinite ones left out.
        marked: (N,) bool; ``said`` is what these are called.
    """
    finite = np.isfinite(values)
    axes.set_xlabel(name)
    axes.set_ylabel("samples")
    if not finite.any():
        return
    parts = [values[finite]]
    if marked is not None:
        parts = [values[finite & ~marked], values[finite & marked]]
    edges = np.linspace(*_range(values[finite]), _bins(int(finite.sum())) + 1)
    colours, labels = [ACCENT, WARM][: len(parts)], ["the others", said][: len(parts)]
    axes.hist(parts, edges, stacked=True, color=colours, label=labels, rwidth=0.88)
    if marked is not None:
        axes.legend()
    median(axes, values[finite])


@house_style()
def median(axes: Any, values: np.ndarray) -> None:
    """A broken line at the median, with its value."""
    middle = float(np.median(values))
    axes.axvline(middle, color=INK, linewidth=1, linestyle=DASHES)
    axes.annotate(
        f"median {counted(middle)}",
        (middle, 1.02),
        xycoords=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
    )


@house_style()
def line_at(axes: Any, value: float, said: str) -> None:
    """A line in the warm colour at a value to compare with, named in the legend."""
    axes.axvline(value, color=WARM, linewidth=1.5, label=said)
    axes.legend()


@house_style()
def fit_map(
    axes: Any, count: np.ndarray, spread: np.ndarray, regime: np.ndarray, few: float, mixed: float,
    names: Sequence[str],
) -> None:  # fmt: skip
    """Every sample by its number of neighbours and how far their labels differ.

    Args:
        count, spread: (N,) each; what a logarithm or NaN cannot place is counted, not drawn.
        regime: (N,) index into ``names``, negative where nothing can be said.
        few, mixed: where the regimes border on each other.
        names: of the regimes: many and alike, few and alike, many and mixed, few and mixed.
    """
    logarithmic(axes.xaxis)
    top = 1.04 * max(1.0, mixed, float(spread[regime >= 0].max(initial=0.0)))
    axes.set_ylim(-0.04, top)
    for i, name in enumerate(names):
        crowded, disagree = i % 2 == 0, i >= 2
        chosen = regime == i
        drawn = chosen & (count > 0)
        axes.scatter(count[drawn], spread[drawn], 7, CATEGORIES[i], linewidths=0, rasterized=True)
        axes.annotate(
            f"{name} ({int(chosen.sum()):,})",
            (few, top if disagree else mixed),
            textcoords="offset points",
            xytext=(8 if crowded else -8, -5),
            ha="left" if crowded else "right",
            va="top",
            weight="bold",
        )
    axes.axvline(few, color=INK, linewidth=0.8, linestyle=DASHES)
    axes.axhline(mixed, color=INK, linewidth=0.8, linestyle=DASHES)
    axes.set_xlabel("neighbours in the network’s eyes, in samples")
    axes.set_ylabel("disagreement of their labels")


@house_style()
def cells(axes: Any, shares: np.ndarray, names: Sequence[str]) -> None:
    """A square table of shares in [0, 1], the fuller the darker; in per cent where there is room.

    Args:
        shares: (C, C), rows from above; NaN and shares below half a per cent stay empty.
    """
    from matplotlib.patches import Rectangle

    count = len(names)
    for (row, column), share in np.ndenumerate(shares):
        if not share >= 0.005:
            continue
        corner = (column - 0.47, row - 0.47)
        axes.add_patch(
            Rectangle(corner, 0.94, 0.94, color=ACCENT, alpha=_FULLEST * min(share, 1), lw=0)
        )
        if count <= _MOST_NUMBERED:
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center")
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    long = max(map(len, names), default=0) > 3
    axes.set_xticks(range(count), names, rotation=90 if long else 0)
    axes.set_yticks(range(count), names)


def logarithmic(axis: Any) -> None:
    """A logarithmic scale with plain numbers at its ticks: 1, 10, 100; for ``axes.xaxis``."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def counted(value: float) -> str:
    """A soft count as a person reads it: whole above a hundred."""
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")


def _bins(count: int) -> int:
    return min(_MOST_BINS, max(_FEWEST_BINS, int(1.5 * count**0.5)))


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low - 0.5, high + 0.5) if high - low < 1e-9 * max(abs(high), 1.0) else (low, high)
