"""Metrics on parameters against J M⁻¹ J'ᵀ written out in float64, in every verb and every form."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
import oracle
from architectures.zoo import ZOO
from kinsight.errors import (
    FallbackWarning,
    MetricWarning,
    SingularOutputWarning,
)
from kinsight.kernel.metric import Metric
from metrics.cases import FITS, digits_like, small

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind.__module__}.{kind.__name__}")
    for kind in (FallbackWarning, SingularOutputWarning, MetricWarning)
] + [pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")]

CLOSE = 1e-9
NETWORKS = (  # every form of a gradient, and every way from a parameter to where it is used
    "perceptron of three layers",
    "convolution 2d",
    "convolution 2d, strided, dilated, grouped",
    "residual block with batch norm",
    "embedding with padding",
    "multi-head attention",
    "LSTM, both directions, positions first",
    "embedding tied to the output",
    "autoencoder with a transposed weight",
    "convolution at two scales",
    "weight norm of a convolution",
    "weight norm, old form",
    "loop over samples",
    "gradient of an energy",
    "LoRA, added to the weight",
    "weight and bias cut from one vector",
    "mixture of experts, routed",
    "table by gather",
    "operator with a backward of its own",
    "complex weight",
)


def whole(metric: Metric, kernel: ks.TangentKernel) -> Tensor:
    """M^-½ as a matrix, (P, P), from what it does to unit vectors one at a time."""
    sizes = kernel.function.selection.sizes
    total = sum(sizes.values())
    columns = []
    for p in range(total):
        parts = torch.eye(total, dtype=torch.float64)[p].split(list(sizes.values()))
        moved = metric.along({n: part[None] for n, part in zip(sizes, parts, strict=True)})
        columns.append(torch.cat([moved[n].flatten() for n in sizes]))
    return torch.stack(columns)


@pytest.mark.parametrize("kind", list(FITS))
@pytest.mark.parametrize("name", NETWORKS)
def test_every_verb_is_that_of_gradients_times_the_root(name: str, kind: str) -> None:
    entry = ZOO[name]
    network, x, y = entry.network(), entry.batch(4), entry.batch(2)
    plain = ks.TangentKernel(network)
    metric = FITS[kind](plain, x)
    kernel = ks.TangentKernel(network, metric=metric, batch_size=3)
    root = whole(metric, kernel)
    assert torch.allclose(root, root.T, atol=1e-12 * float(root.abs().max()))
    ours, theirs = (oracle.jacobian(network, batch) @ root for batch in (x, y))
    inner = oracle.inner(ours, theirs)
    scale = float(oracle.norms(ours).max() * oracle.norms(theirs).max())
    assert (kernel.inner(x, y) - inner).abs().max() <= CLOSE * scale
    similarity = oracle.similarity(ours, theirs)
    assert (kernel.similarity(x, y) - similarity).abs().max() <= CLOSE
    assert (kernel.density(x, y) - similarity.sum(1)).abs().max() <= CLOSE
    matrix = oracle.matrix(ours, theirs)
    assert (kernel.matrix(x, y, normalized=False) - matrix).abs().max() <= CLOSE * scale
    along = kernel.on(x).along_parameters()
    theta = torch.cat([_real(p).flatten() for p in plain.function.selection.chosen.values()])
    want = ours @ (root @ theta.detach())
    assert (along - want).abs().max() <= CLOSE * (want.abs().max() + 1)


def _real(value: Tensor) -> Tensor:
    return torch.view_as_real(value) if value.is_complex() else value


def fisher(network: nn.Module, x: Tensor) -> Tensor:
    """F from its definition: (P, P)."""
    rows = oracle.jacobian(network, x).flatten(0, 1)
    return rows.T @ rows / len(x)


def test_the_roots_are_those_of_the_stated_matrices() -> None:
    """M⁻¹ against F written out: diagonal, whole, and block by block, at a given damping."""
    network, x = small(), digits_like(200)
    f, kernel = fisher(network, x), ks.TangentKernel(network)
    sizes = kernel.function.selection.sizes
    means = torch.cat([d.mean().expand(len(d)) for d in f.diagonal().split(list(sizes.values()))])
    square = whole(ks.metrics.diagonal_fisher(network, x, damping=0.2), kernel)
    want = torch.diag(1 / (f.diagonal() + 0.2 * means))
    assert torch.allclose(square @ square, want, rtol=1e-9)
    full = whole(ks.metrics.full_fisher(network, x, damping=0.2), kernel)
    want = torch.linalg.inv(f + 0.2 * f.diagonal().mean() * torch.eye(len(f)).double())
    assert torch.allclose(full @ full, want, rtol=1e-7)
    neuron = whole(ks.metrics.block_fisher(network, x, damping=0.2), kernel)
    mask, damping = neuron_mask(network)
    block = f * mask
    mean = torch.stack([f.diagonal()[damping == d].mean() for d in damping])
    want = torch.linalg.inv(block + 0.2 * torch.diag(mean))
    assert torch.allclose(neuron @ neuron, want, rtol=1e-7)


def neuron_mask(network: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Which entries belong to one neuron, (P, P), and to which layer each belongs, (P,)."""
    neuron, layer, first = [], [], 0
    for number, module in enumerate(m for m in network if isinstance(m, nn.Linear)):
        rows = torch.arange(module.out_features) + first
        neuron += [rows.repeat_interleave(module.in_features), rows]
        layer.append(torch.full((module.out_features * (module.in_features + 1),), number))
        first += module.out_features
    owner = torch.cat(neuron)
    return (owner[:, None] == owner[None]).double(), torch.cat(layer)


def test_kronecker_factors_are_those_of_inputs_and_output_gradients() -> None:
    network, x = small(), digits_like()
    metric = ks.metrics.kronecker(network, x, damping=0.0)
    first = network[0]
    hidden = first(x).detach().requires_grad_()
    rows = [torch.autograd.grad(network[1:](hidden)[:, d].sum(), hidden)[0] for d in range(3)]
    outputs = sum(r.T @ r for r in rows) / len(x)
    inputs = x.T @ x / len(x)
    want = torch.linalg.inv(torch.kron(torch.as_tensor(outputs), inputs))
    root = metric.halves["0.weight"](torch.eye(30).double())
    assert torch.allclose(root @ root, want, rtol=1e-6)
