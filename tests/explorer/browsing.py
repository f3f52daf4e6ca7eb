"""A running explorer and a Chromium that looks at it, waiting for what is seen."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from report.browser import CHROMIUM, NEEDS_CHROMIUM, sync_api

__all__ = ["CHROMIUM", "NEEDS_CHROMIUM", "Page", "browser", "serving"]
# The map is drawn without a graphics card as well.
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NO_WEBGL = ["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]
SIZE = {"width": 1400, "height": 860}


@contextmanager
def serving(*folders: Path) -> Iterator[str]:
    """The address of `kinsight explore` over these folders, as a process of its own."""
    command = [sys.executable, "-m", "kinsight", "explore", *map(str, folders), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = next(m for line in server.stdout if (m := re.search(r"http://\S+", line)))
        try:
            yield found.group().rstrip("/")
        finally:
            server.kill()


@contextmanager
def browser(args: Sequence[str] = SOFTWARE) -> Iterator[Any]:
    """Chromium while the body runs."""
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(args))
        yield found
        found.close()


class Page:
    """The page of the explorer, what it complained of and whom it asked."""

    def __init__(self, browser: Any, address: str, query: str = "", **options: Any):
        self.address = address
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport=SIZE, **options)
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{address}/{query}")
        self.page.wait_for_selector("main.whole")

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            self.complaints.append(message.text)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def shown(self, expected: str) -> None:
        """Waits until the line on what is shown says this."""
        sync_api.expect(self.page.locator("#shown")).to_have_text(expected)

    def sample(self, number: int) -> Any:
        """The panel of a sample, once it is there in full."""
        panel = self.page.get_by_role("complementary", name=f"Sample {number}", exact=True)
        panel.locator(".near li").first.wait_for()
        return panel

    def map(self, at: int = 0) -> Any:
        """The map of a view, drawn."""
        self.page.locator(".tools").nth(at).wait_for()
        return self.page.locator("canvas.over").nth(at)

    def picture(self, at: int = 0) -> np.ndarray:
        """The pixels of a map: (height, width, 3)."""
        import io

        from PIL import Image

        self.map(at)
        self.page.wait_for_timeout(400)  # a frame, and the one after the map has come to rest
        shot = self.page.locator(".map").nth(at).screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    def place(self, points: np.ndarray, sample: int, at: int = 0) -> tuple[float, float]:
        """Where a sample is on the screen, from where it is in the map."""
        box = self.map(at).bounding_box()
        finite = points[np.isfinite(points).all(1)]
        low, high = finite.min(0), finite.max(0)
        scale = 0.92 * min(box["width"], box["height"]) / (high - low).max()
        x, y = (points[sample] - (low + high) / 2) * scale
        return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 - y


def near(picture: np.ndarray, colour: str, within: int = 45) -> int:
    """How many pixels have about this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - wanted).max(2) <= within).sum())
