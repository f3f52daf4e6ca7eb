"""A metric is there so that it does not matter how a network is written; when it is none."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.errors import MetricError, MetricWarning
from metrics.cases import digits_like, small

pytestmark = pytest.mark.filterwarnings("ignore::kinsight.errors.MetricWarning")


def rescaled(network: nn.Sequential, factor: float) -> nn.Sequential:
    """The same function: one ReLU layer larger, the next smaller."""
    other = small()
    other.load_state_dict(network.state_dict())
    first, second = other[0], other[2]
    with torch.no_grad():
        first.weight *= factor
        first.bias *= factor
        second.weight /= factor
    return other


def similarity(network: nn.Module, fit, x: Tensor) -> Tensor:
    return ks.TangentKernel(network, metric=fit(network, x)).similarity(x[:20])


def moved(fit, one: nn.Module, other: nn.Module, x: Tensor) -> float:
    return float((similarity(one, fit, x) - similarity(other, fit, x)).abs().max())


@pytest.mark.parametrize("factor", [5.0, 0.01])
def test_an_undamped_metric_does_not_see_relu_layers_rescaled(factor: float) -> None:
    network, x = small(), digits_like()
    other = rescaled(network, factor)
    assert moved(lambda n, x: None, network, other, x) > 0.05  # the plain kernel does
    for fit in (
        ks.metrics.diagonal_fisher,
        lambda n, x: ks.metrics.block_fisher(n, x, damping=0.0),
        lambda n, x: ks.metrics.full_fisher(n, x, damping=0.0),
        lambda n, x: ks.metrics.kronecker(n, x, damping=0.0),
    ):
        data = digits_like(300)
        assert moved(fit, network, other, data) < 1e-6
    damped = moved(lambda n, x: ks.metrics.full_fisher(n, x, damping=0.1), network, other, x)
    assert damped > 1e-3  # what damping costs


def test_an_undamped_block_does_not_see_weight_norm() -> None:
    network, x = small(), digits_like(300)
    other = small()
    for place in (0, 2, 4):
        torch.nn.utils.parametrizations.weight_norm(other[place])
        with torch.no_grad():  # the length of v says nothing
            other[place].parametrizations.weight.original1 *= 3.0
    other.double().eval()
    assert torch.allclose(other(x), network(x))
    assert moved(lambda n, x: None, network, other, x) > 0.01
    assert moved(ks.metrics.diagonal_fisher, network, other, x) > 0.01  # the diagonal does see it
    for per in ("neuron", "layer", "network"):
        fit = lambda n, x, per=per: ks.metrics.block_fisher(n, x, per=per, damping=0.0)  # noqa: E731
        assert moved(fit, network, other, x) < 1e-6


def test_degenerate_metrics_are_refused_and_nearly_degenerate_ones_told() -> None:
    network = small()
    total = sum(p.numel() for p in network.parameters())
    with pytest.raises(MetricError, match="itself alone"):
        ks.metrics.full_fisher(network, digits_like(total // 3), damping=0.0)
    with pytest.warns(MetricWarning, match="itself"):
        ks.metrics.full_fisher(network, digits_like(total // 3 + 5), damping=0.0)
    with pytest.raises(MetricError, match="Kronecker"):
        ks.metrics.kronecker(network, digits_like(4), damping=0.0)
    ks.metrics.full_fisher(network, digits_like(10), damping="auto")  # damped: no error
