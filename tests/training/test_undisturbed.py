"""Training with a monitor gives the same bits as without: the promise that it stands on."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from kinsight.training.undisturbed import undisturbed
from training.cases import monitor, seeded, train


def test_training_gives_the_same_bits_with_and_without_looks(tmp_path) -> None:
    alone = train(seeded(), 6)
    model = seeded()
    with monitor(model, tmp_path / "looks", every=1) as watched:
        together = train(model, 6, watched.step)
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    assert all(module.training for module in model.modules())
    assert len(watched) == 7


def test_a_look_between_forward_and_backward_and_amid_accumulation_changes_nothing(
    tmp_path,
) -> None:
    alone = train(seeded(), 4)
    model = seeded()
    watched = monitor(model, tmp_path / "looks")
    together = train(model, 4, between=watched.look)
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    assert len(watched) == 13


class Restless(nn.Module):
    """Writes its buffers in evaluation mode, too, draws numbers, and casts as accelerate does."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))
        self.register_buffer("still", torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        self.replaced = self.replaced + 1
        return self.inner(x) * self.still


def test_every_part_of_the_state_is_put_back() -> None:
    model = Restless()
    model.inner.eval()  # a part that its owner froze
    buffers, version = dict(model.named_buffers()), model.still._version
    model.inner.weight.grad = gradient = torch.ones(2, 3)
    states = random.getstate(), str(np.random.get_state()), torch.get_rng_state()

    def broken() -> None:
        with undisturbed(model):
            assert not model.training
            random.random(), np.random.rand(), torch.rand(2)
            model(torch.randn(4, 3)).sum().backward()
            model.inner.weight.grad = None
            raise KeyError  # an error on the way, too

    with pytest.raises(KeyError):
        broken()
    assert model.training
    assert not model.inner.training
    assert dict(model.named_buffers()).keys() == buffers.keys()
    assert all(now is buffers[name] for name, now in model.named_buffers())
    assert (float(model.seen), float(model.replaced)) == (0.0, 0.0)
    assert model.still._version == version  # not written to: a graph may hold on to it
    assert model.inner.weight.grad is gradient
    assert model.inner.bias.grad is None
    assert random.getstate() == states[0]
    assert str(np.random.get_state()) == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_body_runs_in_full_precision_and_with_autograd() -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad(), undisturbed(model):
        assert model(x).dtype == torch.float32
        assert model(x).requires_grad
    with torch.inference_mode(), undisturbed(model):
        assert model(x).requires_grad


def test_the_forward_below_a_casting_one_is_used_and_the_casting_one_comes_back() -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    model._original_forward = model.forward
    model.forward = casting = torch.autocast("cpu", torch.bfloat16)(model.forward)
    with undisturbed(model):
        assert model(x).dtype == torch.float32
    assert model.forward is casting
    assert model(x).dtype == torch.bfloat16


def test_spectral_normalisation_keeps_its_vectors(tmp_path) -> None:
    torch.manual_seed(0)
    model = parametrizations.spectral_norm(nn.Linear(4, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monitor(model, tmp_path / "looks")
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
