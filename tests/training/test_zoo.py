"""A look at every architecture of the zoo, in training mode, leaves its state as it was."""

import random

import numpy as np
import pytest
import torch

import kinsight as ks
from architectures.zoo import ZOO
from kinsight.training.undisturbed import undisturbed

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", ZOO)
def test_the_state_stays(name) -> None:
    model, batch = ZOO[name].network().train(), ZOO[name].batch(4)
    parameters = [(p, p.detach().clone(), p.requires_grad, p._version) for p in model.parameters()]
    buffers = {name: (b, b.clone()) for name, b in model.named_buffers()}
    modes = [module.training for module in model.modules()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    states = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    with undisturbed(model):
        gram = ks.TangentKernel(model, normalization=None).inner(batch)
    assert gram.shape == (4, 4)
    assert [module.training for module in model.modules()] == modes
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks
    for parameter, value, trained, version in parameters:
        assert parameter._version == version
        assert torch.equal(parameter, value)
        assert parameter.requires_grad == trained
        assert parameter.grad is None
    now = dict(model.named_buffers())
    assert now.keys() == buffers.keys()
    for key, (buffer, value) in buffers.items():
        assert now[key] is buffer
        assert torch.equal(buffer, value)
    assert random.getstate() == states[0]
    assert str(np.random.get_state()) == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
