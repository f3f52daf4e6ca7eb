"""Experiments on terms of gradients: statistics, pairs, terms by definition, small runs."""

import argparse
import dataclasses
import importlib
import json
import math
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
(
    paired, resumable, grey, arms, training_page, terms, regularisers, rotation, networks,
    laziness, numbers,
) = (
    importlib.import_module(name)
    for name in (
        "paired", "resumable", "grey_pictures", "similarity_training_arms",
        "similarity_training_page", "regularisers_terms", "regularisers", "rotation",
        "laziness_networks", "laziness", "laziness_numbers",
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return grey.pictures(None, "mnist")


def test_holm_is_that_of_scipy_by_hand() -> None:
    assert paired.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert paired.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_a_paired_difference_has_the_interval_and_the_tests_of_scipy() -> None:
    first, second = [1.0, 2.5, 3.0, 4.8], [0.5, 2.0, 3.5, 3.1]
    found = paired.difference(first, second)
    want = stats.ttest_rel(first, second)
    low, high = want.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((0.55, low, high))
    assert found.p == pytest.approx(want.pvalue)
    each = [a - b for a, b in zip(first, second, strict=True)]
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(each).pvalue)
    assert paired.difference(first, first).p == 1.0
    assert paired.difference([0.3, 0.5], [0.2, 0.4]).p == pytest.approx(0.5)  # by ranks: no noise
    assert paired.mean([3.0]).half == math.inf


def counted(name: str, log: Path) -> dict:
    """A cell that says that it was measured."""
    with log.open("a") as file:
        file.write(name + "\n")
    return {"value": len(name)}


def test_a_stopped_run_goes_on_and_measures_nothing_twice(tmp_path) -> None:
    file, log = tmp_path / "x.json", tmp_path / "log"
    asked = argparse.Namespace(workers=1, minutes=1e9)
    for names in (["a", "bb"], ["bb", "a", "ccc", "a"]):
        report = resumable.started(file, {"size": 1})
        resumable.completed(report, names, partial(counted, log=log), file, asked)
    assert log.read_text().split() == ["a", "bb", "ccc"]
    cells = json.loads(file.read_text())["cells"]
    assert {name: cell["value"] for name, cell in cells.items()} == {"a": 1, "bb": 2, "ccc": 3}
    assert resumable.started(file, {"size": 2})["cells"] == {}
    late = argparse.Namespace(workers=1, minutes=-1.0)
    resumable.completed(report, ["dddd"], partial(counted, log=log), file, late)
    assert "dddd" not in log.read_text()


def test_turning_by_a_right_angle_and_back() -> None:
    x = torch.randn(2, 1, 8, 8)
    quarter = torch.full((2,), math.pi / 2)
    once = grey.turned(x, quarter)
    torch.testing.assert_close(once, x.rot90(1, (2, 3)), atol=1e-5, rtol=0)
    shifted = grey.turned(x, torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(shifted[0, :, :, :-1], x[0, :, :, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(shifted[1], x[1], atol=1e-5, rtol=0)


def test_pairs_are_of_one_class_and_of_all_classes(digits) -> None:
    draws = arms.drawn(3, digits, 40, 100)
    first, second = digits.y[draws.pairs].unbind(2)
    assert bool((first == second).all())
    assert first.unique().tolist() == list(range(10))
    assert len(set(draws.validation.tolist())) == 100
    assert sum(p.numel() for p in arms.network(0).parameters()) == 317_069


def test_the_signs_move_similarity_where_they_say(digits) -> None:
    """+λ k_C in the loss ("apart") lowers the similarity within classes, −λ k_C raises it."""
    found = {
        name: arms.measured(arms.ONE[name], 0, digits, (40,), 50)
        for name in ("plain", "apart 1", "alike 1")
    }
    apart, plain, alike = (found[name]["same"][0] for name in ("apart 1", "plain", "alike 1"))
    assert apart < plain < alike
    assert len(found["plain"]["accuracy"]) == 1


@pytest.fixture
def batch():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(9, 8), torch.nn.Tanh(), torch.nn.Linear(8, 10)
    )
    return model.double(), torch.randn(4, 1, 3, 3, dtype=torch.float64), torch.arange(4)


def jacobian(model, x: torch.Tensor) -> torch.Tensor:
    """∂z/∂x of one picture: (10, 9)."""
    return torch.autograd.functional.jacobian(lambda p: model(p[None])[0], x).flatten(1)


def test_double_backpropagation_is_the_squared_slope_of_each_loss(batch) -> None:
    model, x, y = batch
    want = torch.stack(
        [
            torch.autograd.functional.jacobian(
                lambda p, label=label: cross_entropy(model(p[None]), label[None]), picture
            )
            .square()
            .sum()
            for picture, label in zip(x, y, strict=True)
        ]
    ).mean()
    torch.testing.assert_close(terms.double(model, x, y), want)


def test_contraction_is_without_bias_the_squared_norm_of_the_jacobian(batch) -> None:
    model, x, _ = batch
    want = torch.stack([jacobian(model, picture).square().sum() for picture in x]).mean()
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([terms.contractive(model, x, generator).detach() for _ in range(1500)])
    assert abs(float(draws.mean() - want)) < 4 * float(draws.std()) / 1500**0.5
    assert float(draws.std()) > 0


def test_the_penalty_is_zero_where_the_slope_is_one(batch) -> None:
    _, x, y = batch
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 10)).double()
    with torch.no_grad():
        linear[1].weight.zero_()
        linear[1].weight[:, 0] = torch.arange(10.0)
    generator = torch.Generator().manual_seed(0)
    slopes = (torch.arange(10.0) - (45 - torch.arange(10.0)) / 9)[:4].double()
    want = (slopes.abs() - 1).square().mean()
    torch.testing.assert_close(terms.penalty(linear, x, y, generator), want)


@pytest.mark.parametrize("name", list(terms.METHODS))
def test_every_method_trains(name: str, digits) -> None:
    weight = terms.METHODS[name].weights[-1]
    model = regularisers.trained(name, weight, 0, digits.x[:64], digits.y[:64], 3)
    start = regularisers.network(0)
    assert not torch.equal(model[0].weight, start[0].weight)
    assert bool(torch.isfinite(model(digits.x[:2])).all())


def test_scaled_layers_have_a_kernel_that_does_not_grow_with_the_width() -> None:
    x = torch.randn(20, 49, generator=torch.Generator().manual_seed(0))
    sizes = [
        float(laziness.gram(networks.network("tangent", width, 0), x).diagonal().mean())
        for width in (64, 512)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.5)
    grown = [
        float(laziness.gram(networks.network("standard", width, 0), x).diagonal().mean())
        for width in (64, 512)
    ]
    assert grown[1] > 2 * grown[0]


def test_flipped_labels_are_as_many_as_asked_for() -> None:
    clean, noisy = (networks.task(None, 0, 100, 50, share)[1] for share in (0.0, 0.2))
    assert int((clean != noisy).sum()) == 20


def test_correlations_find_an_order_and_none() -> None:
    rows = [
        {"trace": i, "top": -i, "gap": i**2, "error gap": (7 * i) % 5, "seed": i % 2}
        for i in range(1, 13)
    ]
    found = numbers.correlations(rows)
    assert found["trace", "gap"]["all"] == pytest.approx(1)
    each = [[row[key] for row in rows] for key in ("trace", "error gap")]
    want = stats.spearmanr(*each).statistic
    assert found["trace", "error gap"]["all"] == pytest.approx(want)
    assert found["top", "gap"]["within"] == pytest.approx(-1)
    assert found["trace", "error gap"]["low"] < 0 < found["trace", "error gap"]["high"]


def made_up(gain: dict[str, float], seeds: int = 4) -> dict:
    """A report of similarity_training.py whose arms differ from plain by a given accuracy."""
    cells = {}
    for seed in range(seeds):
        for arm in ("plain", "apart 1", "alike 1"):
            level = 0.4 + 0.01 * seed + gain.get(arm, 0.0) * (1 + 0.1 * (seed % 2))
            shift = {"plain": 0.0, "apart 1": -0.1, "alike 1": 0.1}[arm]
            cells[f"one/{arm}/{seed:02d}"] = {
                "accuracy": [level] * 9, "loss": [2.0] * 9, "seconds": 1.0,
                "same": [0.5 + shift + 0.01 * seed] * 2, "other": [0.0] * 2,
            }  # fmt: skip
    sizes = {"one": 60, "sixteen": 60, "last_one": 150, "last_sixteen": 80, "rounds": 1}
    machine = {"processor": "p", "threads": 1, "torch": "t", "python": "3"}
    return {
        "cells": cells, "environment": machine, "probes": 2, "quick": 2,
        "sizes": {**sizes, "validation": 9, "data": "digits"}, "costs": {"one": {"plain": 1.0}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ({"apart 1": 0.1, "alike 1": -0.1}, ("faster", "slower", "that of the code, not of the")),
        ({"apart 1": -0.1, "alike 1": 0.1}, ("slower", "faster", "as the paper's text says")),
        ({}, ("no difference", "no difference", "cannot both be told from plain")),
    ],
)
def test_the_page_says_the_sign_that_the_runs_say(gain, words, tmp_path) -> None:
    page = tmp_path / "page.md"
    report = made_up(gain)
    said = training_page.write_page(report, page, tmp_path / "x.png", tmp_path / "x.json")
    first, second, *_ = said.split("\n")
    assert "+1 k_C" in first
    assert words[0] in first
    assert "−1 k_C" in second
    assert words[1] in second
    text = page.read_text()
    assert words[2] in text
    assert "Fewer seeds than intended" in text


TINY = {
    "rotation": {"train": 64, "test": 50, "asked": 2, "steps": 3},
    "regularisers": {"validation": 50, "test": 50, "steps": 3, "seeds": 2},
    "laziness": {"train": 32, "widths": (16, 32), "steps": 4, "most_steps": 300, "test": 50},
}


@pytest.mark.parametrize("name", list(TINY))
def test_a_whole_small_run_writes_results_page_and_figures(name, tmp_path, monkeypatch) -> None:
    module = importlib.import_module(name)
    monkeypatch.setattr(module, "QUICK", dataclasses.replace(module.QUICK, **TINY[name]))
    monkeypatch.setattr(resumable, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    threads = torch.get_num_threads()
    module.main()
    torch.set_num_threads(threads)
    folder = tmp_path / "runs" / f"{name}_quick"
    page = (folder / f"{name}.md").read_text()
    assert "## In short\n\n- " in page
    assert "nan" not in page
    assert json.loads((folder / f"{name}.json").read_text())["cells"]
    assert list(folder.glob("*.png"))
