"""The page where something is wrong: filters, a held key, a damaged file, no WebGL, no server."""

import shutil
from pathlib import Path

import pytest

from explorer.browsing import CHROMIUM, NEEDS_CHROMIUM, NO_WEBGL, Page, serving, sync_api
from kinsight.run import RunFolder
from run.subjects import COUNT

pytestmark = NEEDS_CHROMIUM
expect = sync_api.expect


@pytest.mark.parametrize("query", ["?is.nothere=bar", "?in.label=1..2", "?in.@decision=0..1"])
def test_a_filter_that_cannot_be_is_told_and_saves_nothing(
    chromium, address: str, query: str
) -> None:
    with Page(chromium, address, query) as page:
        expect(page.page.locator(".said.error")).to_contain_text("filter")
        page.shown(f"all {COUNT} samples: the filter failed")
        expect(page.page.get_by_role("button", name="Save these ids")).to_be_disabled()


def test_a_held_key_decides_once(chromium, address: str) -> None:
    with Page(chromium, address, "?queue=most_crowded") as page:
        strip = page.page.get_by_role("region", name="Queue: Most crowded")
        strip.locator("ol button").first.wait_for()
        page.page.locator(".near li").first.wait_for()
        for _ in range(4):
            page.page.keyboard.down("d")  # the same key again and again: a held one
        page.page.keyboard.up("d")
        expect(strip).to_contain_text("1 decided")
        page.page.keyboard.press("u")
        expect(strip).to_contain_text("0 decided")


def test_decisions_that_cannot_be_kept_say_why(chromium, run: RunFolder, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(run.path, damaged)
    (damaged / "decisions.sqlite").write_bytes(b"no database" * 100)
    with serving(damaged) as address, Page(chromium, address, "?sample=5") as page:
        page.sample(5)
        page.page.keyboard.press("k")
        expect(page.page.locator(".said.error")).to_contain_text("move it away")


def test_without_webgl_the_rest_works(chromium, address: str) -> None:
    plain = chromium.browser_type.launch(executable_path=CHROMIUM, args=NO_WEBGL)
    with Page(plain, address, "?queue=loneliest") as page:
        expect(page.page.get_by_role("alert")).to_contain_text("WebGL 2")
        expect(page.page.locator(".near li").first).to_be_visible()
    plain.close()


def test_a_server_that_ended_is_told(chromium, run: RunFolder) -> None:
    with Page(*_served(chromium, run)) as page:
        page.page.get_by_role("button", name="Most crowded").click()
        expect(page.page.get_by_role("alert")).to_contain_text("kinsight explore")


def _served(chromium, run: RunFolder) -> tuple:
    """A page whose server has ended after it was read."""
    with serving(run.path) as address:
        page = Page(chromium, address)
        page.map()
        page.page.wait_for_load_state("networkidle")

    class Kept:
        def new_page(self, **_):
            return page.page

    page.page.goto = lambda *_: None
    return Kept(), address
