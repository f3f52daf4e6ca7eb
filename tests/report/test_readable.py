"""The whole page, with every figure: for eyes and ears, on paper, on a phone, in the dark."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from kinsight.report import write_report
from report.browser import NEEDS_CHROMIUM, launched, opened
from report.tables import NAMES, everything

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(everything(tmp_path_factory.mktemp("runs") / "all"))


def test_every_figure_is_there_with_its_sentence(browser, report: Path) -> None:
    page, heard = opened(browser, report)
    assert heard == []
    figures = page.locator("main figure")
    names = figures.evaluate_all("found => found.map(f => f.id)")
    assert set(names) == {f"figure-{path.stem}" for path in (report.parent / "figures").glob("*")}
    for i in range(figures.count()):
        said = figures.nth(i).locator("figcaption").inner_text()
        assert len(said) > 60
        assert figures.nth(i).locator("svg[role=img]").get_attribute("aria-label")
    assert page.locator("img").count() > 100
    page.close()


def test_labels_are_text_in_figures_and_tables(browser, report: Path) -> None:
    page, _ = opened(browser, report)
    drawn = page.locator("#figure-classes svg text").all_text_contents()
    assert set(NAMES) <= set(drawn)
    cells = page.locator("table.suspects td bdi").all_inner_texts()
    assert set(NAMES) & set(cells)
    assert page.locator("main i").count() == 0
    page.close()


def test_ears_find_their_way(browser, report: Path) -> None:
    page, _ = opened(browser, report)
    for landmark in ("main", "header", "nav[aria-label]", "footer"):
        assert page.locator(landmark).count() == 1
    levels = page.evaluate(
        "Array.from(document.querySelectorAll('h1,h2,h3,h4'), h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(ids) == len(set(ids))
    links = page.evaluate("Array.from(document.querySelectorAll('nav a'), a => a.hash.slice(1))")
    assert links
    assert set(links) <= set(ids)
    unnamed = "e => !(e.getAttribute('alt') || e.getAttribute('aria-label'))"
    assert (
        page.evaluate(f"Array.from(document.querySelectorAll('img, svg')).filter({unnamed}).length")
        == 0
    )
    assert page.locator(".scroll:not([tabindex='0'][role=region][aria-label])").count() == 0
    assert page.locator("thead th:not([scope=col])").count() == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, report: Path, scheme: str) -> None:
    code = files("axe_playwright_python") / "axe.min.js"
    page = browser.new_page(color_scheme=scheme, bypass_csp=True)
    page.goto(report.as_uri())
    page.add_script_tag(content=code.read_text(encoding="utf-8"))
    wrong = page.evaluate(
        "axe.run().then(r => r.violations.map(v => v.id + v.nodes.map(n => n.html)))"
    )
    assert wrong == []
    page.close()


def test_paper_is_white_and_cuts_nothing(browser, report: Path, tmp_path: Path) -> None:
    page, _ = opened(browser, report, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    for selector in (".row", "figure", "table.suspects tr"):
        style = f"Array.from(document.querySelectorAll('{selector}'), e => getComputedStyle(e)"
        assert set(page.evaluate(f"{style}.breakInside)")) == {"avoid"}
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == (
        "table-header-group"
    )
    page.pdf(path=tmp_path / "one.pdf", format="A4", print_background=True)
    # A4 without margins at 96 dots an inch: what is wider or higher than a sheet would be cut
    page.set_viewport_size({"width": 703, "height": 1017})
    tallest = page.evaluate(
        "Math.max(...Array.from(document.querySelectorAll('.row, figure, tr'), "
        "e => e.getBoundingClientRect().height))"
    )
    assert tallest < 1017
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_scrolls_tables_and_figures_not_the_page(
    browser, report: Path, width: int
) -> None:
    page, _ = opened(browser, report, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
