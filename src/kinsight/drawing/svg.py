"""How a figure leaves: an element of a page that takes the page's colours, an SVG, a PNG."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from kinsight.drawing.style import ACCENT, INK, PAPER, QUIET, WARM, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OF_THE_PAGE = {
    INK: "currentColor",
    ACCENT: "var(--accent)",
    WARM: "var(--warm)",
    QUIET: "var(--line)",
    PAPER: "var(--card)",
}
_DOTS = 150  # an inch
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FAMILY = re.compile(r"font-family: [^;]*")
_FONT = re.compile(r"font: (bold |\d{3} )?[^;]*?(\d+(?:\.\d+)?px)[^;]*")  # before matplotlib 3.10


def svg_file(figure: "Figure") -> str:
    """The figure as the text of an SVG file, on white, the same bytes for the same figure."""
    return _drawn(figure, transparent=False)


def png_file(figure: "Figure") -> bytes:
    """The figure as a PNG on white, of 150 dots an inch."""
    buffer = io.BytesIO()
    with _quietly():
        figure.savefig(buffer, format="png", dpi=_DOTS, metadata={"Software": None})
    return buffer.getvalue()


def svg_element(figure: "Figure", alternative: str, name: str = "", themed: bool = True) -> str:
    """The figure as an ``<svg>`` element of an HTML page.

    Args:
        alternative: what is read out in its place.
        name: of the figure, in front of its ids: those of several figures on a page differ.
        themed: take the colours of the page (``--accent``, ``--warm``, ``--line``, ``--card``)
            and its font; else the fixed ones, on white.
    """
    root = ElementTree.fromstring(_drawn(figure, transparent=themed))
    _without_what_is_of_files(root)
    for size in ("width", "height"):  # the page says how large it is
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": alternative}
    _own_ids(root, re.sub(r"\W", "", name))
    for element in root.iter() if themed else ():
        if "style" in element.attrib:
            element.attrib["style"] = _in_page_style(element.attrib["style"])
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    return ElementTree.tostring(root, encoding="unicode")


def _drawn(figure: "Figure", transparent: bool) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None}
    with _quietly():
        figure.savefig(buffer, format="svg", dpi=_DOTS, transparent=transparent, metadata=nothing)
    return buffer.getvalue()


def _without_what_is_of_files(root: ElementTree.Element) -> None:
    """Metadata, and the style sheet, which in a page would hold for all of it."""
    for found in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(found)
    for parent in list(root.iter()):
        for sheet in parent.findall(f"{{{_SVG}}}style"):
            parent.remove(sheet)
    root.attrib["style"] = "stroke-linejoin: round; stroke-linecap: butt"


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a warning for a letter that the font lacks: a box in a PNG; SVGs keep the letter."""
    with house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        yield


def _own_ids(root: ElementTree.Element, prefix: str) -> None:
    """Ids that something refers to, with the name of the figure in front; no others."""
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            target = re.fullmatch(r"(#|url\(#)([\w-]+)(\)?)", value)
            if target and name != "id":
                used.add(target[2])
                element.attrib[name] = f"{target[1]}{prefix}{target[2]}{target[3]}"
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.attrib["id"] = f"{prefix}{own}"


def _in_page_style(style: str) -> str:
    style = _FONT.sub(
        lambda font: (
            f"font-size: {font[2]}; font-weight: {(font[1] or 'normal').strip()}; "
            "font-family: inherit"
        ),
        _FAMILY.sub("font-family: inherit", style),
    )
    for fixed, colour in _OF_THE_PAGE.items():
        style = style.replace(fixed, colour)
    return style
