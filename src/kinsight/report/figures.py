"""Figures of the report as SVG that takes the colours of the page around it."""

import io
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand-ins that no figure uses otherwise; replaced by what the page's light or dark style says.
_INK, _ACCENT, _QUIET = "#010203", "#040506", "#070809"
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
    values = density[np.isfinite(density)]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10.5, 2.7), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        bins = min(60, max(8, int(np.sqrt(len(values)) * 1.5)))
        low, high = float(values.min()), float(values.max())
        if high - low < 1e-9 * max(abs(high), 1.0):
            low, high = low - 0.5, high + 0.5
        axes.hist(values, bins=bins, range=(low, high), color=_ACCENT, rwidth=0.88)
        median = float(np.median(values))
        axes.axvline(median, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        top = axes.get_ylim()[1]
        axes.text(
            median,
            top * 1.02,
            f"median {median:,.0f}" if median >= 100 else f"median {median:.3g}",
            color=_INK,
            ha="center",
            va="bottom",
        )
        axes.set_xlabel("density: neighbours in the network’s eyes, in samples", color=_INK)
        axes.set_ylabel("samples", color=_INK)
        axes.yaxis.grid(True, color=_QUIET, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, length=0)
        axes.spines["bottom"].set_color(_INK)
        return _inline(figure, "Histogram of the density")


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
