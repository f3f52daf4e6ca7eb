"""Which samples can be differentiated at all: those whose output and gradient are finite."""

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from kinsight.network.batches import Batch
from kinsight.network.function import NetworkFunction
from kinsight.tangent.graph import Graph, coarsest

_HALF = (torch.float16, torch.bfloat16)


def fit_samples(function: NetworkFunction, graph: Graph, rows: Tensor, batch: Batch) -> Tensor:
    """Samples with finite output and finite gradient: (B,) bool.

    Cost: one backward pass. Only if that is not finite, samples are looked at one by one, since
    in a batch one of them spoils the gradients of all.
    """
    fit = rows.isfinite().all(1)
    if bool(fit.all()) and _finite_gradient(function, rows, graph):
        return fit
    for b in fit.nonzero()[:, 0].tolist():
        # Twice itself rather than alone: some layers refuse a batch of one.
        pair = tree_map(lambda t, b=b: t[[b, b]] if isinstance(t, Tensor) else t, batch)
        own = function(pair)
        fit[b] = bool(own.isfinite().all()) and _finite_gradient(function, own, graph)
    return fit


def _finite_gradient(function: NetworkFunction, rows: Tensor, graph: Graph) -> bool:
    if coarsest(graph) in _HALF:  # sums overflow there that single samples do not
        return True
    if not rows.requires_grad:
        return True
    gradients = torch.autograd.grad(
        rows.sum(), list(function.selection.chosen.values()), retain_graph=True, allow_unused=True
    )
    return all(g is None or bool(_values(g).isfinite().all()) for g in gradients)


def _values(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient
