"""A look that leaves no trace: modes, random states, buffers and gradients end as they began."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode and full precision while the body runs; then as before.

    Put back exactly: the mode of every module, random states (Python, numpy, torch on the CPU
    and on the network's devices), buffers such as running statistics, ``.grad`` of parameters.
    Not undone: what a network's ``forward`` keeps elsewhere, such as counters of its own.

    Cost: a copy of the buffers.
    """
    with ExitStack() as stack:
        stack.enter_context(_random_states_kept(model))
        stack.enter_context(_gradients_kept(model))
        stack.enter_context(_buffers_kept(model))
        stack.enter_context(_evaluating(model))
        stack.enter_context(_without_wrapped_forward(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in {"cpu", *(p.device.type for p in model.parameters())}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training  # one by one: parts may have been frozen in another mode


@contextmanager
def _random_states_kept(model: nn.Module) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    places = {p.device for p in model.parameters() if p.device.index is not None}
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for kind in {place.type for place in places} - {"cpu", "mps"}:
            numbers = [place.index for place in places if place.type == kind]
            stack.enter_context(torch.random.fork_rng(devices=numbers, device_type=kind))
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def _gradients_kept(model: nn.Module) -> Iterator[None]:
    before = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for parameter, gradient in before:
            if parameter.grad is not gradient:
                parameter.grad = gradient


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    before = [
        (module, name, buffer, buffer.detach().clone(), _version(buffer))
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for module, name, buffer, value, version in before:
            module._buffers[name] = buffer
            if version is None or _version(buffer) != version:
                with torch.no_grad():  # only then: autograd may hold on to it for a backward pass
                    buffer.copy_(value)


def _version(buffer: Tensor) -> int | None:
    """Counts writes in place; None where torch does not count."""
    return None if buffer.is_inference() else buffer._version


@contextmanager
def _without_wrapped_forward(model: nn.Module) -> Iterator[None]:
    """The forward below that of accelerate, which casts to half precision inside."""
    wrapped, original = (model.__dict__.get(name) for name in ("forward", "_original_forward"))
    if wrapped is None or original is None:
        yield
        return
    model.__dict__["forward"] = original
    try:
        yield
    finally:
        model.__dict__["forward"] = wrapped
