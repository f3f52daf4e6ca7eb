"""The toy experiment: slopes, densities and stacked training against what is known exactly."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

PATH = Path(__file__).parents[2] / "experiments" / "toy.py"
SPECIFICATION = importlib.util.spec_from_file_location("toy", PATH)
toy = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(toy)


def test_slope_recovers_a_power_law() -> None:
    f = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
    rows = torch.stack([300 / f, 5 * f**-0.33, f**0])  # (3, F)
    assert toy.slope(f, rows).tolist() == pytest.approx([-1, -0.33, 0], abs=1e-12)


def test_the_network_has_the_parameters_of_the_paper() -> None:
    assert sum(p.numel() for p in toy.network(0).parameters()) == 21_057


def test_densities_of_two_orthogonal_groups() -> None:
    x = torch.eye(2, dtype=torch.float64).repeat_interleave(torch.tensor([30, 10]), 0)
    found = toy.densities(nn.Linear(2, 1, bias=False).double().eval(), x)  # its gradient is x
    size = torch.tensor([30.0] * 30 + [10.0] * 10, dtype=torch.float64)
    for name in (name for name in found if "radius" not in name):
        torch.testing.assert_close(found[name], size, msg=name)


def test_a_network_of_a_stack_learns_as_it_does_alone() -> None:
    torch.manual_seed(1)
    alpha, f = torch.rand(1, 256).repeat(2, 1), torch.tensor([1.0, 3.0])
    both = toy.train([toy.network(0), toy.network(0)], alpha, f, 2, 0)
    alone = toy.train([toy.network(0)], alpha[1:], f[1:], 2, 0)[0]
    for ours, other, expected in zip(*(m.parameters() for m in (*both, alone)), strict=True):
        torch.testing.assert_close(other, expected, atol=1e-5, rtol=0)
        assert not torch.equal(ours, expected)


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_training_lowers_the_loss() -> None:
    torch.manual_seed(1)
    alpha, f = torch.rand(1, 512), torch.tensor([1.0])
    errors = [
        toy.measure(toy.train([toy.network(0)], alpha, f, epochs, 0)[0], alpha[0], 1)["error"]
        for epochs in (1, 25)
    ]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_short_run_gives_finite_numbers_and_a_page() -> None:
    report = toy.run(epochs=2, runs=2, samples=128, seed=0)
    for name, estimate in report["summary"]["estimates"].items():
        low, high = estimate["slope_range"]
        assert low <= estimate["slope"] <= high, name
        assert torch.tensor(estimate["density"]).isfinite().all(), name
    words = {"name": "toy", "processor": "", "software": "", "arguments": "--epochs 2"}
    numbers = {"samples": 128, "parameters": 1, "epochs": 2, "runs": 2, "threads": 1, "seed": 0}
    page = toy.page({**report, "settings": {**words, **numbers, "seconds": 1.0}})
    assert "--epochs 2" in page
    assert "{" not in page
