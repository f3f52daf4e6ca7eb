"""Samples that influence each other are refused, however well it is hidden."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.errors import SampleInfluenceError


class Straight(nn.Module):
    """z + mean(z) − mean(z) without its gradient: outputs tell nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        mean = z.mean(0)
        return z + mean - mean.detach()


def priced(offset: float) -> nn.Module:
    """Batch norm without running statistics in front of a large constant."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    network = nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 1)).eval()
    with torch.no_grad():
        network[-1].bias.fill_(offset)
    return network


@pytest.mark.parametrize(
    "network", [Straight, *(lambda o=o: priced(o) for o in (0, 1e3, 1e4, 1e6))]
)
def test_it_is_refused(network) -> None:
    torch.manual_seed(1)
    with pytest.raises(SampleInfluenceError, match="influence"):
        ks.TangentKernel(network().eval()).similarity(torch.randn(12, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_large_constant_alone_is_not(dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    with torch.no_grad():
        network[-1].bias.fill_(1e4)
    x = torch.randn(12, 4)
    found = ks.TangentKernel(network.to(dtype)).similarity(x.to(dtype))
    assert bool(found.isfinite().all())
