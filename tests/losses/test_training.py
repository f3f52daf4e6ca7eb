"""The terms as people train with them: accumulated, wrapped, in half precision, in training."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import kinsight as ks
from kinsight.errors import TrainingModeError
from kinsight.losses import SimilarityLoss
from losses.cases import OWN, check_gradient, images, network, turned


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
    check_gradient(model, lambda: SimilarityLoss(model, reduce="means")(x, x.flip(0) + x**2))
    check_gradient(model.eval(), lambda: SimilarityLoss(model)(x, x.flip(0) + x**2))


def test_the_term_leaves_running_statistics_and_the_mode_as_they_are() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(6, 3, dtype=torch.float64)
    loss = SimilarityLoss(model, reduce="means")(x, x.flip(0) + x**2)
    loss.backward()
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.training


def test_dropout_in_training_is_drawn_once_a_pass() -> None:
    torch.manual_seed(0)
    layers = (nn.Linear(3, 40), nn.Tanh(), nn.Dropout(0.5), nn.Linear(40, 1))
    model = nn.Sequential(*layers).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    loss = SimilarityLoss(model)
    loss(x, x)  # the first pass also reads how the network is wired
    torch.manual_seed(3)
    value = loss.similarity(x, x.clone())
    torch.manual_seed(3)
    rows = model(torch.cat([x, x]))[:, 0]
    gradients = torch.stack([
        torch.cat([g.flatten() for g in
                   torch.autograd.grad(row, list(model.parameters()), retain_graph=True)])
        for row in rows
    ])  # fmt: skip
    expected = functional.cosine_similarity(gradients[:5], gradients[5:])
    torch.testing.assert_close(value.detach(), expected)
