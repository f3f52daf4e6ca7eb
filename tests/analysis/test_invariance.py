"""Similarity along a family of changes: 1 where the network cannot see them, else the formula."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.analysis import transforms
from kinsight.errors import ArgumentError, DataError

QUARTERS = (0, 90, 180, 270)


def ordinary() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 2)).eval()


class AverageOverQuarterTurns(nn.Module):
    """The mean of a network over the group: invariant by construction."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = ordinary()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.inside(torch.rot90(x, k, (2, 3))) for k in range(4)]).mean(0)


def pictures(count: int = 7, channels: int = 1) -> Tensor:
    return torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(1))


def test_an_invariance_by_construction_shows_as_one_and_an_ordinary_network_has_none() -> None:
    built_in = ks.TangentKernel(AverageOverQuarterTurns().eval())
    found = ks.invariance(built_in, pictures(), "rotation", strengths=(*QUARTERS, 45))
    torch.testing.assert_close(found.similarity[:, :4], torch.ones(7, 4), rtol=0, atol=1e-5)
    assert found.similarity[:, 4].max() < 0.999  # not of its group
    plain = ks.invariance(ks.TangentKernel(ordinary()), pictures(), "rotation", strengths=QUARTERS)
    torch.testing.assert_close(plain.similarity[:, 0], torch.ones(7), rtol=0, atol=1e-5)
    assert plain.similarity[:, 1:].max() < 0.9


@pytest.mark.parametrize("size", [1, 3, 16])
def test_it_is_the_similarity_of_each_sample_with_its_own_copy(size: int) -> None:
    kernel, strengths = ks.TangentKernel(ordinary()), (-30.0, 0.0, 90.0)
    found = ks.invariance(kernel, pictures(), "rotation", strengths=strengths, batch_size=size)
    for i, x in enumerate(pictures()):
        for f, strength in enumerate(strengths):
            alone = kernel.similarity(x[None], transforms.rotation(x[None], strength))
            assert found.similarity[i, f].item() == pytest.approx(alone.item(), abs=1e-5)


def test_baselines_are_asked_in_the_same_way() -> None:
    x = pictures()
    found = ks.invariance(ks.baselines.Inputs(), x, "rotation", strengths=[90])
    expected = torch.cosine_similarity(x.flatten(1), torch.rot90(x, 1, (2, 3)).flatten(1))
    torch.testing.assert_close(found.similarity[:, 0], expected)


def test_small_changes_follow_the_parabola() -> None:
    """1 − k ≈ ½ φ² ‖(I − ĝĝᵀ) ∂_φ g‖² / ‖g‖², from gradients by hand."""
    model = ordinary().double()[:3].append(nn.Linear(12, 1).double())
    x, direction = torch.randn(2, 1, 1, 8, 8, dtype=torch.float64)

    def gradient(step: float) -> Tensor:
        model.zero_grad()
        model(x + step * direction).sum().backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    g, slope = gradient(0), (gradient(1e-4) - gradient(-1e-4)) / 2e-4
    across = slope - g * (g @ slope) / (g @ g)
    curvature = float(across.norm() ** 2 / (g @ g))
    kernel = ks.TangentKernel(model)
    found = ks.invariance(kernel, x, lambda b, s: b + s * direction, strengths=[1e-3, 2e-3])
    expected = [curvature * step**2 / 2 for step in found.strengths]
    np.testing.assert_allclose((1 - found.similarity[0]).numpy(), expected, rtol=1e-2)


def test_labels_in_the_batch_stay_and_classes_get_curves() -> None:
    labels = torch.tensor([0, 0, 1, 1, 1, -1, 0])
    kernel = ks.TangentKernel(ordinary(), output=ks.outputs.OwnClass(label="batch"))
    x = pictures()
    found = ks.invariance(
        kernel, (x, labels.clamp_min(0)), "noise", strengths=[0, 0.5], labels=labels
    )
    torch.testing.assert_close(found.similarity[:, 0], torch.ones(7), rtol=0, atol=1e-5)
    rows = found.by_class().to_pylist()
    assert [(row["class"], row["strength"]) for row in rows] == [(0, 0), (0, 0.5), (1, 0), (1, 0.5)]
    assert [row["samples"] for row in rows] == [3, 3, 3, 3]
    own = found.similarity[labels == 1, 1].double()
    assert rows[3]["mean"] == pytest.approx(float(own.mean()))
    assert rows[3]["spread"] == pytest.approx(float(own.std(correction=0)))
    assert found.table().num_rows == 7
    assert len(found.figure().axes[0].lines) == 3  # two classes and the mean


