"""The same samples in any container, batches of any size, any wrapper: the same kernel."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import kinsight as ks

X = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(7) % 3


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).eval()


class Named(nn.Module):
    """A network with keyword inputs and an output object, as in Hugging Face libraries."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, values, mask=None, labels=None):
        assert labels is None
        scale = 1 if mask is None else mask[:, None]
        return {"logits": self.inner(values) * scale, "loss": None}


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        TensorDataset(X, Y),
        TensorDataset(X),
        DataLoader(TensorDataset(X, Y), batch_size=3),
        DataLoader(TensorDataset(X), batch_size=2),
        Subset(TensorDataset(X, Y), range(7)),
    ],
)
def test_containers_agree(model, data) -> None:
    kernel = ks.TangentKernel(model)
    assert torch.allclose(kernel.similarity(data), kernel.similarity(X), atol=1e-6)
    assert torch.allclose(kernel.density(data), kernel.density(X), atol=1e-5)


def test_dicts_give_keywords_and_leave_labels_out(model) -> None:
    data = {"values": X, "mask": torch.ones(7), "labels": Y, "unknown": Y}
    ours = ks.TangentKernel(Named(model)).similarity(data)
    assert torch.allclose(ours, ks.TangentKernel(model).similarity(X), atol=1e-6)
    own = ks.TangentKernel(Named(model), output=ks.outputs.OwnClass("batch")).similarity(data)
    same = ks.TangentKernel(model, output=ks.outputs.OwnClass("batch")).similarity((X, Y))
    assert torch.allclose(own, same, atol=1e-6)


def test_a_forward_of_ones_own(model) -> None:
    kernel = ks.TangentKernel(model, forward=lambda m, batch: m(batch["a"]))
    assert torch.allclose(
        kernel.similarity({"a": X}), ks.TangentKernel(model).similarity(X), atol=1e-6
    )


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_wrappers_are_taken_off(model, wrap) -> None:
    ours = ks.TangentKernel(wrap(model))
    assert ours.function.model is model
    assert torch.equal(ours.similarity(X), ks.TangentKernel(model).similarity(X))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("budget", [1 << 20, None])
def test_batches_and_budgets_do_not_matter(model, batch_size, budget) -> None:
    kernel = ks.TangentKernel(
        model, batch_size=batch_size, memory_budget=budget, dtype=torch.float64
    )
    whole = ks.TangentKernel(model, dtype=torch.float64)
    assert torch.allclose(kernel.similarity(X), whole.similarity(X), atol=1e-12)
    assert torch.allclose(kernel.matrix(X, X[:2]), whole.matrix(X, X[:2]), atol=1e-12)
    assert torch.allclose(kernel.density(X, X[:3]), whole.density(X, X[:3]), atol=1e-12)


def test_the_model_is_left_as_it_was(model) -> None:
    before = {name: p.clone() for name, p in model.named_parameters()}
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    kernel = ks.TangentKernel(model, parameters=["0.*"], dtype=torch.float64)
    kernel.similarity(X)
    kernel.density(X)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad == flags[name]
        assert parameter.grad is None
        assert parameter.dtype == torch.float32


def test_named_frozen_parameters_count_and_stay_frozen(model) -> None:
    whole = ks.TangentKernel(model).inner(X)
    model.requires_grad_(False)
    kernel = ks.TangentKernel(model, parameters="*")
    assert torch.allclose(kernel.inner(X), whole)
    assert not any(p.requires_grad for p in model.parameters())


def test_parts_of_the_parameters_add_up(model) -> None:
    parts = [ks.TangentKernel(model, parameters=[p]).inner(X) for p in ("0.*", "2.*")]
    assert torch.allclose(sum(parts), ks.TangentKernel(model).inner(X), rtol=1e-5)


def test_bfloat16_by_choice(model) -> None:
    rough = ks.TangentKernel(model, dtype=torch.bfloat16).similarity(X)
    fine = ks.TangentKernel(model, dtype=torch.float64).similarity(X)
    assert (rough.double() - fine).abs().max() < 0.05
