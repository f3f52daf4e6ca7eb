"""Results as notebooks show them: a small table of numbers, and the figure below it."""

from abc import ABC, abstractmethod
from html import escape
from typing import TYPE_CHECKING

from kinsight.drawing.svg import svg_element

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 160
_STYLE = (
    "background:#ffffff;color:#30343b;font-family:sans-serif;font-size:13px;padding:8px;"
    "max-width:960px;overflow-x:auto"
)


class Shown(ABC):
    """What has a figure and a few numbers: IPython and its likes display both."""

    @abstractmethod
    def figure(self) -> "Figure":
        """The result as a person looks at it, a matplotlib Figure: ``.savefig("name.svg")``."""

    def _numbers(self) -> list[tuple[str, str]]:
        """What the table says: names and values, both plain text."""
        return []

    def _repr_html_(self) -> str:
        name = type(self).__name__
        drawn = svg_element(self.figure(), f"Figure of {name}", name, themed=False)
        return f'<div style="{_STYLE}">{table_html(name, self._numbers())}{drawn}</div>'


def table_html(title: str, rows: list[tuple[str, str]]) -> str:
    """A table of two columns; whatever the texts hold, it is shown as text."""
    cell = '<td style="text-align:left;padding:2px 14px 2px 0">'
    body = "".join(
        f"<tr>{cell}{_text(name)}</td>{cell}{_text(value)}</td></tr>" for name, value in rows
    )
    return f"<strong>{_text(title)}</strong><table>{body}</table>"


def _text(value: str) -> str:
    return escape(value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")
