"""Figures of a monitor: all curves over the steps, and the kernel matrix sorted by class."""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kinsight.analysis.fit import REGIMES
from kinsight.drawing.marks import logarithmic
from kinsight.drawing.style import ACCENT, CATEGORIES, INK, WARM, house_style, new_figure

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

_STILL = 1e-6  # changes up to here are rounding, and have no place on a logarithmic axis
_MARKER = {"marker": ".", "markersize": 5, "linewidth": 1.5}


def overview(table: "pa.Table") -> "Figure":
    """Six panels over the steps, from the table of looks."""
    figure, panels = new_figure(3, 4.4, 3.2, rows=2)
    for axes, draw in zip(panels, (_drift, _similarity, _crowd, _rank, _fit, _labels), strict=True):
        draw(axes, table)
    with house_style():
        for axes in panels:
            axes.set_xlabel("step")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=8)
    return figure


def kernel_matrix(similarity: Tensor, classes: Tensor | None) -> "Figure":
    """All similarities of the probe, (N, N) in [−1, 1]; rows sorted by class, lines between."""
    from matplotlib.colors import LinearSegmentedColormap

    values = similarity.numpy()
    figure, (axes,) = new_figure(1, 5.4, 4.6)
    colours = LinearSegmentedColormap.from_list("similarity", [WARM, "#ffffff", ACCENT])
    with house_style():
        if classes is not None:
            order = np.argsort(classes.numpy(), kind="stable")
            values, sorted_ = values[np.ix_(order, order)], classes.numpy()[order]
            for border in np.flatnonzero(np.diff(sorted_)) + 0.5:
                axes.axhline(border, color=INK, linewidth=0.5)
                axes.axvline(border, color=INK, linewidth=0.5)
        shown = axes.imshow(values, cmap=colours, vmin=-1, vmax=1, interpolation="none")
        axes.grid(False)
        axes.set_xlabel("sample" if classes is None else "sample, sorted by class")
        figure.colorbar(shown, ax=axes, label="similarity")
    return figure


def _drift(axes: Any, table: "pa.Table") -> None:
    said = {
        "change_since_start": "change since the start",
        "change_since_last": "since the look before",
        "cka_since_start": "centred alignment with the start",
    }
    for (column, words), colour in zip(said.items(), CATEGORIES, strict=False):
        _line(axes, table, column, words, colour, least=_STILL)
    if axes.lines:
        logarithmic(axes.yaxis)
    _titled(axes, "kernel drift")


def _similarity(axes: Any, table: "pa.Table") -> None:
    _line(axes, table, "similarity_within", "within classes", CATEGORIES[0])
    _line(axes, table, "similarity_between", "between classes", CATEGORIES[5])
    _line(axes, table, "label_alignment", "alignment with the labels", CATEGORIES[2])
    _titled(axes, "similarity")


def _crowd(axes: Any, table: "pa.Table") -> None:
    steps = _numbers(table, "step")
    for what, colour in (("density", CATEGORIES[0]), ("close", CATEGORIES[1])):
        _line(axes, table, f"{what}_median", f"{what}, median and 10 to 90 %", colour)
        low, high = (_numbers(table, f"{what}_{part}") for part in ("q10", "q90"))
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    _titled(axes, "neighbours, in samples")


def _rank(axes: Any, table: "pa.Table") -> None:
    _line(axes, table, "effective_rank", "effective rank", CATEGORIES[0])
    trace = _numbers(table, "trace")
    first = [row[0] if row else np.nan for row in table["eigenvalues"].to_pylist()]
    first = np.array([np.nan if v is None else v for v in first], dtype=float)
    share = np.divide(100 * first, trace, out=np.full_like(trace, np.nan), where=trace > 0)
    steps = _numbers(table, "step")
    axes.plot(steps, share, color=CATEGORIES[1], label="largest eigenvalue, % of trace", **_MARKER)
    _titled(axes, "spectrum")


def _fit(axes: Any, table: "pa.Table") -> None:
    for name, colour in zip(REGIMES, CATEGORIES, strict=False):
        column = "fit_" + name.replace(" ", "_").replace("-", "_")
        _line(axes, table, column, name, colour)
    _titled(axes, "fit, share of samples")


def _labels(axes: Any, table: "pa.Table") -> None:
    _line(axes, table, "suspects", "suspected", CATEGORIES[0])
    _line(axes, table, "persistent_suspects", "persistently", CATEGORIES[5])
    _line(axes, table, "memorised", "suspected and memorised", CATEGORIES[2])
    _titled(axes, "labels, in samples")


def _line(
    axes: Any, table: "pa.Table", column: str, said: str, colour: str, least: float | None = None
) -> None:
    """A curve; nothing where the column is empty or below ``least``."""
    values = _numbers(table, column)
    if least is not None:
        values = np.where(values > least, values, np.nan)
    if np.isfinite(values).any():
        axes.plot(_numbers(table, "step"), values, color=colour, label=said, **_MARKER)


def _titled(axes: Any, title: str) -> None:
    with house_style():
        axes.set_title(title, fontsize=10)


def _numbers(table: "pa.Table", column: str) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in table[column].to_pylist()], dtype=float)
