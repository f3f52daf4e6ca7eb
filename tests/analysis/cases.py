"""Small data sets for the tests of analyses, with what a dense float64 computation says of them."""

import torch
from torch import Tensor, nn

import kinsight as ks

COUNT = 40


def network(outputs: int = 2) -> nn.Module:
    """Its features are wide enough for the smallest budget to split forty rows into ranges."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 2000), nn.Tanh(), nn.Linear(2000, outputs)).eval()


def inputs(count: int = COUNT) -> Tensor:
    """Random samples."""
    torch.manual_seed(2)
    return torch.randn(count, 6)


def exact(count: int = COUNT, outputs: int = 2, **more) -> tuple[ks.ExactSource, Tensor]:
    """A source of the exact kernel, and all similarities."""
    kernel = ks.TangentKernel(network(outputs), **more)
    return kernel.on(inputs(count)), kernel.similarity(inputs(count)).double()


def features(count: int = COUNT, width: int = 7, **more) -> tuple[ks.FeatureSource, Tensor]:
    """A source of features in two bundles, and all similarities."""
    generator = torch.Generator().manual_seed(3)
    phi = torch.randn(count, width, generator=generator, dtype=torch.float64)
    phi[: count // 2, 0] += 2
    unit = phi / phi.norm(dim=1, keepdim=True)
    return ks.FeatureSource(phi, **more), unit @ unit.T


SOURCES = (exact, features)
