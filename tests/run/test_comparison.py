"""What the doctor calls wrong is wrong, and rounding is told apart from it."""

import re

import pytest
import torch
from torch import nn

import kinsight as ks
from kinsight.cli.words import diagnosis_text
from kinsight.run import Settings, diagnosis, doctor
from kinsight.run.comparison import Comparison, distance_of, in_batch_and_alone, with_loop
from run.subjects import inputs, subject


def kernel_of(model: nn.Module):
    return lambda dtype, batch_size: ks.TangentKernel(model, dtype=dtype, batch_size=batch_size)


class Fickle:
    """A kernel whose inner products depend on the batch, by so much in each precision."""

    def __init__(self, differences: dict[torch.dtype, float]):
        self.differences = differences

    def __call__(self, dtype: torch.dtype | None, batch_size: int | None) -> "Fickle":
        dtype = dtype or torch.float32
        found = Fickle(self.differences)
        found.function = nn.Module()
        found.function.dtype = dtype
        found.off = self.differences[dtype] if batch_size else 0.0
        return found

    def inner(self, few: torch.Tensor) -> torch.Tensor:
        return torch.eye(len(few), dtype=torch.float64) * 4 + self.off * 4


@pytest.mark.parametrize(
    ("single", "double", "holds", "rounding", "sound"),
    [
        (5e-5, 5e-5, True, False, True),
        (3.0, 3.0, False, False, False),
        (2e-4, 2e-4, False, False, False),
        (2e-3, 1e-12, False, True, True),  # sums that cancel, a ReLU at its kink
        (0.4, 1e-12, False, True, False),  # hardly a digit is left
    ],
)
def test_beyond_the_tolerance_float64_decides(single, double, holds, rounding, sound) -> None:
    fickle = Fickle({torch.float32: single, torch.float64: double})
    found = in_batch_and_alone(fickle, torch.zeros(3))
    assert found.distance == pytest.approx(single)
    assert (found.holds, found.rounding, found.sound) == (holds, rounding, sound)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_sound_network_holds_in_every_precision(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    few = inputs(4)
    made = kernel_of(model.to(dtype).eval())
    assert in_batch_and_alone(made, few).holds
    assert with_loop(made, few).holds


def at_the_kink() -> tuple[nn.Module, torch.Tensor]:
    """A float32 network some of whose ReLUs are open or not by the last bit of a sum."""
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(4, 512, generator=generator)
    model = nn.Sequential(nn.Linear(512, 300, bias=False), nn.ReLU(), nn.Linear(300, 1)).eval()
    wide = few.double()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / 20)
        rows = model[0].weight[:3].double()
        model[0].weight[:3] = rows - rows @ torch.linalg.pinv(wide) @ wide  # zero but for rounding
    return model, few


def test_relus_that_flip_are_rounding_and_no_influence() -> None:
    model, few = at_the_kink()
    for found in (in_batch_and_alone(kernel_of(model), few), with_loop(kernel_of(model), few)):
        assert found.sound
        assert found.holds or found.rounding


def test_a_number_on_one_side_only_is_infinitely_far() -> None:
    a = torch.eye(2)
    b = a.clone()
    b[1, 1] = torch.nan
    assert distance_of(a, b) == torch.inf
    assert distance_of(b, b) == 0


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Comparison(3.0, 1e-4, 3.0), "✗ samples influence each other"),
        (Comparison(2e-3, 1e-4, 1e-12), "! inner products .*in float64 by 1e-12: rounding"),
        (Comparison(0.4, 1e-4, 1e-12), "✗ inner products .*--dtype float64 is needed"),
        (Comparison(1e-6, 1e-4), "✓ samples do not influence each other.* 1e-06"),
    ],
)
def test_the_words_follow_the_measurement(monkeypatch, found: Comparison, said: str) -> None:
    monkeypatch.setattr(diagnosis, "in_batch_and_alone", lambda *_: found)
    made = doctor(subject(), Settings(progress=False))
    assert made.sound == found.sound
    lines = diagnosis_text(made).split("\n")
    assert [line for line in lines if re.match(said, line)]


def test_gradients_that_are_not_those_of_autograd_are_a_cross(monkeypatch) -> None:
    wrong = Comparison(0.7, 1e-4, 0.7)
    monkeypatch.setattr(diagnosis, "with_loop", lambda *_: wrong)
    made = doctor(subject(), Settings(progress=False))
    assert not made.sound
    assert "✗ gradients and those of autograd" in diagnosis_text(made)
