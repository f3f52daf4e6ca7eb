"""Undamped blocks: a root that is not symmetric, in every verb; ranks that no units change."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
import oracle
from kinsight.metrics.undamped import undamped, whitening
from metrics.cases import digits_like, small

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.MetricWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
]


def pictures(count: int) -> Tensor:
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(3)).double()


def bare() -> nn.Module:
    """Modules of one parameter each, whose gradients stay in the form in which they come."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Tanh(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(32, 2, bias=False)).double().eval()


def blocks_of(network: nn.Module, per: str) -> list[list[int]]:
    """The entries of each block, written down from the shapes."""
    found, start = [], 0
    for parameter in network.parameters():
        size = parameter.numel()
        rows = len(parameter) if per == "neuron" else 1
        found += torch.arange(start, start + size).reshape(rows, -1).tolist()
        start += size
    return [list(range(start))] if per == "network" else found


@pytest.mark.parametrize("per", ["neuron", "layer", "network"])
def test_every_verb_is_that_of_the_pseudo_inverse(per) -> None:
    network, x = bare(), pictures(400)
    metric = ks.metrics.block_fisher(network, x, per=per, damping=0.0)
    J = oracle.jacobian(network, x)  # (N, D, P)
    fisher = torch.einsum("ndp,ndq->pq", J, J) / len(J)
    inverse = torch.zeros_like(fisher)
    for entries in blocks_of(network, per):
        rows = torch.tensor(entries)
        inverse[rows[:, None], rows] = torch.linalg.pinv(fisher[rows][:, rows], hermitian=True)
    few = J[:6]
    inner = torch.einsum("ndp,pq,mdq->nm", few, inverse, few)
    plain = ks.TangentKernel(network, metric=metric, normalization="trace", batch_size=4)
    scale = inner.diagonal().sqrt()
    torch.testing.assert_close(plain.inner(x[:6]), inner, rtol=1e-7, atol=1e-7 * float(inner.max()))
    cosine = inner / scale[:, None] / scale
    torch.testing.assert_close(plain.similarity(x[:6]), cosine, rtol=0, atol=1e-8)
    torch.testing.assert_close(plain.density(x[:6]), cosine.sum(1), rtol=0, atol=1e-7)
    torch.testing.assert_close(
        plain.density(x[:4], x[4:6]), cosine[:4, 4:].sum(1), rtol=0, atol=1e-7
    )
    theta = torch.cat([p.detach().flatten() for p in network.parameters()])
    along = plain.on(x[:6]).along_parameters()
    torch.testing.assert_close(along, few @ inverse @ theta, rtol=1e-6, atol=1e-6)
    explanation = plain.explain(x[:1], x[1:2])
    assert abs(sum(layer.share for layer in explanation.layers) - float(cosine[0, 1])) < 1e-8
    for layer in explanation.layers:
        for side in ("x", "y"):
            maps = layer.positions(side)
            assert not maps or abs(float(sum(m.sum() for m in maps)) - layer.share) < 1e-8


def written_otherwise(network: nn.Sequential, factor: float) -> nn.Sequential:
    """Rescaled ReLU layers, then weight norm with v three times as long as the weight."""
    other: Any = small()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other[0].weight *= factor
        other[0].bias *= factor
        other[2].weight /= factor
    for place in (0, 2, 4):
        nn.utils.parametrizations.weight_norm(other[place])
        with torch.no_grad():
            other[place].parametrizations.weight.original1 *= 3.0
    return other.double().eval()


@pytest.mark.parametrize("per", ["neuron", "layer", "network"])
def test_eigenvalues_far_apart_do_not_decide_by_units(per) -> None:
    """Inputs of five sizes: without whitening the neurons first, similarities moved by 0.1."""
    x = digits_like(300) * torch.tensor([1.0, 1e-1, 1e-2, 1e-3, 1e-4]).double()
    network = small()
    other = written_otherwise(network, 30.0)
    found = [
        ks.TangentKernel(
            one, metric=ks.metrics.block_fisher(one, x, per=per, damping=0.0)
        ).similarity(x[:30])
        for one in (network, other)
    ]
    assert (found[0] - found[1]).abs().max() < 1e-5


@pytest.mark.parametrize("rank", [7, 4])
def test_the_root_inverts_on_the_range_whatever_the_units(rank: int) -> None:
    torch.manual_seed(0)
    gradients = torch.randn(50, rank).double() @ torch.randn(rank, 7).double()
    units = torch.tensor([1e4, 1.0, 1e-4, 3.0, 1e2, 1e-2, 1.0]).double()
    matrix = (gradients.T @ gradients) * units[:, None] * units
    wanted = gradients @ torch.linalg.pinv(gradients.T @ gradients) @ gradients.T
    neurons = (torch.tensor([[0, 1], [2, 3]]), torch.tensor([[4, 5, 6]]))
    for root, missing in (
        whitening(matrix[None], 1e-12), undamped(matrix[None], (), 1e-12),
        undamped(matrix[None], neurons, 1e-12),
    ):  # fmt: skip
        seen = (gradients * units) @ root[0]
        torch.testing.assert_close(seen @ seen.T, wanted, rtol=0, atol=1e-7)
        assert missing == 7 - rank


def test_what_never_moves_is_left_out() -> None:
    root, missing = whitening(torch.diag(torch.tensor([4.0, 0.0, 1.0]).double())[None], 1e-12)
    torch.testing.assert_close(root[0].diagonal(), torch.tensor([0.5, 0.0, 1.0]).double())
    assert missing == 1
