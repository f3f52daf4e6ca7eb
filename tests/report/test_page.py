"""The page as people see it, in a real Chromium: whole, readable, and deaf to hostile data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kinsight.report import write_report
from kinsight.run import analyze
from report.browser import NEEDS_CHROMIUM, launched, opened
from run.subjects import COUNT, subject

pytestmark = NEEDS_CHROMIUM

HOSTILE = (
    "<script>document.title='broken'</script>",
    "<img src=x onerror=\"document.title='broken'\">",
    "</title></style><svg onload=\"document.title='broken'\">",
    "javascript:document.title='broken'",
    "\" onmouseover=\"document.title='broken'",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "a" * 400,
)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """A report of texts whose every name, label and class attacks the page."""
    hostile = [HOSTILE[i % len(HOSTILE)] for i in range(COUNT)]
    given = subject(
        texts=hostile, names=hostile, classes=HOSTILE[:3], title=HOSTILE[0], planted={1: HOSTILE[1]}
    )
    return write_report(analyze(given, tmp_path_factory.mktemp("runs") / "texts"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    import torch

    drawn = torch.rand(COUNT, 8, 8, generator=torch.Generator().manual_seed(0))
    given = subject(pictures=drawn, names=[HOSTILE[i % len(HOSTILE)] for i in range(COUNT)])
    return write_report(analyze(given, tmp_path_factory.mktemp("runs") / "pictures"))


@pytest.mark.parametrize("which", ["texts", "pictures"])
def test_nothing_runs_and_nothing_is_fetched(browser, which: str, request) -> None:
    page, heard = opened(browser, request.getfixturevalue(which))
    page.locator(".row").first.hover()
    assert heard == []
    assert page.title() != "broken"
    assert page.locator("script").count() == 0
    attributes = "Array.from(document.querySelectorAll('*')).flatMap(e => e.getAttributeNames())"
    assert not [name for name in page.evaluate(attributes) if name.startswith("on")]
    assert page.locator("img[src^='data:image/png']").count() == page.locator("img").count()
    page.close()


def test_hostile_text_is_shown_as_text(browser, texts: Path) -> None:
    page, _ = opened(browser, texts)
    assert page.locator("h1").inner_text() == HOSTILE[0]
    assert HOSTILE[1] in page.locator("main").inner_text()
    assert "{{ 7 * 7 }}" in page.content()
    assert "\u202e" not in page.content()
    page.close()


@pytest.mark.parametrize("which", ["texts", "pictures"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_fits_every_screen(browser, which: str, width: int, request) -> None:
    page, _ = opened(
        browser, request.getfixturevalue(which), viewport={"width": width, "height": 800}
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


LUMINANCE = """(e) => {
  const c = getComputedStyle(e)
  const l = (s) => {
    const v = s.match(/[0-9.]+/g).slice(0, 3)
      .map(x => x / 255).map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]
  }
  let back = e
  while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement
  const a = l(c.color), b = l(getComputedStyle(back).backgroundColor)
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, pictures: Path, scheme: str) -> None:
    page, _ = opened(browser, pictures, color_scheme=scheme)
    for selector in ("h1", ".lead", ".caption", ".value", ".label", "nav a", "th", ".other .label"):
        found = page.locator(selector).first
        if found.count():
            assert found.evaluate(LUMINANCE) >= 4.5, selector  # WCAG 2 AA
    page.close()


def test_a_long_label_among_texts_keeps_to_one_line(browser, texts: Path) -> None:
    page, _ = opened(browser, texts, viewport={"width": 1440, "height": 800})
    lines = page.evaluate(
        "Array.from(document.querySelectorAll('.texts .label bdi')).map(e => "
        "new Set(Array.from(e.getClientRects(), r => r.top)).size)"
    )
    assert len(lines) > 10
    assert set(lines) == {1}
    page.close()


def test_pictures_are_drawn_and_say_what_they_are(browser, pictures: Path) -> None:
    page, _ = opened(browser, pictures)
    drawn = page.evaluate(
        "Array.from(document.images).map(i => [i.complete, i.naturalWidth, i.alt])"
    )
    assert len(drawn) > 100
    assert all(complete and width == 8 and alt for complete, width, alt in drawn)
    page.close()
