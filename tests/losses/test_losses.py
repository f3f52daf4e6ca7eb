"""Both losses against formulas written out in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import kinsight as ks
from kinsight.losses import InvarianceLoss, SimilarityLoss
from kinsight.losses.products import InverseRoot
from losses.cases import OWN, brighter, check_gradient, images, network, turned


@pytest.mark.parametrize("normalization", ["whitened", "trace"])
@pytest.mark.parametrize("output", [None, OWN])
def test_similarity_is_that_of_the_kernel(normalization, output) -> None:
    model, x, y = network(), images(4), images(4, 2)
    loss = SimilarityLoss(model, normalization=normalization, output=output)
    kernel = ks.TangentKernel(model, normalization=normalization, output=output)
    torch.testing.assert_close(
        loss.similarity(x, y).detach(), kernel.similarity(x, y).diagonal(), rtol=1e-9, atol=1e-9
    )
    by_kernel = SimilarityLoss(kernel).similarity(x, y)
    torch.testing.assert_close(by_kernel, loss.similarity(x, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalization", ["whitened", "trace"])
@pytest.mark.parametrize("reduce", ["pairs", "means"])
def test_gradient_of_the_similarity_loss(normalization, reduce) -> None:
    model, x, y = network(), images(3), images(3, 2)
    loss = SimilarityLoss(model, normalization=normalization, reduce=reduce, weight=0.7)
    check_gradient(model, lambda: loss(x, y))


@pytest.mark.parametrize("projected", [True, False])
@pytest.mark.parametrize("reduce", ["samples", "means"])
def test_gradient_of_the_invariance_loss(projected, reduce) -> None:
    model, x = network(), images(3)
    loss = InvarianceLoss(model, brighter, projected=projected, reduce=reduce, output=OWN)
    check_gradient(model, lambda: loss(x))


@pytest.mark.parametrize("output", [OWN, None])
@pytest.mark.parametrize(
    ("transform", "step"), [(brighter, None), (brighter, 1e-4), (turned, 1e-4)]
)
def test_similarity_falls_by_half_the_square_times_the_rate(output, transform, step) -> None:
    """1 − k(x, T_φ x) = ½ φ² ‖(I − ĝĝᵀ) ∂_φ g‖²/‖g‖² + O(φ³)."""
    model, x = network(), images(4)
    rates = InvarianceLoss(model, transform, step=step, output=output).rates(x)
    kernel = ks.TangentKernel(model, output=output, normalization="trace")
    for angle, error in ((1e-2, 0.1), (1e-3, 0.01)):
        angles = torch.full((4,), angle, dtype=x.dtype)
        moved = kernel.similarity(x, transform(x, angles)).diagonal()
        torch.testing.assert_close(
            2 * (1 - moved) / angle**2, rates.detach(), rtol=error, atol=1e-6
        )


def test_what_is_not_projected_counts_the_change_of_the_norm_too() -> None:
    model, x = network(), images(4)
    projected, whole = (
        InvarianceLoss(model, brighter, projected=p, output=OWN).rates(x) for p in (True, False)
    )
    kernel = ks.TangentKernel(model, output=OWN)
    step = torch.full((4,), 1e-5, dtype=x.dtype)
    ends = [kernel.on(brighter(x, sign * step)).norms().log() for sign in (1, -1)]
    growth = (ends[0] - ends[1]) / 2e-5  # ∂_φ log ‖g‖
    torch.testing.assert_close(whole - projected, growth.square(), rtol=1e-5, atol=1e-8)


def test_the_inverse_root_where_eigenvalues_coincide_and_where_they_vanish() -> None:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(2, 4, 4, dtype=torch.float64)).Q
    values = torch.tensor([[2.0, 2.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]], dtype=torch.float64)
    matrix = ((basis * values[:, None]) @ basis.mT).requires_grad_()

    def root(value: Tensor) -> Tensor:
        return InverseRoot.apply((value + value.mT) / 2, 1e-12)[0]

    assert torch.autograd.gradcheck(root, matrix)
    factor = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)  # rank 2 throughout
    assert torch.autograd.gradcheck(lambda f: root(f @ f.mT), factor)


def test_pairs_by_label_are_all_pairs_of_equal_label() -> None:
    model, x = network(), images(5)
    labels = torch.tensor([0, 1, 0, -1, 0])
    loss = SimilarityLoss(model, pairs="labels", output=OWN, weight=2.0, sign=-1)
    k = ks.TangentKernel(model, output=OWN).similarity(x)
    expected = 2 * (k[0, 2] + k[0, 4] + k[2, 4]) / 3
    torch.testing.assert_close(loss(x, labels=labels).detach(), expected)


def test_means_compare_the_mean_gradients() -> None:
    model, x, y = network(), images(3), images(3, 2)
    loss = SimilarityLoss(model, reduce="means", output=OWN)
    gradients = []
    for batch in (x, y):
        rows = OWN(model(batch), batch)
        found = torch.autograd.grad(rows.mean(), list(model.parameters()))
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    expected = functional.cosine_similarity(*gradients, dim=0)
    torch.testing.assert_close(loss.similarity(x, y)[0].detach(), expected)
