"""The look of every figure: its colours, told apart by the colour-blind, and empty axes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Each is used for one purpose only, so that a page can put its own colours in their place.
INK, QUIET, PAPER = "#30343b", "#dcdedb", "#ffffff"
ACCENT, WARM = "#2f6fde", "#c8501e"
# Okabe and Ito 2008, without the yellow that white paper swallows.
CATEGORIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#777777")
MARKERS = ("o", "^", "s", "D")  # with the next one the colours begin again
DASHES = (0, (4, 3))
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, searchable
    "svg.hashsalt": "kinsight",  # the same ids on every run
    "text.parse_math": False,  # a label from the data is text, whatever dollars it holds
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": QUIET,
    "legend.frameon": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib in the style of the house while the body runs; as it was before afterwards."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(
    panels: int = 1, width: float = 6.0, height: float = 4.0, rows: int = 1, **more: Any
) -> tuple["Figure", list]:
    """An empty figure and its axes, row by row. No global state of matplotlib is used.

    Args:
        panels: beside each other, ``width`` × ``height`` inches each.
        rows: of panels.
        more: for ``Figure.subplots``, such as ``width_ratios``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(width * panels, height * rows), layout="constrained", dpi=120)
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, panels, squeeze=False, **more)
    return figure, list(axes.reshape(-1))


def plain(axes: Any) -> None:
    """Axes without grid and lines, for pictures."""
    axes.grid(False)
    axes.set_axis_off()


def colour_and_marker(position: int) -> tuple[str, str]:
    """Of the category at this place: colours first, then the next marker."""
    turn, colour = divmod(position, len(CATEGORIES))
    return CATEGORIES[colour], MARKERS[turn % len(MARKERS)]
