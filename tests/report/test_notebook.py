"""Results in notebooks: IPython's own formatter where it is installed, the same calls elsewhere."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import kinsight as ks
from kinsight.analysis.spectrum import Spectrum
from kinsight.run import RunFolder, analyze
from run.subjects import COUNT, inputs, network, subject

HOSTILE = "<script>alert('$\\frac{')</script>"


def source() -> Any:
    return ks.TangentKernel(network()).on(inputs())


def one_output() -> Any:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 1))
    return ks.TangentKernel(model.eval()).on(inputs())


def run_in(folder: Path) -> RunFolder:
    return analyze(subject(title=HOSTILE, classes=[HOSTILE, "b", "c"]), folder / "run")


def turned(_: Path) -> ks.Invariance:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(25, 1))
    pictures = torch.rand(6, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    kernel = ks.TangentKernel(model)
    return ks.invariance(kernel, pictures, "rotation", labels=[0, 0, 1, 1, 2, 2])


def explained(_: Path) -> ks.Explanation:
    return ks.TangentKernel(network()).explain(inputs()[:1], inputs()[1:2])


CLASSES = [i % 3 for i in range(COUNT)]
RESULTS: dict[str, Callable[[Path], Any]] = {
    "Density": lambda _: ks.density(source()),
    "Density of a radius": lambda _: ks.density(source(), "radius"),
    "Fit": lambda _: ks.fit(source(), CLASSES),
    "Suspects": lambda _: ks.suspects(source(), CLASSES),
    "Uncertainty": lambda _: ks.uncertainty(source()),
    "Denoising": lambda _: ks.denoise(one_output(), inputs()[:, 0]),
    "Comparison": lambda _: ks.compare(source(), one_output(), labels=CLASSES),
    "Invariance": turned,
    "Explanation": explained,
    "Spectrum": lambda _: Spectrum.of_gram(torch.eye(3) + 1),
    "RunFolder": run_in,
}


def displayed(result: Any) -> str:
    """The HTML that a notebook gets."""
    try:
        from IPython.core.interactiveshell import (  # pyright: ignore[reportMissingImports]
            InteractiveShell,
        )
    except ImportError:
        return result._repr_html_()
    shell = InteractiveShell.instance()
    formatter = shell.display_formatter
    assert formatter is not None
    return formatter.format(result)[0]["text/html"]


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_a_table_and_a_figure_that_can_be_saved(name: str, tmp_path: Path) -> None:
    result = RESULTS[name](tmp_path)
    html = displayed(result)
    root = ElementTree.fromstring(html)  # whole: nothing of the data broke out of its place
    assert root.findtext("strong") == type(result).__name__
    assert root.findall(".//tr")
    assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == 1
    assert "<script" not in html
    assert len(html) < 400_000
    figure = result.figure()
    assert isinstance(figure, Figure)
    for kind in ("svg", "png"):
        figure.savefig(tmp_path / f"one.{kind}")
    assert Image.open(io.BytesIO((tmp_path / "one.png").read_bytes())).size[0] > 300


def test_the_table_says_the_numbers_of_the_result() -> None:
    found = ks.density(source())
    rows = dict(found._numbers())
    middle = float(found.score.median())
    assert rows["score"].startswith(f"{COUNT}, median ")
    assert float(rows["score"].split()[2].rstrip(",")) == pytest.approx(middle, rel=0.1)
    assert rows["estimator"] == "soft"
    assert "error" not in rows  # it was not computed
    doubted = ks.suspects(source(), CLASSES)
    assert dict(doubted._numbers())["contradicts"] == (
        f"{COUNT}, {int(doubted.contradicts.sum())} true"
    )


def test_a_hostile_title_is_shown_as_text(tmp_path: Path) -> None:
    html = displayed(run_in(tmp_path))
    cells = [cell.text for cell in ElementTree.fromstring(html).iter("td")]
    assert HOSTILE in cells


def test_a_run_that_was_stopped_shows_its_table_alone(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    text = (run.path / "run.json").read_text()
    import json

    told = json.loads(text) | {"status": "running", "tables": {}}
    (run.path / "run.json").write_text(json.dumps(told))
    html = displayed(RunFolder(run.path))
    assert "running" in html
    assert "<svg" not in html


def test_not_finite_entries_and_empty_tensors_are_counted() -> None:
    from kinsight.analysis.density import Density

    score = torch.tensor([1.0, torch.nan, 3.0])
    assert dict(Density(score, None, "soft", None)._numbers())["score"] == (
        "3, median 2, from 1 to 3, 1 not finite"
    )
    nothing = Density(score * torch.nan, torch.empty(0), "soft", None)
    assert dict(nothing._numbers())["score"] == "3, none finite"
    assert dict(nothing._numbers())["error"] == "0, empty"
    assert nothing.figure().axes
