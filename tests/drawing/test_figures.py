"""Figures hold the numbers they were given, leave as SVG, PNG and HTML, and keep text text."""

import io
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kinsight.drawing import marks
from kinsight.drawing.notebook import Shown, table_html
from kinsight.drawing.style import CATEGORIES, INK, colour_and_marker, new_figure
from kinsight.drawing.svg import png_file, svg_element, svg_file

HOSTILE = (
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "$\\frac{",
    "]]>&amp;",
    ' id="a" style="fill: #30343b"',
    "日本",
)
SVG = "{http://www.w3.org/2000/svg}"


def hostile_figure():
    figure, (axes, other) = new_figure(2)
    marks.cells(axes, np.eye(len(HOSTILE)), HOSTILE)
    marks.histogram(other, np.arange(9.0), HOSTILE[0], np.arange(9) > 4, HOSTILE[2])
    return figure


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=80))
def test_a_histogram_counts_every_finite_value_once(values: list[float]) -> None:
    array = np.array(values)
    marked = np.arange(len(array)) % 3 == 0
    _, (axes,) = new_figure()
    marks.histogram(axes, array, "v", marked, "third")
    finite = np.isfinite(array)
    bars = [sum(bar.get_height() for bar in group) for group in axes.containers]
    if not finite.any():
        assert bars == []
        return
    assert bars == [(finite & ~marked).sum(), (finite & marked).sum()]
    assert axes.lines[0].get_xdata()[0] == np.median(array[finite])


def test_the_map_of_fit_places_every_sample_in_its_regime() -> None:
    random = np.random.default_rng(0)
    count, spread = random.gamma(2.0, 3.0, 200), random.random(200)
    regime = (spread > 0.5) * 2 + (count < 3)
    regime[:5], spread[:5] = -1, np.nan
    _, (axes,) = new_figure()
    marks.fit_map(axes, count, spread, regime, 3.0, 0.5, ("a", "b", "c", "d"))
    for i, drawn in enumerate(axes.collections):
        chosen = regime == i
        assert np.array_equal(drawn.get_offsets(), np.c_[count, spread][chosen])
    said = {text.get_text() for text in axes.texts}
    assert said == {f"{name} ({(regime == i).sum()})" for i, name in enumerate("abcd")}


def test_cells_are_as_full_as_their_share_and_say_it() -> None:
    shares = np.array([[0.75, 0.25, 0.0], [np.nan, 1.0, 0.004], [0.5, 0.2, 0.3]])
    _, (axes,) = new_figure()
    marks.cells(axes, shares, ("a", "b", "c"))
    drawn = {
        (round(p.get_y() + 0.47), round(p.get_x() + 0.47)): p.get_alpha() for p in axes.patches
    }
    there = {(int(r), int(c)) for r, c in np.argwhere(shares >= 0.005)}
    assert drawn.keys() == there
    assert all(np.isclose(alpha, 0.55 * shares[place]) for place, alpha in drawn.items())
    assert [t.get_text() for t in axes.texts] == ["75", "25", "100", "50", "20", "30"]


def test_text_from_the_data_stays_text() -> None:
    figure = hostile_figure()
    for svg in (svg_file(figure), svg_element(figure, HOSTILE[1]), svg_element(figure, "a", "b")):
        assert set(HOSTILE) <= set(texts(svg))
        tags = {element.tag for element in ElementTree.fromstring(svg).iter()}
        assert f"{SVG}script" not in tags
        names = {n for element in ElementTree.fromstring(svg).iter() for n in element.attrib}
        assert not [name for name in names if name.startswith("on")]


def test_a_figure_gives_the_same_bytes_each_time_and_a_picture() -> None:
    assert svg_file(hostile_figure()) == svg_file(hostile_figure())
    first, second = png_file(hostile_figure()), png_file(hostile_figure())
    assert first == second
    picture = Image.open(io.BytesIO(first))
    assert picture.size == (1800, 600)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_an_element_takes_the_colours_of_its_page_and_ids_of_its_own() -> None:
    one, two = (svg_element(hostile_figure(), "a", name) for name in ("one", "two"))
    root = ElementTree.fromstring(one)
    styles = " ".join(e.attrib.get("style", "") for e in root.iter())
    assert INK not in styles
    assert "var(--accent)" in styles
    assert "'DejaVu Sans'" not in styles
    ids = [
        {e.attrib["id"] for e in ElementTree.fromstring(svg).iter() if "id" in e.attrib}
        for svg in (one, two)
    ]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = {
        v.strip("url(#)")
        for e in root.iter()
        for n, v in e.attrib.items()
        if v.startswith(("url(#", "#"))
    }
    assert used == ids[0]
    assert not list(root.iter(f"{SVG}style"))  # a style sheet would hold for the whole page
    fixed = svg_element(hostile_figure(), "a", "one", themed=False)
    assert "var(--" not in fixed


def test_the_settings_of_matplotlib_are_left_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    png_file(hostile_figure())
    assert dict(matplotlib.rcParams) == before


def test_colours_and_markers_differ_for_28_categories() -> None:
    looks = [colour_and_marker(i) for i in range(28)]
    assert len(set(looks)) == 28
    assert {colour for colour, _ in looks} == set(CATEGORIES)


@pytest.mark.parametrize(
    ("value", "said"), [(-32.84, "−32.8"), (1234.5, "1,234"), (0.0, "0"), (99.96, "100")]
)
def test_numbers_are_said_as_people_read_them(value: float, said: str) -> None:
    assert marks.counted(value) == said


def test_a_notebook_gets_table_and_figure_and_no_markup_of_the_data() -> None:
    class One(Shown):
        def figure(self):
            return hostile_figure()

        def _numbers(self) -> list[tuple[str, str]]:
            return [(text, text * 40) for text in HOSTILE]

    html = One()._repr_html_()
    root = ElementTree.fromstring(html)  # well-formed: nothing broke out of its place
    cells = [cell.text or "" for cell in root.iter("td")]
    assert cells[::2] == list(HOSTILE)
    assert all(len(cell) <= 160 for cell in cells)
    assert set(HOSTILE) <= set(texts(html))
    assert "<script>" not in html
    assert table_html("<b>", []).startswith("<strong>&lt;b&gt;</strong>")
