"""Is a sample's gradient its own? Alone and among others it must be the same."""

import math

import torch
from torch import Tensor

from kinsight.errors import SampleInfluenceError
from kinsight.network.batches import Batches
from kinsight.network.function import NetworkFunction
from kinsight.tangent.graph import coarsest, read_graph
from kinsight.tangent.verification import scaled_by_batch

_TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-2}  # float32: a ReLU may flip
_HALF_TOLERANCE = 0.2
_OWN = 3  # samples that are compared


def check_gradients(function: NetworkFunction, data: Batches) -> None:
    """Compare gradients of a few samples among others with those of each by itself.

    Outputs alone do not tell: z + mean(z) − mean(z).detach() is z, and its gradient is not.

    Cost: up to four small forward and six backward passes.

    Raises:
        SampleInfluenceError: the gradient of a sample changes with the rest of its batch.
    """
    chosen = sorted({0, len(data) // 2, len(data) - 1})[:_OWN]
    with torch.enable_grad(), function.selection.differentiable():
        together = function(function.place(data.take(chosen)))
        graph = read_graph(together, function.selection.chosen)
        if not bool(together.isfinite().all()) or not graph.used:
            return
        exempt = scaled_by_batch(graph)  # torch itself divides these by frequencies in the batch
        names = [name for name in function.selection.chosen if name not in exempt]
        if not names:
            return
        limit = _TOLERANCE.get(coarsest(graph), _HALF_TOLERANCE)
        for row, index in enumerate(chosen):
            alone = function(function.place(data.take([index, index])))
            mine = _gradients(function, together[row], names)
            share = _distance(mine, _gradients(function, alone[0], names))
            if share > limit:
                raise SampleInfluenceError(
                    "expected samples that do not influence each other, but the gradient of "
                    f"sample {index} changes with the rest of its batch by {share:.2g} of its "
                    "norm: statistics of the batch (batch norm without running statistics, a "
                    "mean over samples); take them out of the network"
                )


def _gradients(function: NetworkFunction, row: Tensor, names: list[str]) -> list[Tensor | None]:
    """Gradient of one combination of a sample's outputs, parameter by parameter."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.rand(len(row), generator=generator, dtype=torch.float64).to(row) + 0.5
    chosen = [function.selection.chosen[name] for name in names]
    found = torch.autograd.grad((row * mix).sum(), chosen, retain_graph=True, allow_unused=True)
    return [g.to_dense() if g is not None and g.is_sparse else g for g in found]


def _distance(ours: list[Tensor | None], theirs: list[Tensor | None]) -> float:
    """‖g − g'‖ relative to the larger norm; 0 where they are not finite, which is told later."""
    off = left = right = 0.0
    for mine, own in zip(ours, theirs, strict=True):
        like = mine if mine is not None else own
        if like is None:
            continue
        mine = torch.zeros_like(like) if mine is None else mine
        own = torch.zeros_like(like) if own is None else own
        off += float((mine - own).norm()) ** 2
        left, right = left + float(mine.norm()) ** 2, right + float(own.norm()) ** 2
    share = (off / max(left, right)) ** 0.5 if max(left, right) > 0 else 0.0
    return share if math.isfinite(share) else 0.0
