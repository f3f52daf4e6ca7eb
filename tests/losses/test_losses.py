"""Both losses against formulas written out in float64, their errors, and how people train."""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import kinsight as ks
from kinsight.errors import (
    ArgumentError,
    NetworkError,
    PairError,
    TrainingModeError,
    ZeroGradientWarning,
)
from kinsight.losses import InvarianceLoss, SimilarityLoss
from kinsight.losses.products import InverseRoot

OWN = ks.outputs.OwnClass()


def network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, stride=2), nn.GELU(),
        nn.Flatten(), nn.Linear(18, 3),
    ).to(dtype)  # fmt: skip


def images(count: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(seed)
    coarse = torch.randn(count, 1, 3, 3, dtype=torch.float64)
    return functional.interpolate(coarse, size=(8, 8), mode="bicubic").to(dtype)


def brighter(batch: Tensor, angle: Tensor) -> Tensor:
    return batch + angle[:, None, None, None] * batch.square()


def turned(batch: Tensor, angle: Tensor) -> Tensor:
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, mode="bicubic", align_corners=False)


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
    _check_gradient(model, lambda: loss(x, y))


@pytest.mark.parametrize("projected", [True, False])
@pytest.mark.parametrize("reduce", ["samples", "means"])
def test_gradient_of_the_invariance_loss(projected, reduce) -> None:
    model, x = network(), images(3)
    loss = InvarianceLoss(model, brighter, projected=projected, reduce=reduce, output=OWN)
    _check_gradient(model, lambda: loss(x))


def _check_gradient(model: nn.Module, value) -> None:
    """∂/∂θ along a random direction against a central difference."""
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(value(), parameters, allow_unused=True)
    torch.manual_seed(7)
    directions = [torch.randn_like(p) for p in parameters]
    ours = sum(
        float((g * d).sum()) for g, d in zip(gradient, directions, strict=True) if g is not None
    )
    step, ends = 1e-5, []
    for sign in (step, -2 * step):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += sign * direction
        ends.append(float(value().detach()))
    assert abs(ours) > 1e-6
    assert ours == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


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


@pytest.mark.parametrize("sign", [1, -1])
def test_training_with_the_term_alone_moves_the_similarity(sign) -> None:
    model, x = network(), images(6)
    loss = SimilarityLoss(model, pairs=lambda b: turned(b, torch.full((6,), 0.5, dtype=b.dtype)),
                          output=OWN, sign=sign)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    before = float(loss.similarity(x).mean())
    for _ in range(15):
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()
    assert sign * (float(loss.similarity(x).mean()) - before) > 0.05


def test_gradients_accumulate_over_steps_as_over_one() -> None:
    model, x, y = network(), images(4), images(4, 2)
    loss = SimilarityLoss(model, output=OWN)
    loss(x, y).backward()
    whole = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    for part in (slice(0, 2), slice(2, 4)):
        (loss(x[part], y[part]) / 2).backward()
    parts = [p.grad for p in model.parameters() if p.grad is not None]
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-11)


def test_wrapped_by_compile_and_frozen_parts() -> None:
    model, x, y = network(), images(3), images(3, 2)
    expected = SimilarityLoss(model, output=OWN)(x, y)
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(SimilarityLoss(compiled, output=OWN)(x, y), expected)
    last = SimilarityLoss(model, output=OWN, parameters="5.*")(x, y)
    kernel = ks.TangentKernel(model, output=OWN, parameters="5.*")
    torch.testing.assert_close(-last.detach(), kernel.similarity(x, y).diagonal().mean())
    last.backward()
    assert model[0].weight.grad.abs().max() > 0  # an earlier layer shapes what the last one sees


def test_mixed_precision_is_close_to_full_precision() -> None:
    model, x, y = network(dtype=torch.float32), images(4).float(), images(4, 2).float()
    # One output, not the predicted class: that may be another one in half precision.
    loss = SimilarityLoss(model, output=lambda outputs, batch: outputs[:, 0])
    expected = loss(x, y).detach()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(x, y)
    value.backward()
    assert value.detach() == pytest.approx(float(expected), abs=0.03)
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


class Checkpointed(nn.Module):
    def __init__(self, inner: nn.Sequential):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        middle = checkpoint(self.inner[:4], x, use_reentrant=False)
        return self.inner[4:](middle)


def test_gradient_checkpointing_changes_nothing() -> None:
    model, x, y = network(), images(3), images(3, 2)
    twin = copy.deepcopy(model)
    for reduce in ("pairs", "means"):
        plain = SimilarityLoss(model, output=OWN, reduce=reduce)(x, y)
        kept = SimilarityLoss(Checkpointed(twin), output=OWN, reduce=reduce)(x, y)
        torch.testing.assert_close(kept, plain)
        plain.backward(), kept.backward()
    ours = [p.grad for p in twin.parameters() if p.grad is not None]
    torch.testing.assert_close(ours, [p.grad for p in model.parameters() if p.grad is not None])


def test_batch_norm_in_training_asks_for_means() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    with pytest.raises(TrainingModeError, match=r"reduce='means'"):
        SimilarityLoss(model)(x, x + 0.1)
    _check_gradient(model, lambda: SimilarityLoss(model, reduce="means")(x, x.flip(0) + x**2))
    _check_gradient(model.eval(), lambda: SimilarityLoss(model)(x, x.flip(0) + x**2))


def test_pairs_without_a_gradient_are_left_out_and_told() -> None:
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [1.0]])
    loss = SimilarityLoss(model)
    with pytest.warns(ZeroGradientWarning, match="1 of 2"):
        assert len(loss.similarity(x, y)) == 1
    with pytest.raises(PairError, match="expected samples with a gradient"):
        loss(-x[:1], y[:1])


def test_bad_input_is_named() -> None:
    model, x = network(), images(3)
    labelled = SimilarityLoss(model, pairs="labels", output=OWN)
    with pytest.raises(PairError, match="same label"):
        labelled(x, labels=torch.tensor([0, 1, 2]))
    with pytest.raises(PairError, match="expected labels"):
        labelled(x)
    with pytest.raises(PairError, match="3 labels"):
        labelled(x, labels=[0, 0])
    given = SimilarityLoss(model, output=OWN)
    with pytest.raises(PairError, match="no y"):
        given(x)
    with pytest.raises(PairError, match="as many samples"):
        given(x, x[:2])
    with pytest.raises(PairError, match="shape"):
        given(x, x[..., :4])
    with pytest.raises(PairError, match="empty batch"):
        given(x[:0], x[:0])
    with pytest.raises(ArgumentError, match="weight"):
        SimilarityLoss(model, weight=-1.0)
    with pytest.raises(ArgumentError, match="pairs"):
        SimilarityLoss(model, pairs="neighbours")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="Tr K only"):
        SimilarityLoss(model, output=ks.outputs.Probes(2))
    with pytest.raises(PairError, match="does not"):
        InvarianceLoss(model, lambda batch, angle: batch)(x)
    with pytest.raises(NetworkError, match=r"grid_sampler.*step="):
        InvarianceLoss(model, turned)(x)


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ks.errors.KinsightWarning)
        SimilarityLoss(network(), output=OWN)(images(3), images(3, 2)).backward()
