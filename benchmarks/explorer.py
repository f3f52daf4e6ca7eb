"""How long the explorer takes: first paint, the map, a click, a frame, for many samples.

    python benchmarks/explorer.py [--samples 100000 1000000] [--store FOLDER]

A trained network of 25 thousand parameters on made-up groups of points is sketched and surveyed
into a temporary folder (or FOLDER, which is kept and used again), served by `kinsight explore`,
and looked at in Chromium, which draws without a graphics card. Writes
benchmarks/results/explorer.json, whose numbers docs/explorer.md gives.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright
from torch import nn

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
from passes import environment

RESULTS = Path(__file__).parent / "results" / "explorer.json"
GROUPS, WIDTH, DIM = 10, 32, 256
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
CLICKS = 12
# Time from the start of the navigation to the first content, and to the map with all its points.
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
# What the machine needs for a canvas of the map's size that is only cleared.
CLEARED = """async ([width, height]) => {
  const canvas = document.body.appendChild(document.createElement('canvas')), times = [];
  canvas.width = width; canvas.height = height;
  const gl = canvas.getContext('webgl2', {antialias: false});
  for (let i = 0; i < 40; i++) {
    gl.clearColor(i % 2, 0.5, 0.5, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    await new Promise(requestAnimationFrame);
    times.push(performance.now());
  }
  return times.slice(1).map((t, i) => t - times[i]);
}"""
MOVED = """async () => {
  const map = document.querySelector('canvas.over'), times = [];
  map.focus();
  for (let i = 0; i < 40; i++) {
    map.dispatchEvent(new KeyboardEvent('keydown',
      {key: i % 2 ? 'ArrowLeft' : 'ArrowRight', bubbles: true, cancelable: true}));
    await new Promise(requestAnimationFrame);
    times.push(performance.now());
  }
  return times.slice(1).map((t, i) => t - times[i]);
}"""


def made_store(place: Path, count: int) -> None:
    """A store with labels and a survey; all pairs up to 200,000 samples."""
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(GROUPS, (count,), generator=generator)
    centres = 2 * torch.randn(GROUPS, WIDTH, generator=generator)
    x = centres[group] + torch.randn(count, WIDTH, generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(WIDTH, 600), nn.ReLU(), nn.Linear(600, GROUPS))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(60):
        some = torch.randint(count, (512,), generator=generator)
        loss = nn.functional.cross_entropy(model(x[some]), group[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    kernel = ks.TangentKernel(model.eval(), output=ks.outputs.OwnClass())
    ks.sketch(kernel, x, str(place), dim=DIM, labels=group)
    subprocess.run([sys.executable, "-m", "kinsight", "survey", str(place)], check=True)


@contextmanager
def serving(place: Path) -> Iterator[str]:
    """The explorer's address while the body runs."""
    command = [sys.executable, "-m", "kinsight", "explore", str(place), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        lines = server.stdout or ()
        yield next(m for line in lines if (m := re.search(r"http://\S+", line))).group()
        server.terminate()


def opened(page: Page, address: str) -> dict[str, float]:
    """Milliseconds to the first content and to the drawn map."""
    page.goto(address)
    page.locator(".tools").wait_for(timeout=120_000)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    drawn = page.evaluate("performance.now()")
    return {"first paint": page.evaluate(PAINTED), "map drawn": drawn}


def clicked(page: Page, samples: int) -> list[float]:
    """Milliseconds of the answer with the neighbours of random samples, as the page asks it."""
    chosen = np.random.default_rng(0).integers(samples, size=CLICKS)
    ask = """async (sample) => {
      const start = performance.now();
      await (await fetch(`/api/views/0/samples/${sample}/neighbours?by=network&k=12`)).json();
      return performance.now() - start;
    }"""
    return [page.evaluate(ask, int(sample)) for sample in chosen]


def measured(browser: Any, place: Path, samples: int) -> dict[str, Any]:
    """The second visit is told: in the first the server reads the folder."""
    with serving(place) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        first = opened(page, address)
        again = opened(page, address)
        clicks = clicked(page, samples)
        frames = page.evaluate(MOVED)
        shown = page.locator(".map .caption").inner_text()
        box = page.locator("canvas.over").bounding_box()
        page.goto("about:blank")
        bare = page.evaluate(CLEARED, [box["width"], box["height"]])
        page.close()
    found = re.search(r"([\d,]+) while it moves", shown)
    return {
        "samples": samples,
        "first visit, ms": first,
        "next visit, ms": again,
        "click, ms": {"median": float(np.median(clicks)), "most": max(clicks)},
        "frame while moving, ms": {
            "median": float(np.median(frames[10:])), "most": max(frames[10:]),
        },
        "frame of an empty canvas, ms": float(np.median(bare[10:])),
        "points while moving": int(found[1].replace(",", "")) if found else samples,
    }  # fmt: skip


def main() -> None:
    """Everything, row by row."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--samples", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--store", type=Path, help="where stores are kept between runs")
    asked = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        chromium = playwright.chromium
        browser = chromium.launch(executable_path=shutil.which("chromium"), args=SOFTWARE)
        for samples in asked.samples:
            place = (asked.store or Path(temporary)) / f"samples-{samples}"
            if not place.exists():
                made_store(place, samples)
            rows.append(measured(browser, place, samples))
            print(json.dumps(rows[-1], indent=1))
    RESULTS.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
