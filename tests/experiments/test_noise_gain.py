"""The noise gain experiment: exact for linear models, Adam's metric in closed form, a tiny run."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "experiments" / "noise_gain.py"
SPECIFICATION = importlib.util.spec_from_file_location("noise_gain", PATH)
noise_gain = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["noise_gain"] = noise_gain
SPECIFICATION.loader.exec_module(noise_gain)
smoothers, training = noise_gain.smoothers, sys.modules["recipes"]


def linear(inputs: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(inputs, 1)).double().eval()


@pytest.mark.parametrize("parts", [1, 3])
def test_the_filter_is_exact_for_a_linear_model_under_gradient_descent(parts: int) -> None:
    x, y, start = torch.randn(20, 6).double(), torch.randn(20).double(), linear(6)
    noise = [torch.randn(20).double() for _ in range(2)]
    recipe = training.Recipe("gd", rate=0.002, steps=600)
    at = smoothers.middles(recipe.steps, parts)
    runs = [training.train(start, x, y + each, recipe, seed=0, at=at) for each in noise]
    answers = [run[-1].model(x)[:, 0].detach() for run in runs]
    difference = noise[0] - noise[1]
    measured = float((answers[0] - answers[1]).norm() / difference.norm())
    found = smoothers.predictions(start, runs[0], x, y + noise[0], recipe)
    for name in ("start", "end", "way"):
        assert found[name].gain_of(difference) == pytest.approx(measured, abs=1e-3)
    assert abs(found["plain"].gain_of(difference) - measured) > 0.05


def test_the_rescaled_network_has_the_kernel_of_scaled_gradients() -> None:
    model = training.perceptron(3, 5, seed=0)
    x = torch.randn(4, 3)
    scales = [torch.rand_like(each) + 0.1 for each in model.parameters()]
    gradients = []
    for row in x:
        each = torch.autograd.grad(model(row[None])[0, 0], list(model.parameters()))
        gradients.append(torch.cat([(g * s.sqrt()).flatten() for g, s in zip(each, scales)]))  # noqa: B905
    expected = torch.stack(gradients) @ torch.stack(gradients).T
    torch.testing.assert_close(smoothers.gram(model, x, scales).float(), expected)
    torch.testing.assert_close(training.rescaled(model, scales)(x), model(x))


def test_the_time_from_the_residual_is_the_time_of_the_training() -> None:
    kernel = torch.randn(15, 30).double()
    kernel, labels = kernel @ kernel.T, torch.randn(15).double()
    recipe = training.Recipe("gd", rate=0.05, steps=10)
    trained = smoothers.filtered([kernel], [(0, 10)], recipe, labels)
    residual = labels - trained.matrix @ labels
    found = smoothers.time_from_residual(kernel, labels, residual)
    torch.testing.assert_close(found.matrix, trained.matrix, rtol=1e-5, atol=1e-6)


def test_the_noise_level_of_pure_noise_is_found() -> None:
    kernel, noise = torch.randn(200, 20).double(), 0.7 * torch.randn(200).double()
    found = smoothers.ridge(kernel @ kernel.T, noise)
    assert found.level == pytest.approx(0.7, rel=0.15)


def test_batches_depend_on_the_seed_alone_and_cover_an_epoch() -> None:
    recipe = training.Recipe("sgd", rate=0.1, steps=1, batch=4)
    first, again, other = (training.batches(8, recipe, seed) for seed in (1, 1, 2))
    epoch = torch.cat([next(first), next(first)])
    assert epoch.sort().values.tolist() == list(range(8))
    assert epoch.tolist() == torch.cat([next(again), next(again)]).tolist()
    assert epoch.tolist() != torch.cat([next(other), next(other)]).tolist()


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_tiny_run_is_measured_and_predicted(optimiser: str) -> None:
    x, y = noise_gain.toy(16)
    arm = noise_gain.Arm(optimiser, hidden=1, width=8, rate=0.1, steps=6)
    cell = noise_gain.measured(x, y, noise_gain.draws(16, 0.5, seed=1), arm, seed=0, segments=2)
    assert 0 < cell["gain"] < 2
    names = set(cell["predicted"])
    assert names == {n for n in smoothers.NAMES if optimiser == "adam" or "adam" not in n}
    assert all(said["gain"] > 0 for said in cell["predicted"].values())
