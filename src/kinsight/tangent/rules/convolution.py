"""Convolutions of every rank: strided, dilated, grouped, transposed."""

import torch

from kinsight.tangent.blocks import Block, Convolution, Dense, Geometry, patches
from kinsight.tangent.rules.registry import Use, reduce_to, register_rule


@register_rule("Convolution")
def convolution(use: Use) -> Block | None:
    """convolution(input, weight, bias): Σ over positions of patch ⊗ output-gradient."""
    owner = use.owner
    if owner.dim != 0:
        return None
    delta = use.delta  # (B, D, T, O, *sizes), T inputs a sample
    if use.slot == 2:
        rank = use.deltas[0].dim() - 2
        return reduce_to(use.delta, (1, *use.shape, *[1] * rank))
    value = owner.to_samples(use.saved("input"), 0)  # (B, T, C, *size)
    if value.shape[1] != 1:
        return _several_inputs(use, value, delta)
    return _one_input(use, value[:, 0], delta[:, :, 0])


def _one_input(use: Use, value: torch.Tensor, delta: torch.Tensor) -> Block:
    node = use.node
    geometry = Geometry(
        kernel=tuple(use.shape[2:]),
        stride=tuple(node._saved_stride),
        padding=tuple(node._saved_padding),
        dilation=tuple(node._saved_dilation),
        groups=node._saved_groups,
    )
    if not node._saved_transposed:
        return Convolution(value, delta, geometry)
    # A transposed convolution is the adjoint: its output-gradient is what slides past its input.
    sizes = value.shape[2:]
    right = value.flatten(2).unflatten(1, (geometry.groups, -1))  # (B, G, O, L)
    rows = []
    for d in range(delta.shape[1]):
        seen = patches(delta[:, d], geometry, sizes)  # (B, G, I, L)
        rows.append((right @ seen.mT).flatten(1))
    return Dense(torch.stack(rows, 1))


def _several_inputs(use: Use, value: torch.Tensor, delta: torch.Tensor) -> Block:
    """A sample that sends T inputs through the layer (frames, patches): their gradients add up."""
    total = _one_input(use, value[:, 0], delta[:, :, 0]).dense()
    for t in range(1, value.shape[1]):
        total = total + _one_input(use, value[:, t], delta[:, :, t]).dense()
    return Dense(total)
