"""The terms as people train with them: accumulated, wrapped, in half precision, in training."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import kinsight as ks
from kinsight.errors import NetworkError, TrainingModeError
from kinsight.losses import InvarianceLoss, SimilarityLoss
from losses.cases import OWN, brighter, check_gradient, images, network, turned


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


def one_output(outputs: Tensor, batch: Tensor) -> Tensor:
    """Not the predicted class: that may be another one in half precision."""
    return outputs[:, 0]


def terms(model: nn.Module, output=OWN) -> list:
    """Both losses, each as a function of a slice of the same batch."""
    dtype = next(model.parameters()).dtype
    x, y = images(4, dtype=dtype), images(4, 2, dtype=dtype)
    alike = SimilarityLoss(model, output=output)
    invariant = InvarianceLoss(model, brighter, output=output)
    return [lambda part: alike(x[part], y[part]), lambda part: invariant(x[part])]


def gradients(model: nn.Module) -> list[Tensor]:
    """Taken off the network."""
    found = [p.grad for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return found


BOTH = pytest.mark.parametrize("which", [0, 1], ids=["similarity", "invariance"])
ALL = slice(None)


@BOTH
def test_gradients_accumulate_over_steps_as_over_one(which) -> None:
    model = network()
    term = terms(model)[which]
    term(ALL).backward()
    whole = gradients(model)
    for part in (slice(0, 2), slice(2, 4)):
        (term(part) / 2).backward()
    torch.testing.assert_close(gradients(model), whole, rtol=1e-9, atol=1e-11)


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


@BOTH
@pytest.mark.parametrize("how", ["the network", "in place", "the whole step"])
def test_a_compiled_step_has_the_gradient_of_an_eager_one(which, how) -> None:
    """Graphs of aot_autograd have no second derivative: the term is computed beside them."""
    model, x = network(), images(4)
    twin = copy.deepcopy(model)

    def step(network: nn.Module, term) -> Tensor:
        return network(x).square().mean() + term(ALL)

    step(model, terms(model)[which]).backward()
    whole = gradients(model)
    wrapped, run = twin, step
    if how == "the network":
        wrapped = torch.compile(twin, backend="aot_eager")
    elif how == "in place":
        twin.compile(backend="aot_eager")
    else:
        run = torch.compile(step, backend="aot_eager")
    run(wrapped, terms(wrapped)[which]).backward()
    torch.testing.assert_close(gradients(twin), whole, rtol=1e-9, atol=1e-11)
    torch.compiler.reset()


@BOTH
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_mixed_precision_is_close_to_full_precision(which, half) -> None:
    model = network(dtype=torch.float32)
    term = terms(model, one_output)[which]
    expected = term(ALL)
    expected.backward()
    whole = torch.cat([g.flatten() for g in gradients(model)])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=half == torch.float16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with torch.autocast("cpu", half):
        value = term(ALL)
    scaler.scale(value).backward()
    scaler.unscale_(optimizer)
    found = torch.cat([g.flatten() for g in gradients(model)])
    assert value.detach() == pytest.approx(float(expected.detach()), abs=0.03)
    # Eight bits of bfloat16, eleven of float16.
    assert float((found - whole).norm() / whole.norm()) < (0.1 if half == torch.bfloat16 else 0.01)


class Checkpointed(nn.Module):
    def __init__(self, inner: nn.Sequential, reentrant: bool = False):
        super().__init__()
        self.inner, self.reentrant = inner, reentrant

    def forward(self, x: Tensor) -> Tensor:
        if self.reentrant:  # needs an input with a gradient
            x = x.detach().requires_grad_()
        middle = checkpoint(self.inner[:4], x, use_reentrant=self.reentrant)
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


@pytest.mark.parametrize("reduce", ["pairs", "means"])
def test_checkpointing_that_hides_parameters_is_refused(reduce) -> None:
    model, x, y = Checkpointed(network(), reentrant=True), images(3), images(3, 2)
    with pytest.raises(NetworkError, match="use_reentrant=False"):
        SimilarityLoss(model, output=OWN, reduce=reduce)(x, y)


@pytest.mark.parametrize("reduce", ["samples", "means"])
def test_tangents_do_not_go_through_checkpoints(reduce) -> None:
    model = Checkpointed(network())
    with pytest.raises(NetworkError, match=r"activation checkpointing.*SimilarityLoss"):
        InvarianceLoss(model, brighter, output=OWN, reduce=reduce)(images(3))


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
