"""Products of pairs in bfloat16: half the memory, a stated error, the same neighbours."""

import pytest
import torch
from torch import nn

import kinsight as ks


def network() -> nn.Module:
    """Convolutions whose gradients are written out, a linear layer whose are kept factored."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("normalization", ["whitened", "trace"])
def test_similarities_are_off_by_rounding_that_averages_out(normalization) -> None:
    model, x = network(), torch.randn(20, 3, 8, 8)
    want = ks.TangentKernel(model, normalization=normalization).similarity(x)
    rounded = ks.TangentKernel(model, normalization=normalization, products=torch.bfloat16)
    off = (rounded.similarity(x) - want).abs()
    assert 0 < off.max() < 2e-3
    assert off.median() < 2e-4


def test_the_matrix_form_is_rounded_alike_and_densities_are_not() -> None:
    model, x = network(), torch.randn(12, 3, 8, 8)
    plain, rounded = ks.TangentKernel(model), ks.TangentKernel(model, products=torch.bfloat16)
    off = (plain.matrix(x) - rounded.matrix(x)).abs()
    assert 0 < off.max() < 1e-2
    assert torch.equal(plain.density(x), rounded.density(x))


def test_what_is_written_out_takes_half_the_memory() -> None:
    model, x = network()[:4], torch.randn(4, 3, 8, 8)
    model.append(nn.Flatten())
    model.append(nn.AdaptiveAvgPool1d(3))
    plain, rounded = (
        ks.TangentKernel(model, products=products).on(x).footprint()
        for products in (None, torch.bfloat16)
    )
    assert rounded < 0.6 * plain


def test_other_precisions_are_refused() -> None:
    with pytest.raises(ks.errors.ArgumentError, match="products: expected one of"):
        ks.TangentKernel(network(), products=torch.float16)
