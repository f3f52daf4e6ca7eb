"""What every entry of the zoo is made of: a name, a small network and inputs for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from kinsight.network.batches import Batch

Inputs = Callable[[int], Batch]


@dataclass(frozen=True)
class Entry:
    """One architecture. ``build`` and ``inputs`` draw from torch's global generator."""

    family: str
    name: str
    build: Callable[[], nn.Module]
    inputs: Inputs

    def network(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """The network in evaluation mode; its numbers are float32 numbers in any ``dtype``."""
        torch.manual_seed(0)
        return in_precision(self.build().eval(), dtype)

    def batch(self, count: int, dtype: torch.dtype = torch.float64) -> Batch:
        """``count`` samples, other ones for another count; float32 numbers in any ``dtype``."""
        torch.manual_seed(100 + count)
        return tree_map(lambda t: t.to(dtype) if t.is_floating_point() else t, self.inputs(count))


def in_precision(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The model in float32 or float64, complex parameters in the complex type to match."""
    model = model.float() if dtype == torch.float32 else model.double()
    for parameter in model.parameters():
        if parameter.is_complex():
            parameter.data = parameter.data.to(dtype.to_complex())
    return model


class Net(nn.Module):
    """Layers and parameters by name, and the way from x to f(x) as a function of both."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: nn.Module | nn.Parameter):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.way = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


class Pooled(nn.Module):
    """A layer, a curve, and the mean over the axes ``over``: outputs of shape (N, D)."""

    def __init__(self, layer: nn.Module, *over: int):
        super().__init__()
        self.layer = layer
        self.over = over

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).tanh().mean(self.over)


def weights(*shape: int) -> nn.Parameter:
    """A parameter of random numbers."""
    return nn.Parameter(0.5 * torch.randn(shape))


def vectors(features: int = 4) -> Inputs:
    """Inputs (N, C)."""
    return lambda count: torch.randn(count, features)


def sequences(length: int = 5, features: int = 4) -> Inputs:
    """Inputs (N, T, C)."""
    return lambda count: torch.randn(count, length, features)


def images(channels: int = 4, side: int = 6) -> Inputs:
    """Inputs (N, C, H, W)."""
    return lambda count: torch.randn(count, channels, side, side)


def volumes(channels: int = 2, side: int = 4) -> Inputs:
    """Inputs (N, C, H, W, L)."""
    return lambda count: torch.randn(count, channels, side, side, side)


def tokens(vocabulary: int = 9, length: int = 5) -> Inputs:
    """Integers (N, T)."""
    return lambda count: torch.randint(0, vocabulary, (count, length))
