"""What the tests of metrics share: a small network, its data, every kind of fit."""

import torch
from torch import Tensor, nn

import kinsight as ks

FITS = {
    "diagonal": lambda k, x: ks.metrics.diagonal_fisher(k, x, damping=0.01),
    "neuron": lambda k, x: ks.metrics.block_fisher(k, x, damping=0.1),
    "layer": lambda k, x: ks.metrics.block_fisher(k, x, per="layer", damping=0.1),
    "kronecker": lambda k, x: ks.metrics.kronecker(k, x, damping=0.1),
}


def digits_like(count: int = 60) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def small(width: int = 6) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 3))
    return nn.Sequential(*layers).double().eval()
