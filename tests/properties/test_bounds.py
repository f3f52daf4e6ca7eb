"""Where the numbers lie: similarities, their matrices and angles, densities of every kind."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import kinsight as ks
from kinsight.kernel.whitening import Normalization
from properties.cases import Dense, dense, gradients, inputs, seeds

NORMALIZATIONS: tuple[Normalization, ...] = ("whitened", "trace")


def similarities(model: Dense, x: Tensor, normalization: Normalization = "whitened") -> Tensor:
    return ks.TangentKernel(model, normalization=normalization).similarity(x)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(), seed=seeds)
def test_similarities_are_cosines(normalization: Normalization, model: Dense, seed: int) -> None:
    """In [−1, 1], 1 with itself, the same both ways, no negative eigenvalue.

    Cosines need no more: their angles are a distance, arccos k(x, z) ≤ the sum by way of y.
    """
    k = similarities(model, inputs(6, model.layers[0].in_features, seed), normalization)
    assert float(k.abs().max()) <= 1
    torch.testing.assert_close(k, k.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(k.diagonal(), torch.ones(6, dtype=torch.float64))
    assert float(torch.linalg.eigvalsh(k)[0]) > -1e-12
    angle = k.arccos()
    assert (angle[:, None, :] <= angle[:, :, None] + angle[None] + 1e-6).all()  # (x, y, z)


def test_the_bounds_are_reached() -> None:
    model = Dense([2, 1], "tanh", 0, bias=False)
    x = torch.tensor([[1.0, 1.0], [-2.0, -2.0], [1.0, -1.0]], dtype=torch.float64)
    want = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(similarities(model, x), want)


@given(dense(outputs=3), seeds)
def test_the_normalised_matrix_has_the_cosines_of_principal_angles(model, seed: int) -> None:
    """K_C has singular values and entries ≤ 1; the angles are those between the rows of J, J'."""
    x = inputs(4, model.layers[0].in_features, seed)
    matrix = ks.TangentKernel(model).matrix(x)  # (N, N, D, D)
    assert float(matrix.abs().max()) <= 1 + 1e-10
    got = torch.linalg.svdvals(matrix)
    assert float(got.max()) <= 1 + 1e-10
    bases = torch.linalg.qr(gradients(model, x).mT)[0]  # (N, P, D)
    want = torch.linalg.svdvals(torch.einsum("npd,mpe->nmde", bases, bases))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-8)
    torch.testing.assert_close(matrix, matrix.permute(1, 0, 3, 2), rtol=0, atol=1e-12)


@given(dense(outputs=2), seeds)
def test_two_outputs_have_a_closed_form_up_to_rotations(model: Dense, seed: int) -> None:
    """½ √(‖K_C‖² + 2 det K_C)."""
    x = inputs(4, model.layers[0].in_features, seed)
    kernel = ks.TangentKernel(model)
    matrix = kernel.matrix(x)
    inside = matrix.square().sum((2, 3)) + 2 * torch.linalg.det(matrix)
    want = inside.clamp_min(0).sqrt() / 2
    torch.testing.assert_close(kernel.rotation_similarity(x), want, rtol=0, atol=1e-7)


@given(dense(outputs=1), seeds)
def test_influence_is_similarity_times_the_quotient_of_norms(model: Dense, seed: int) -> None:
    """k_N(x, x') = g·g' / ‖g‖²: not symmetric, not bounded by 1; k_N(x, x') k_N(x', x) = k²."""
    x = inputs(4, model.layers[0].in_features, seed)
    kernel = ks.TangentKernel(model)
    influence, k = kernel.influence(x)[:, :, 0, 0], kernel.similarity(x)
    norms = kernel.inner(x).diagonal().sqrt()
    torch.testing.assert_close(influence, k * norms[None] / norms[:, None])
    torch.testing.assert_close(influence * influence.T, k.square())


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(), seed=seeds)
def test_soft_density_lies_between_two_minus_n_and_n(normalization, model, seed: int) -> None:
    """The sample itself counts 1; all together they are ‖Σ A‖², so the mean is never negative."""
    x = inputs(7, model.layers[0].in_features, seed)
    density = ks.TangentKernel(model, normalization=normalization).density(x)
    assert float(density.min()) >= 2 - 7 - 1e-9
    assert float(density.max()) <= 7 + 1e-9
    assert float(density.sum()) >= -1e-9
    k = similarities(model, x, normalization)
    torch.testing.assert_close(density, k.sum(1), rtol=0, atol=1e-10)
    if bool((k >= 0).all()):
        assert float(density.min()) >= 1 - 1e-9


def test_a_soft_density_below_one_is_possible_and_the_bounds_are_reached() -> None:
    model = Dense([2, 1], "tanh", 0, bias=False)
    direction = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    x = torch.cat([direction, -direction, -3 * direction])
    assert ks.TangentKernel(model).density(x).tolist() == pytest.approx([-1, 1, 1])
    assert ks.TangentKernel(model).density(x.abs()).tolist() == pytest.approx([3, 3, 3])


@given(dense(), seeds, st.floats(0.05, 1), st.floats(0.5, 8))
def test_counts_and_powers_lie_between_one_and_n(model, seed, threshold, power) -> None:
    source = ks.TangentKernel(model).on(inputs(7, model.layers[0].in_features, seed))
    scores = [
        ks.density(source, "hard", threshold=threshold - 1e-9).score,
        ks.density(source, "power", power=power).score,
        ks.density(source, "square").score,
    ]
    for score in scores:
        assert float(score.min()) >= 1 - 1e-9
        assert float(score.max()) <= 7 + 1e-9


@given(dense(), seeds)
def test_the_counts_of_all_thresholds_add_up_to_the_positive_similarities(model, seed) -> None:
    """∫₀¹ N_τ dτ = Σ max(k, 0): midpoints of 50 steps, each sample off by half a step at most."""
    source = ks.TangentKernel(model).on(inputs(7, model.layers[0].in_features, seed))
    middles = (torch.arange(50) + 0.5) / 50
    counts = [ks.density(source, "hard", threshold=float(t)).score for t in middles]
    integral = torch.stack(counts).mean(0)
    want = ks.density(source, "power", power=1.0).score
    assert float((integral - want).abs().max()) <= 7 * 0.5 / 50 + 1e-9
