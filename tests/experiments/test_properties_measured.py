"""The measured theorems on tiny networks: bounds hold, numbers are what they are called."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "experiments" / "properties_measured.py"
SPECIFICATION = importlib.util.spec_from_file_location("properties_measured", PATH)
assert SPECIFICATION is not None
assert SPECIFICATION.loader is not None
measured = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["properties_measured"] = measured
SPECIFICATION.loader.exec_module(measured)
theorems, widths, page, figures = (
    sys.modules[f"properties_{name}"] for name in ("theorems", "widths", "page", "figures")
)

SCALE = widths.Scale([4, 8, 16], 2, 4, 30, 4)


@pytest.fixture(scope="module")
def pictures():
    return measured.digits()


@pytest.fixture(scope="module")
def found(pictures) -> dict:
    return widths.measured(pictures, SCALE)


@pytest.fixture(scope="module")
def said(pictures) -> dict:
    before = widths.network(64, 8, 0)
    after = widths.train(before, pictures, 20, 0, [20])[20]
    return theorems.measured(after, before, pictures.asked[:20], after)


def test_no_pair_exceeds_the_bound_and_only_samples_themselves_are_left_out(said: dict) -> None:
    assert 0 < said["outputs"]["largest ratio"] <= 1
    counted = sum(row["pairs"] for row in said["outputs"]["bins"])
    assert 0 <= 2 * 20 * 20 - 20 - counted <= 2  # and noise that is smaller than rounding
    far = [row["far"] for row in said["outputs"]["bins"]]
    assert far == sorted(far)


def test_layers_add_up_to_the_kernel(said: dict) -> None:
    for each in said["split"].values():
        assert each["error"] < 1e-12
        assert sum(each["shares"]) == pytest.approx(1)
        assert 0 < each["fixed"] < 1


def test_ranks_of_random_inputs_are_those_foretold(said: dict) -> None:
    *random, digits = said["ranks"]
    for row in random:
        assert row["rank"] == min(row["outputs"], row["directions"])
    assert digits["rank"] <= min(digits["outputs"], digits["directions"])


def test_twins_have_equal_gradients_exactly_where_they_are_said_to(said: dict) -> None:
    alike = [row["similarity"] > 1 - 1e-9 for row in said["twins"]]
    assert alike == [True, False, True, False, True, True, False]
    same = [abs(row["outputs"][0] - row["outputs"][1]) < 1e-9 for row in said["twins"]]
    assert same == [False, False, False, False, False, True, False]
    equal = [row["gradients"] < 1e-6 for row in said["twins"]]
    assert equal == [False, False, True, False, True, True, False]


def test_numbers_of_the_range_are_in_order(said: dict) -> None:
    for each in said["range"].values():
        assert -1 <= each["smallest"] < each["mean"] < each["largest"] <= 1
        assert each["eigenvalue"] > -1e-9
        assert each["density"] == sorted(each["density"])


def test_a_network_agrees_with_itself_and_seeds_differ(found: dict) -> None:
    last = found["checkpoints"][-1]
    assert last["step"] == 4
    assert last["end"] == pytest.approx({"moved": 0, "shared": 1, "order": 1}, abs=1e-6)
    assert last["seed"]["shared"] < 1
    assert [row["step"] for row in found["checkpoints"]] == [0, 1, 2, 4]
    assert [(row["one"], row["other"]) for row in found["other widths"]] == [
        (4, 8),
        (4, 16),
        (8, 16),
    ]
    assert [row["size"] for row in found["ensembles"]] == [1, 2]
    assert found["ensembles"][1]["moved"] < found["ensembles"][0]["moved"]


def test_the_spread_is_the_deviation_over_networks() -> None:
    grams = list(torch.tensor([[[1, 0.2], [0.2, 1]], [[1, 0.6], [0.6, 1]]], dtype=torch.float64))
    assert widths.spread(grams)["spread"] == pytest.approx(0.4 / 2**0.5)


def test_the_slope_is_that_of_a_power_law() -> None:
    rows = [{"width": w, "before": {"spread": 3 * w**-0.5}} for w in (4, 16, 64)]
    assert widths.slope(rows, "before") == pytest.approx(-0.5)


def test_training_is_the_same_again_for_the_same_seed(pictures) -> None:
    first, again, other = (
        widths.train(widths.network(64, 4, seed), pictures, 3, seed, [0, 3]) for seed in (1, 1, 2)
    )
    assert torch.equal(first[3][0].weight, again[3][0].weight)
    assert not torch.equal(first[3][0].weight, other[3][0].weight)
    assert not torch.equal(first[3][0].weight, first[0][0].weight)


def test_page_and_figures_are_made_from_numbers_alone(said, found, tmp_path, monkeypatch) -> None:
    machine = {"minutes": 1, "core_minutes": 1, "processor": "p", "threads": 1, "torch": "2"}
    report = {
        "theorems": said,
        "accuracy": 0.5,
        "scales": {"digits": SCALE._asdict()},
        "seeds": {"digits": found},
        "environment": {**machine, "arguments": {"quick": True}},
    }
    text = page.page(report)
    for width in SCALE.widths:
        assert f"\n| {width} | " in text
    assert "--quick" in text
    monkeypatch.setattr(figures, "IMAGES", tmp_path)
    figures.figure(report)
    figures.widths_figure(report)
    assert {path.name for path in tmp_path.iterdir()} == {"properties.png", "properties_widths.png"}
