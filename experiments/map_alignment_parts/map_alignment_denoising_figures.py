"""Figures of the chapter on the tangent kernel, from its numbers alone."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kinsight.drawing.marks import logarithmic
from kinsight.drawing.style import CATEGORIES, INK, MARKERS, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gains(points: list[dict], patches: dict) -> "Figure":
    """Predicted against measured, of all arms and scales; window by window for one of them.

    Args:
        points: numbers of each arm and scale; None where nothing was told.
        patches: "predicted" and "averaged" (N,), pixels of the window.
    """
    figure, axes = new_figure(2, 5.2, 4.3, rows=2)
    with house_style():
        looks = _looks(points)
        for axis, measured in zip(axes, ("measured", "measured_free"), strict=False):
            _scattered(axis, points, looks, measured, "gain")
            _scattered(axis, points, looks, measured, "ridge", hollow=True)
            every = [p[key] for p in points for key in (measured, "gain", "ridge")]
            _diagonal(axis, every)
            axis.set_ylabel("predicted: filter (full), ridge (hollow)")
        axes[0].set_xlabel("measured noise gain")
        axes[1].set_xlabel("measured gain of free noise")
        _scattered(axes[2], points, looks, "left", "left_predicted")
        _diagonal(axes[2], [p[key] for p in points for key in ("left", "left_predicted")])
        axes[2].set_xlabel("noise left in an answer, px of the window")
        axes[2].set_ylabel("predicted without any truth")
        axes[3].scatter(patches["predicted"], patches["averaged"], 12, CATEGORIES[0],
                        linewidths=0, alpha=0.7)  # fmt: skip
        _diagonal(axes[3], [*patches["predicted"], *patches["averaged"]], 0.02)
        axes[3].set_xlabel("predicted deviation of averaged noise, px of the window")
        axes[3].set_ylabel("deviation from two draws")
        _named(axes[0], points, looks)
    return figure


def _looks(points: list[dict]) -> list[dict[str, Any]]:
    """Colour by arm, marker by scale."""
    arms = list(dict.fromkeys(point["arm"] for point in points))
    scales = sorted({point["scale"] for point in points}, reverse=True)
    return [
        {
            "color": CATEGORIES[arms.index(p["arm"]) % len(CATEGORIES)],
            "marker": MARKERS[scales.index(p["scale"]) % len(MARKERS)],
        }
        for p in points
    ]


def _scattered(
    axes: Any, points: list[dict], looks: list[dict], measured: str, predicted: str,
    hollow: bool = False,
) -> None:  # fmt: skip
    for point, look in zip(points, looks, strict=True):
        if not (point[measured] and point[predicted]):
            continue
        fill = {"facecolors": "none", "edgecolors": look["color"]}
        shown = fill if hollow else {"color": look["color"], "linewidths": 0}
        axes.scatter(point[measured], point[predicted], 46, marker=look["marker"], **shown)


def _named(axes: Any, points: list[dict], looks: list[dict]) -> None:
    """A legend of colours and markers."""
    named = {p["arm"]: {"color": look["color"], "marker": "o"} for p, look in zip(
        points, looks, strict=True)}  # fmt: skip
    for point, look in zip(points, looks, strict=True):
        named[f"1/{point['scale']}"] = {"color": INK, "marker": look["marker"]}
    for name, look in named.items():
        axes.scatter([], [], 46, label=name, linewidths=0, **look)
    axes.legend(fontsize=8)


def _diagonal(axes: Any, values: list[float | None], outside: float = 0.0) -> None:
    """Both axes logarithmic and alike, with the line where both agree.

    ``outside``: the share of the smallest values that may lie beyond the axes.
    """
    fit = [v for v in values if v is not None and v > 0]
    for axis in (axes.xaxis, axes.yaxis):
        logarithmic(axis)
    if not fit:
        return
    low, high = float(np.quantile(fit, outside)) / 1.3, max(fit) * 1.3
    axes.plot([low, high], [low, high], color=INK, linewidth=1)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    ticks = [v for v in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0) if low <= v <= high]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)


def densities(rounds: list[dict], count: int) -> "Figure":
    """Histogram of Σ k / N after each round, the plain similarity filled, the turned as a line."""
    figure, (axes,) = new_figure(1, 7.0, 3.8)
    with house_style():
        for number, one in enumerate(rounds):
            colour = CATEGORIES[number % len(CATEGORIES)]
            edges = np.linspace(0, 1, len(one["plain"]["histogram"]) + 1)
            axes.stairs(one["plain"]["histogram"], edges, fill=True, color=colour, alpha=0.3)
            axes.stairs(one["plain"]["histogram"], edges, color=colour, linewidth=1.4,
                        label=f"round {number + 1}")  # fmt: skip
            axes.stairs(one["turned"]["histogram"], edges, color=colour, linewidth=1,
                        linestyle=":")  # fmt: skip
        axes.plot([], [], color=QUIET, linestyle=":", label="turned", linewidth=1.4)
        axes.set_xlabel(f"soft count of windows alike, as a share of all {count}")
        axes.set_ylabel("windows")
        axes.set_xlim(0, 1)
        axes.legend()
    return figure
