"""A similarity is a sum over layers: K = Σ λ ⟨a, a'⟩, with λ from the backward signals.

A perceptual loss compares activities as well, but with one λ for each layer, the same for all
pairs; here λ belongs to the pair, and the sum is exact.
"""

import pytest
import torch
from hypothesis import assume, given
from torch import nn

import kinsight as ks
from properties.cases import Dense, dense, inputs, seeds, signals


@given(dense(), seeds)
def test_the_kernel_is_a_sum_over_layers_of_weighted_activities(model: Dense, seed: int) -> None:
    """Tr K = Σ_l Σ_d ⟨δ_d, δ'_d⟩ (⟨a, a'⟩ + 1), the 1 of the bias; to 1e-12."""
    x = inputs(5, model.layers[0].in_features, seed)
    kernel = ks.TangentKernel(model, normalization=None)
    total, size = torch.zeros(2, 5, 5, dtype=torch.float64)
    for read, delta in zip(*signals(model, x), strict=True):
        weight = torch.einsum("ndo,mdo->nm", delta, delta)  # λ of the layer, (N, N)
        total += weight * (read @ read.T + 1)
        size += weight.abs() * ((read @ read.T).abs() + 1)
    assert ((kernel.inner(x) - total).abs() <= 1e-12 * size).all()


@given(dense(), seeds)
def test_explain_returns_these_terms(model: Dense, seed: int) -> None:
    x = inputs(2, model.layers[0].in_features, seed)
    assume(float(model(x).detach().abs().min()) > 0.1)  # near 0 a lone sample is all rounding
    explained = ks.TangentKernel(model, normalization=None).explain(x[:1], x[1:])
    for place, (read, delta) in enumerate(zip(*signals(model, x), strict=True)):
        weight = float((delta[0] * delta[1]).sum())
        parts = {"weight": weight * float(read[0] @ read[1]), "bias": weight}
        for name, want in parts.items():
            scale = 1e-12 * float(delta.square().sum() * (1 + read.square().sum()))
            got = explained.layer(f"layers.{place}.{name}").share
            assert got == pytest.approx(want, abs=scale + 1e-300)


@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")
@given(dense(outputs=1), seeds)
def test_of_the_last_layer_alone_the_weights_are_one(model: Dense, seed: int) -> None:
    """A linear last layer of one output has δ = 1: its share is the product of activities."""
    x = inputs(5, model.layers[0].in_features, seed)
    read = model.steps(x)[0][-1].detach()
    last = f"layers.{len(model.layers) - 1}.weight"
    kernel = ks.TangentKernel(model, parameters=[last], normalization=None)
    torch.testing.assert_close(kernel.inner(x), read @ read.T)


def test_its_cosine_is_the_baseline_of_the_last_layer() -> None:
    model, x = Dense([3, 6, 5, 4], "tanh", seed=1), inputs(6, 3, 0)
    kernel = ks.TangentKernel(model, parameters=["layers.2.weight"])
    baseline = ks.baselines.LastLayer(model).similarity(x)
    torch.testing.assert_close(kernel.similarity(x), baseline)


def test_the_weights_belong_to_the_pair() -> None:
    """No fixed weight for each layer gives the kernel: λ of one layer even changes its sign."""
    model, x = Dense([3, 8, 8, 1], "tanh", seed=4), inputs(12, 3, 5)
    with torch.no_grad():
        for layer in model.layers:
            layer.weight.mul_(6)  # far from linear
    read, deltas = signals(model, x)
    delta = deltas[0][:, 0]
    weights = (delta @ delta.T)[~torch.eye(12, dtype=torch.bool)]
    assert weights.min() < 0 < weights.max()
    pairs = torch.triu_indices(12, 12, 1)
    terms = torch.stack([(each @ each.T + 1)[*pairs] for each in read], 1)  # (pairs, layers)
    want = ks.TangentKernel(model, normalization=None).inner(x)[*pairs]
    best = torch.linalg.lstsq(terms, want[:, None]).solution[:, 0]
    assert float((terms @ best - want).norm() / want.norm()) > 0.05


def test_a_shared_weight_adds_over_pairs_of_positions() -> None:
    """Σ_ts ⟨δ_t, δ'_s⟩ ⟨a_t, a'_s⟩: every use in x meets every use in x'."""
    model = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(21, 1)).double()
    x = inputs(2, 18, 0).reshape(2, 2, 9)
    kernel = ks.TangentKernel(model.eval(), parameters=["0.weight"], normalization=None)
    returned = model[0](x)
    (delta,) = torch.autograd.grad(model[3](returned.tanh().flatten(1)).sum(), returned)
    windows = x.unfold(2, 3, 1)  # (2, C, T, 3)
    signal = torch.einsum("ot,os->ts", delta[0], delta[1])
    seen = torch.einsum("ctk,csk->ts", windows[0], windows[1])
    torch.testing.assert_close(kernel.inner(x)[0, 1], (signal * seen).sum())
    explained = kernel.explain(x[:1], x[1:], pairs="0.weight")
    assert explained.pairs is not None
    torch.testing.assert_close(explained.pairs, signal * seen)
