"""Figures of the report as SVG that takes the colours of the page around it."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Stand-ins that no figure uses otherwise; replaced by what the page's light or dark style says.
_INK, _ACCENT, _QUIET = "#010203", "#040506", "#070809"
# Told apart by colour-blind people, on light and on dark paper (Okabe and Ito 2008).
_REGIMES = (  # name, crowded, disagreeing, colour
    ("well supported", True, False, "#0072b2"),
    ("over-fitted", False, False, "#e69f00"),
    ("under-fitted", True, True, "#009e73"),
    ("ambiguous", False, True, "#d55e00"),
)
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, searchable
    "svg.hashsalt": "kinsight",  # the same ids on every run
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def density_histogram(density: np.ndarray) -> str:
    """Samples by soft count of neighbours, the median marked: an ``<svg>`` element."""
    label = "density: neighbours in the network’s eyes, in samples"
    return histogram(density, label, "Histogram of the density")


def histogram(given: np.ndarray, label: str, title: str) -> str:
    """Samples by value, the median marked: an ``<svg>`` element."""
    values = given[np.isfinite(given)]
    with _axes(2.7) as (figure, axes):
        bins = min(60, max(8, int(np.sqrt(len(values)) * 1.5)))
        low, high = float(values.min()), float(values.max())
        if high - low < 1e-9 * max(abs(high), 1.0):
            low, high = low - 0.5, high + 0.5
        axes.hist(values, bins=bins, range=(low, high), color=_ACCENT, rwidth=0.88)
        median = float(np.median(values))
        axes.axvline(median, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        said = f"{median:,.0f}" if median >= 100 else f"{median:.3g}".replace("-", "−")
        top = axes.get_ylim()[1] * 1.02
        axes.text(median, top, f"median {said}", color=_INK, ha="center", va="bottom")
        axes.set_xlabel(label, color=_INK)
        axes.set_ylabel("samples", color=_INK)
        return _inline(figure, title)


def fit_map(count: np.ndarray, spread: np.ndarray, few: float, mixed: float) -> str:
    """Every sample by its number of neighbours and how far their labels differ."""
    known = np.isfinite(spread) & (count > 0)
    count, spread = count[known], spread[known]
    with _axes(3.6) as (figure, axes):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        top = max(1.04, float(spread.max(initial=0.0)) * 1.04)
        axes.set_ylim(-0.04, top)
        for name, crowded, disagree, colour in _REGIMES:
            chosen = ((count >= few) == crowded) & ((spread > mixed) == disagree)
            axes.scatter(count[chosen], spread[chosen], 7, colour, linewidths=0, rasterized=True)
            axes.annotate(
                f"{name} ({int(chosen.sum()):,})",
                (few, top if disagree else mixed),
                textcoords="offset points",
                xytext=(8 if crowded else -8, -5),
                ha="left" if crowded else "right",
                va="top",
                color=_INK,
                weight="bold",
            )
        axes.axvline(few, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.axhline(mixed, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlabel("neighbours in the network’s eyes, in samples", color=_INK)
        axes.set_ylabel("disagreement of their labels", color=_INK)
        return _inline(figure, "Map of neighbours against disagreement")


@contextmanager
def _axes(height: float) -> Iterator[tuple[Figure, Any]]:
    """Empty axes in the style of the page."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10.5, height), layout="constrained", dpi=150)
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.grid(True, color=_QUIET, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(which="both", colors=_INK, length=0)
        axes.spines["bottom"].set_color(_INK)
        yield figure, axes


def _inline(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"([^>]*?) height="[^"]*"', r"\1\2", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    svg = re.sub(
        r"font: [^;\"]*?(\d+(?:\.\d+)?px)[^;\"]*", r"font-size: \1; font-family: inherit", svg
    )
    for stand_in, colour in (
        (_INK, "currentColor"),
        (_ACCENT, "var(--accent)"),
        (_QUIET, "var(--line)"),
    ):
        svg = svg.replace(stand_in, colour)
    return svg


def standalone(svg: str) -> str:
    """The same figure as a file of its own, in fixed colours."""
    fixed = svg.replace("currentColor", "#333333").replace("var(--accent)", "#2f6fde")
    return fixed.replace("var(--line)", "#dddddd").replace(
        "font-family: inherit", "font-family: sans-serif"
    )
