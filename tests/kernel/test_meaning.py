"""What the numbers mean: closed forms, the influence theorem, projectors, probes, extremes."""

import pytest
import torch
from torch import nn

import kinsight as ks

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double().eval()


def test_a_linear_network_gives_the_cosine_of_inputs() -> None:
    model = nn.Linear(4, 3, bias=False).double()
    cosine = torch.nn.functional.cosine_similarity(X[:, None], X[None], dim=2)
    assert torch.allclose(ks.TangentKernel(model).similarity(X), cosine)
    assert torch.allclose(ks.TangentKernel(model, normalization="trace").similarity(X), cosine)
    assert torch.allclose(ks.TangentKernel(model).inner(X), 3 * X @ X.T)


def test_influence_is_what_a_small_step_does() -> None:
    """Move f(x) by v with the smallest parameter step, and see how f(y) moves."""
    model = net()
    kernel = ks.TangentKernel(model)
    influence = kernel.influence(X[:1], X[1:])[0]  # (M, D, D)
    v = torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)
    rows = [torch.autograd.grad(f, list(model.parameters())) for f in _outputs(model, X[:1])]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    step = torch.linalg.pinv(jacobian) @ v
    epsilon = 1e-6
    before = model(X[1:]).detach()
    _move(model, epsilon * step)
    change = (model(X[1:]).detach() - before) / epsilon
    assert torch.allclose(change, influence @ v, atol=1e-5)


def _outputs(model: nn.Module, x: torch.Tensor):
    return [model(x)[0, d] for d in range(3)]


@torch.no_grad()
def _move(model: nn.Module, step: torch.Tensor) -> None:
    start = 0
    for parameter in model.parameters():
        parameter += step[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()


def test_the_normalised_matrix_is_a_projector_and_bounded() -> None:
    matrix = ks.TangentKernel(net()).matrix(X)
    for i in range(6):
        assert torch.allclose(matrix[i, i], torch.eye(3, dtype=torch.float64), atol=1e-10)
    assert torch.linalg.svdvals(matrix).max() <= 1 + 1e-10
    assert torch.allclose(matrix, matrix.permute(1, 0, 3, 2), atol=1e-12)
    trace = matrix.diagonal(dim1=2, dim2=3).sum(2) / 3
    assert torch.allclose(trace, ks.TangentKernel(net()).similarity(X), atol=1e-12)


def test_probes_estimate_the_trace() -> None:
    exact = ks.TangentKernel(net(), normalization=None).inner(X)
    estimates = [
        ks.TangentKernel(net(), output=ks.outputs.Probes(4, seed), normalization=None).inner(X)
        for seed in range(200)
    ]
    mean = torch.stack(estimates).mean(0)
    error = torch.stack(estimates).std(0) / 200**0.5
    assert ((mean - exact).abs() < 5 * error + 1e-9).all()


def test_own_class_is_the_same_for_logits_and_log_probabilities() -> None:
    own = ks.outputs.OwnClass()
    a = ks.TangentKernel(net(), output=own).similarity(X)
    b = ks.TangentKernel(net(), output=lambda z, _: own(z.log_softmax(1), _)).similarity(X)
    assert torch.allclose(a, b, atol=1e-10)


def test_the_stable_loss_is_cross_entropy() -> None:
    labels = torch.arange(6) % 3
    scores = net()(X)
    expected = nn.functional.cross_entropy(scores, labels, reduction="none")
    assert torch.allclose(ks.outputs.Loss()(scores, (X, labels)), expected)


def test_the_fisher_form_measures_divergence() -> None:
    scores = net()(X).detach()
    step = 1e-4 * torch.randn(6, 3, dtype=torch.float64)
    a, b = scores.log_softmax(1), (scores + step).log_softmax(1)
    divergence = (a.exp() * (a - b)).sum(1)
    weights = scores.softmax(1)
    moved = weights.sqrt() * (step - (weights * step).sum(1, keepdim=True))
    assert torch.allclose(2 * divergence, moved.square().sum(1), rtol=1e-3)
    fisher = ks.outputs.Fisher()(scores, X)
    assert torch.allclose(fisher, weights.sqrt() * (scores - (weights * scores).sum(1, True)))


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_extreme_gradients_neither_vanish_nor_overflow_in_float32(size) -> None:
    model = net().float()
    plain = ks.TangentKernel(model).similarity(X.float())
    scaled = ks.TangentKernel(model, output=lambda z, b: z * size)
    assert torch.allclose(scaled.similarity(X.float()), plain, atol=1e-4)
    assert torch.allclose(scaled.density(X.float()), plain.sum(1), atol=1e-3)


def test_density_against_a_reference_counts_no_self() -> None:
    kernel = ks.TangentKernel(net())
    similarity = kernel.similarity(X, X[:2].clone())
    assert torch.allclose(kernel.density(X, X[:2].clone()), similarity.sum(1))
