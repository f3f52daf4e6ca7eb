"""The experiment on explanations: masks of a tenth, Grad-CAM by hand, hiding, shifting, means."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import kinsight as ks

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def experiment():
    """The script as a module; it looks for its neighbours beside itself."""
    before = list(sys.path)
    specification = importlib.util.spec_from_file_location("explain", FOLDER / "explain.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture
def pair(experiment):
    model = experiment.ResNet20().eval()
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass())
    x, y = ((torch.randn(1, 3, 32, 32), torch.tensor([4])) for _ in range(2))
    return model, kernel, x, y


def test_the_top_tenth_is_a_tenth_and_the_top(experiment) -> None:
    values = torch.randn(32, 32)
    mask = experiment.top(values)
    assert int(mask.sum()) == 102
    assert float(values[mask].min()) > float(values[~mask].max())


def test_every_mask_hides_as_much_and_the_fall_is_a_difference(experiment, pair) -> None:
    model, kernel, x, y = pair
    explained = kernel.explain(x, y)
    masks = experiment.all_masks(explained, model, *x, 2, torch.Generator())
    assert {int(mask.sum()) for several in masks.values() for mask in several} == {102}
    other = tuple(torch.randn(1, 3, 32, 32) if part.dim() == 4 else part for part in y)
    second = (x, other, kernel.explain(x, other), masks)
    row, beside = experiment.falls(kernel, [(x, y, explained, masks), second])
    hidden = torch.where(masks["centre"][0], experiment.mean_colour(x[0]), x[0])
    want = float(kernel.similarity(x, y) - kernel.similarity((hidden, x[1]), y))
    assert row["fall"]["mean colour"]["centre"] == pytest.approx(want, abs=1e-5)
    left = float(kernel.similarity((hidden, x[1]), other))
    fall = beside["similarity"] - left
    assert beside["fall"]["mean colour"]["centre"] == pytest.approx(fall, abs=1e-5)
    report = {"hidden": experiment.summary([row, row]), "against": experiment.differences([row])}
    assert report["against"]["blur"]["all layers"]["mean"] == 0
    assert report["hidden"]["mean colour"]["centre"]["mean"] == pytest.approx(want, abs=1e-5)


def test_grad_cam_weighs_channels_by_their_mean_gradient(experiment, pair) -> None:
    model, _, (image, label), _ = pair
    features = []
    handle = model.layer3.register_forward_hook(lambda _, __, out: features.append(out))
    model(image)
    handle.remove()
    weights = model.linear.weight[4] / 64  # of 8×8 positions, averaged by the network itself
    want = (weights[:, None, None] * features[0][0]).sum(0).detach()
    got = experiment.grad_cam(model, image, label)
    assert got.shape == (32, 32)
    assert float(got.mean()) == pytest.approx(float(want.mean()), rel=1e-3)


def test_a_network_of_early_layers_moves_its_map_along(experiment, pair) -> None:
    _, kernel, x, y = pair
    found = experiment.shifting(kernel, x, y, kernel.explain(x, y))
    early = found["conv1 + layer1", 4]
    assert early["moved along"] > 0.5 > early["stayed"]


def test_the_interval_holds_the_mean(experiment) -> None:
    said = experiment.mean_of([0.0, 1.0] * 50)
    assert said["mean"] == 0.5
    assert 0.35 < said["low"] < 0.45 < 0.55 < said["high"] < 0.65
