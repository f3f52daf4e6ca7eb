"""The slow, obvious way: one sample, one output, one backward at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from kinsight.network.batches import Batch, batch_length
from kinsight.network.function import NetworkFunction


def jacobian_by_loop(function: NetworkFunction, batch: Batch) -> Tensor:
    """J: (B, D, P), parameters in the order of their names, flattened. Cost: B·(1 + D) passes."""
    chosen = list(function.selection.chosen.values())
    samples = []
    with torch.enable_grad(), function.selection.differentiable():
        for b in range(batch_length(batch)):
            alone = tree_map(lambda t, b=b: t[b : b + 1] if isinstance(t, Tensor) else t, batch)
            row = function(function.place(alone))[0]
            gradients = [
                torch.autograd.grad(value, chosen, retain_graph=True, allow_unused=True)
                for value in row
            ]
            samples.append(torch.stack([_flat(chosen, g) for g in gradients]))
    return torch.stack(samples)


def _flat(chosen: Sequence[Tensor], gradients: tuple[Tensor | None, ...]) -> Tensor:
    parts = []
    for parameter, gradient in zip(chosen, gradients, strict=True):
        value = torch.zeros_like(parameter) if gradient is None else gradient.detach()
        value = value.to_dense() if value.is_sparse else value
        value = torch.view_as_real(value) if value.is_complex() else value
        parts.append(value.flatten())
    return torch.cat(parts)
