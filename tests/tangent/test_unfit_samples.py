"""Samples that are not finite spoil nobody else, wherever they stand and whenever they come."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks

COUNT = 40
NETWORKS = {
    "ReLU": lambda: nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)),
    "tanh": lambda: nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)),
    "norm": lambda: nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3)),
}


def inputs() -> Tensor:
    return torch.randn(COUNT, 4, generator=torch.Generator().manual_seed(1)).double()


class Root(nn.Module):
    """Its output is finite at zero, where its gradient is not."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).abs().sqrt()


class Experts(nn.Module):
    """Rows are routed by the data: owners are read again for every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(4, 3) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        result = x.new_zeros(len(x), 3)
        for i, expert in enumerate(self.experts):
            chosen = (x[:, 0] > 0) == bool(i)
            result = result.index_put((chosen.nonzero()[:, 0],), expert(x[chosen]).tanh())
        return result


NETWORKS |= {"experts": Experts}


@pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bad", [[0], [0, 1], [5], list(range(20)), [39]])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_the_others_are_as_without_them(name: str, bad: list[int], batch_size: int | None) -> None:
    torch.manual_seed(0)
    network, x = NETWORKS[name]().double().eval(), inputs()
    expected = ks.TangentKernel(network).similarity(x)
    spoiled = x.clone()
    spoiled[bad, 1] = torch.nan
    kernel = ks.TangentKernel(network, batch_size=batch_size)
    with pytest.warns(ks.errors.NonFiniteGradientWarning, match=str(bad[0])):
        found = kernel.similarity(spoiled)
    fit = torch.ones(COUNT, dtype=torch.bool)
    fit[bad] = False
    torch.testing.assert_close(found[fit][:, fit], expected[fit][:, fit], rtol=1e-9, atol=1e-9)
    assert bool(found[~fit].isnan().all())
    assert bool(found[:, ~fit].isnan().all())
    assert not kernel.coverage().unused


@pytest.mark.parametrize("where", [0, 1, 17])
def test_a_finite_output_with_an_infinite_gradient_is_set_apart_as_well(where: int) -> None:
    torch.manual_seed(0)
    network, x = Root().double().eval(), inputs()
    expected = ks.TangentKernel(network).density(x[torch.arange(COUNT) != where])
    x[where] = 0
    with pytest.warns(ks.errors.NonFiniteGradientWarning, match=str(where)):
        found = ks.TangentKernel(network).density(x)
    assert bool(found[where].isnan())
    torch.testing.assert_close(found[found.isfinite()], expected, rtol=1e-9, atol=1e-9)


def test_nothing_but_unfit_samples() -> None:
    network = NETWORKS["ReLU"]().double().eval()
    with pytest.warns(ks.errors.NonFiniteGradientWarning):
        found = ks.TangentKernel(network).similarity(inputs() * torch.nan)
    assert bool(found.isnan().all())
