"""Pictures of the explorer for the documentation: the demo's digits, and a network stopped early.

.venv/bin/python web/screenshots.py docs/images
"""

import dataclasses
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from kinsight.demo import digits
from kinsight.run import Subject, analyze

SIZE = {"width": 1440, "height": 900}
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SETTLED = 1500  # milliseconds until maps rest and pictures are there
LAYER = "weight"


def early(subject: Subject) -> Subject:
    """The same samples with a network between its end and a random one."""
    model = subject.model
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(LAYER):
                value += 0.5 * value.std() * torch.randn_like(value)
    return dataclasses.replace(subject, model=model)


@contextmanager
def serving(*folders: Path) -> Iterator[str]:
    """The address of the explorer while the body runs."""
    command = [sys.executable, "-m", "kinsight", "explore", *map(str, folders), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        lines = server.stdout or ()
        yield next(m for line in lines if (m := re.search(r"http://\S+", line))).group()
        server.terminate()


def picture(browser: Any, address: str, out: Path, scheme: str = "light") -> None:
    """The page at an address."""
    page = browser.new_page(viewport=SIZE, color_scheme=scheme)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLED)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(out, optimize=True)
    page.close()


def main(out: Path) -> None:
    """All pictures."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        first, second = Path(place) / "trained", Path(place) / "disturbed"
        run = analyze(digits(), first)
        analyze(early(digits()), second)
        row = run.table("explanations").to_pylist()[0]
        pair = f"sample={row['sample']}&with={row['other']}"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=SOFTWARE
        )
        with serving(first) as address:
            picture(browser, f"{address}?queue=suspected&{pair}", out / "explorer.png")
            kept = "colour=density&in.density=..330"
            picture(browser, f"{address}?{kept}", out / "explorer_density.png", "dark")
        with serving(first, second) as address:
            picture(browser, f"{address}?colour=@shared&queue=changed", out / "explorer_two.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
