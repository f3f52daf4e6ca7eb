"""The stability experiment on a few random pictures: who is compared with whom, and its page."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "experiments" / "stability.py"
SPECIFICATION = importlib.util.spec_from_file_location("stability", PATH)
stability = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["stability"] = stability
SPECIFICATION.loader.exec_module(stability)
stability_page = sys.modules["stability_page"]

SCALE = {"train": 64, "steps": 4, "asked": 30, "seeds": 2, "widths": [4, 16]}


@pytest.fixture(scope="module")
def report() -> dict:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 1, 28, 28, generator=generator), torch.arange(64) % 10
    return {"scale": SCALE, **stability.measured(x, y, x, y, SCALE)}


def test_everybody_is_compared_once_and_nobody_with_itself(report: dict) -> None:
    assert [row["step"] for row in report["training"]] == [0, 2, 4]
    assert [(row["width"], len(row["pairs"])) for row in report["seeds"]] == [(4, 1), (16, 1)]
    assert [(row["width"], len(row["pairs"])) for row in report["widths"]] == [(4, 2)]
    others = [pair for part in ("seeds", "widths") for row in report[part] for pair in row["pairs"]]
    for pair in others:
        for view in stability.VIEWS:
            assert pair[view]["shared"] < 0.999
            assert pair[view]["rank_correlation"] < 0.999
    last = report["training"][-1]
    for view in stability.VIEWS:
        assert last[view]["shared"] == 1  # with itself
        assert last[view]["cka"] == pytest.approx(1)
        assert last[view]["chance"] == pytest.approx(10 / 29)


def test_training_is_the_same_again_for_the_same_seed() -> None:
    x, y = torch.randn(64, 1, 28, 28), torch.arange(64) % 10
    first, again, other = (stability.train(4, x, y, 3, seed, [0, 3]) for seed in (1, 1, 2))
    assert torch.equal(first[3][0].weight, again[3][0].weight)
    assert not torch.equal(first[3][0].weight, other[3][0].weight)
    assert not torch.equal(first[3][0].weight, first[0][0].weight)


def test_a_page_is_made_from_numbers_alone(report: dict) -> None:
    environment = {"minutes": 1, "core_minutes": 1, "processor": "p", "threads": 1, "torch": "2"}
    page = stability_page.page({**report, "environment": environment})
    for width in (4, 16):
        assert f"\n| {width} | " in page
    assert "Across seeds, tangent kernel" in page
    assert "seeds" in stability_page.text(report)
