"""Similarity up to a rotation of the outputs: the best of many rotations, and what leaves it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import kinsight as ks
import oracle
from kinsight.kernel.rotation import best_trace


def rotations(count: int, d: int, seed: int) -> Tensor:
    """Random rotations of R^d: (count, d, d), float64."""
    noise = torch.randn(count, d, d, generator=torch.Generator().manual_seed(seed)).double()
    turned = torch.linalg.qr(noise)[0]
    turned[:, :, 0] *= torch.linalg.det(turned).sign()[:, None]
    return turned


def climbed(matrix: Tensor, seed: int) -> float:
    """The largest Tr(M R) that gradient ascent over R = exp(antisymmetric) R₀ finds."""
    d, best = len(matrix), -float("inf")
    for start in rotations(8, d, seed):
        turned = start.clone()
        for _ in range(300):
            product = turned @ matrix
            step = (product.T - product) * (0.3 / matrix.norm().clamp_min(1e-9))
            turned = torch.matrix_exp(step) @ turned
        best = max(best, float((matrix @ turned).trace()))
    return best


@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize("mirrored", [False, True])
def test_no_rotation_found_by_ascent_is_better_and_the_best_is_found(d, mirrored) -> None:
    matrix = torch.randn(d, d, generator=torch.Generator().manual_seed(d)).double()
    if (torch.linalg.det(matrix) < 0) != mirrored:
        matrix[0] *= -1
    assert float(best_trace(matrix)) == pytest.approx(climbed(matrix, 5), abs=1e-6)


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_the_closed_forms_agree_whatever_the_rank(d: int, rank: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.randn(2, d, max(1, min(rank, d)), generator=generator).double()
    matrix = left @ right.T
    u, s, v = torch.linalg.svd(matrix)
    s[-1] *= torch.linalg.det(u @ v)
    assert float(best_trace(matrix)) == pytest.approx(float(s.sum()), abs=1e-9)


def net(d: int) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, d)).double().eval()


X = torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("normalization", ["whitened", "trace"])
def test_rotating_each_samples_outputs_changes_nothing(d, normalization) -> None:
    model, turned = net(d), rotations(5, d, 1)
    plain = ks.TangentKernel(model, normalization=normalization)

    def rotated(z: Tensor, batch: tuple) -> Tensor:
        return torch.einsum("bde,be->bd", batch[1], z)

    ours = ks.TangentKernel(model, output=rotated, normalization=normalization)
    best = plain.rotation_similarity(X)
    assert torch.allclose(ours.rotation_similarity((X, turned)), best, atol=1e-9)
    if d > 1:
        assert not torch.allclose(ours.similarity((X, turned)), plain.similarity(X), atol=1e-2)
        assert best.min() >= 0
    assert (best >= plain.similarity(X) - 1e-9).all()
    assert best.max() <= 1
    assert torch.allclose(best, best.T)
    assert torch.allclose(best.diagonal(), torch.ones(5).double())


@pytest.mark.parametrize("d", [2, 3])
def test_it_is_the_best_trace_of_the_oracles_matrix_and_one_sample_set_apart_is_nan(d) -> None:
    model = net(d)
    jacobian = oracle.jacobian(model, X)
    want = best_trace(oracle.normalized_matrix(jacobian, jacobian)) / d
    assert torch.allclose(ks.TangentKernel(model).rotation_similarity(X), want, atol=1e-9)
    spoilt = X.clone()
    spoilt[2] = torch.nan
    with pytest.warns(ks.errors.NonFiniteGradientWarning):
        got = ks.TangentKernel(model).rotation_similarity(spoilt)
    rest = [0, 1, 3, 4]
    assert got[2].isnan().all()
    assert torch.allclose(got[rest][:, rest], want[rest][:, rest], atol=1e-9)
