"""The uncertainty experiment: scores in closed form, intervals that cover, a tiny run."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import kinsight as ks

PATH = Path(__file__).parents[2] / "experiments" / "uncertainty.py"
SPECIFICATION = importlib.util.spec_from_file_location("uncertainty", PATH)
uncertainty = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["uncertainty"] = uncertainty
SPECIFICATION.loader.exec_module(uncertainty)
scores, tables, training = (sys.modules[name] for name in ("scores", "tables", "recipes"))


@pytest.fixture
def found() -> tuple:
    members = [training.perceptron(3, 6, seed) for seed in range(3)]
    x, labels, asked = torch.randn(12, 3), torch.randn(12), torch.randn(5, 3)
    return members, x, asked, labels, scores.scores(members, x, labels, asked)


def test_influence_is_the_change_that_the_samples_can_bear(found: tuple) -> None:
    members, x, asked, _, said = found
    influence = ks.TangentKernel(members[0]).influence(asked, x)[:, :, 0, 0].double()
    expected = 1 / influence.abs().sum(1)
    torch.testing.assert_close(said["influence"], expected, rtol=1e-4, atol=1e-6)


def test_posterior_is_that_of_a_gaussian_process(found: tuple) -> None:
    members, x, asked, labels, said = found
    kernel = ks.TangentKernel(members[0])
    gram, cross = kernel.inner(x).double(), kernel.inner(asked, x).double()
    best, _ = ks.smoothing.choose_ridge(ks.Spectrum.of_gram(gram), labels)
    inverse = torch.linalg.inv(gram + best.parameter * torch.eye(12))
    own = kernel.inner(asked).double().diagonal()
    expected = (own - (cross @ inverse * cross).sum(1)).clamp_min(0).sqrt()
    torch.testing.assert_close(said["posterior"], expected, rtol=1e-2, atol=1e-3)


def test_every_score_is_positive_and_a_training_point_is_near_itself(found: tuple) -> None:
    members, x, _, _, said = found
    assert set(said) == set(scores.NAMES)
    assert all(bool((score > 0).all()) for score in said.values())
    only = scores.neighbour_distance(members[0], x[:1], x[:1])
    assert float(only) == pytest.approx(1e-9)


def test_intervals_cover_what_they_promise_in_every_third_of_the_true_scale() -> None:
    scale = torch.rand(8000).double() + 0.1
    error = scale * torch.randn(8000).double()
    said = uncertainty.judged(error.abs(), scale, scale, held=4000)
    assert said["coverage_thirds"] == pytest.approx([0.9] * 3, abs=0.025)
    flat = uncertainty.judged(error.abs(), torch.ones(8000).double(), scale, held=4000)
    assert flat["coverage"] == pytest.approx(0.9, abs=0.02)
    assert flat["coverage_thirds"][0] > 0.95 > 0.85 > flat["coverage_thirds"][2]
    assert said["width"] < flat["width"]
    assert said["correlation"] > 0.3
    assert flat["correlation"] == 0


def test_too_few_rows_to_calibrate_give_no_finite_interval() -> None:
    assert scores.conformal_factor(torch.ones(8), torch.ones(8)) == float("inf")
    assert scores.conformal_factor(torch.arange(1.0, 10.0), torch.ones(9)) == 9


def test_rank_correlation_sees_order_alone() -> None:
    values = torch.tensor([0.1, 3.0, 2.0, 9.0])
    assert scores.rank_correlation(values, values.exp()) == pytest.approx(1)
    assert scores.rank_correlation(values, -values) == pytest.approx(-1)


def test_a_tiny_run_judges_every_score() -> None:
    rows = torch.randn(80, 4).numpy()
    table = tables.standardised("made up", rows[:60], rows[60:])
    assert float(table.x.mean()) == pytest.approx(0, abs=1e-6)
    one = uncertainty.run(table, 5, training.Recipe("adam", 0.01, 5), seed=0)
    assert (one["fit"], one["calibration"], one["test"]) == (48, 12, 20)
    assert set(one["scores"]) == set(scores.NAMES)
    assert all(0 <= said["coverage"] <= 1 for said in one["scores"].values())
