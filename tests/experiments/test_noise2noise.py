"""The Noise2Noise experiment: factors of copies in closed form, the matched filter, a tiny run."""

import importlib.util
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "experiments" / "noise2noise.py"
SPECIFICATION = importlib.util.spec_from_file_location("noise2noise", PATH)
noise2noise = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(noise2noise)


def test_factor_of_copies_is_one_over_the_root_of_their_number() -> None:
    rows = noise2noise.copies(seed=3)
    alike = {row["n"]: row["factor"] for row in rows if row["case"] == "one group"}
    assert alike == pytest.approx({n: n**-0.5 for n in (4, 64, 1024)}, abs=1e-6)
    orthogonal, near, opposed = (row["factor"] for row in rows if row["case"] != "one group")
    assert orthogonal == pytest.approx(64**-0.5, abs=1e-6)
    assert near < orthogonal < opposed
    assert all(row["difference"] < 1e-6 for row in rows)


def test_patches_are_seen_once_and_the_middle_is_their_middle() -> None:
    clean = noise2noise.patches(64, held_out=False, seed=0)
    assert clean.shape == (64, 1, noise2noise.SIDE, noise2noise.SIDE)
    assert float(clean.abs().max()) <= 0.5
    assert torch.equal(noise2noise.middle(clean), clean[:, 0, 3, 3])
    assert len(clean.flatten(1).unique(dim=0)) > 60


def test_training_without_a_step_has_no_noise_gain() -> None:
    row, _ = noise2noise.study("Adam", width=4, sigma=0.1, samples=32, steps=0, seed=0)
    assert row["measured"] == 0


def test_a_few_steps_of_descent_are_predicted() -> None:
    row, models = noise2noise.study("SGD", width=64, sigma=0.1, samples=64, steps=30, seed=0)
    assert len(models) == 3
    assert 0 < row["range"][0] <= row["measured"] <= row["range"][1] < 1
    assert row["predicted"]["descent"] == pytest.approx(row["measured"], rel=0.5)
    assert all(0 < value < 1 for value in row["predicted"].values())