@pytest.mark.filterwarnings("ignore::kinsight.errors.NonFiniteGradientWarning")
def test_a_sample_that_is_not_finite_is_nan_and_enters_no_mean() -> None:
    x = pictures()
    x[2, 0, 0, 0] = torch.nan
    found = ks.invariance(ks.TangentKernel(ordinary()), x, "rotation", strengths=[90])
    rest = ks.invariance(
        ks.TangentKernel(ordinary()), x[torch.arange(7) != 2], "rotation", strengths=[90]
    )
    assert found.similarity.isnan().nonzero()[:, 0].tolist() == [2]
    torch.testing.assert_close(found.mean(), rest.mean())
    torch.testing.assert_close(found.spread(), rest.spread())
    assert found.figure().axes


@pytest.mark.parametrize("family", transforms.FAMILIES)
def test_a_family_leaves_samples_as_they_are_at_its_neutral_strength(family: str) -> None:
    change, strengths, _ = transforms.FAMILIES[family]
    x = pictures(channels=3)
    neutral = 1.0 if family == "scale" else 0.0
    assert neutral in strengths
    torch.testing.assert_close(change(x, neutral), x, rtol=1e-5, atol=1e-5)
    for strength in strengths:
        moved = change(x, strength)
        assert moved.shape == x.shape
        torch.testing.assert_close(change(x[2:4], strength), moved[2:4])  # each by itself
        assert (
            strength == neutral or not torch.allclose(moved, x, atol=1e-2) or (abs(strength) == 360)
        )


def test_quarter_turns_are_the_limit_of_the_bilinear_ones() -> None:
    x = pictures()
    for degrees in (90, -90, 180, 270):
        near = transforms.rotation(x, degrees + 1e-4)
        torch.testing.assert_close(transforms.rotation(x, degrees), near, rtol=0, atol=1e-3)
    wide = torch.randn(2, 1, 4, 8)
    torch.testing.assert_close(
        transforms.rotation(wide, 180), transforms.rotation(wide, 180 + 1e-4), rtol=0, atol=1e-3
    )
    assert transforms.rotation(wide, 90).shape == wide.shape


def test_rotation_of_a_wide_picture_does_not_shear_it() -> None:
    """A disc in the middle stays one."""
    down, across = torch.meshgrid(torch.arange(41.0), torch.arange(81.0), indexing="ij")
    disc = (((down - 20).square() + (across - 40).square()) / -50).exp()[None, None]
    torch.testing.assert_close(transforms.rotation(disc, 37), disc, rtol=0, atol=0.01)


def test_shift_scale_noise_and_colour_do_what_they_say() -> None:
    x = pictures(channels=3)
    moved = transforms.shift(x, 2 / 8)
    torch.testing.assert_close(moved[..., 2:], x[..., :-2], rtol=0, atol=1e-5)
    down, across = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    blob = (((down - 20).square() + (across - 20).square()) / -50).exp()[None, None]
    larger = (((down - 20).square() + (across - 20).square()) / -200).exp()[None, None]
    torch.testing.assert_close(transforms.scale(blob, 2.0), larger, rtol=0, atol=0.01)
    added = transforms.noise(torch.zeros(3, 1, 100, 100), 0.5)
    assert float(added.std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(added[0], added[1])
    turned = transforms.colour(x, 120)
    torch.testing.assert_close(turned, x[:, [2, 0, 1]], rtol=0, atol=1e-5)
    grey = torch.ones(1, 3, 2, 2)
    torch.testing.assert_close(transforms.colour(grey, 77), grey)
    whole = transforms.colour(transforms.colour(x, 50), -50)
    torch.testing.assert_close(whole, x, rtol=0, atol=1e-5)
    assert math.isclose(float(transforms.colour(x, 33).norm()), float(x.norm()), rel_tol=1e-5)


def test_what_does_not_fit_is_refused_and_says_why() -> None:
    kernel, x = ks.TangentKernel(ordinary()), pictures()
    with pytest.raises(ArgumentError, match="'rotation'"):
        ks.invariance(kernel, x, "spin")
    with pytest.raises(ArgumentError, match="callable"):
        ks.invariance(kernel, x, 3)
    with pytest.raises(ArgumentError, match="strengths"):
        ks.invariance(kernel, x, lambda b, s: b)
    with pytest.raises(ArgumentError, match="got Sequential"):
        ks.invariance(ordinary(), x, "noise")
    raw = ks.TangentKernel(ordinary(), normalization=None)
    with pytest.raises(ArgumentError, match="normalised"):
        ks.invariance(raw, x, "noise")
    with pytest.raises(DataError, match="as many samples"):
        ks.invariance(kernel, x, lambda b, s: b[:1], strengths=[1])
    with pytest.raises(DataError, match="colour"):
        ks.invariance(kernel, x, "colour")
    with pytest.raises(DataError, match="pictures"):
        ks.invariance(ks.baselines.Inputs(), x[:, 0, 0], "rotation", strengths=[30])
    with pytest.raises(DataError, match="dict"):
        ks.invariance(kernel, {"x": x}, "noise")
    with pytest.raises(DataError, match="above 0"):
        ks.invariance(kernel, x, "scale", strengths=[0])
    with pytest.raises(ArgumentError, match="labels"):
        ks.invariance(kernel, x, "noise", strengths=[0]).by_class()
