"""A weight broadcast against the data: shifts, scales, slopes, tokens spread over the batch."""

import torch

from kinsight.tangent.blocks import Block
from kinsight.tangent.rules.registry import Use, reduce_to, register_rule


@register_rule("Add", "Sub", "Expand")
def shift(use: Use) -> Block | None:
    """self ± alpha·other, and expand: the output-gradient itself."""
    factor = 1
    if use.slot == 1:
        factor = use.node._saved_alpha
        factor = -factor if use.node.name().startswith("Sub") else factor
    return use.broadcast([d if factor == 1 else d * factor for d in use.deltas])


@register_rule("Mul")
def scale(use: Use) -> Block | None:
    """self·other: output-gradient times the other factor."""
    other = use.saved("other" if use.slot == 0 else "self")
    if other.is_complex() or use.deltas[0].is_complex():
        return None
    return use.broadcast([d * other for d in use.deltas])


@register_rule("Div")
def quotient(use: Use) -> Block | None:
    """self / other."""
    other = use.saved("other")
    if other.is_complex() or use.deltas[0].is_complex() or other.dim() == 0:
        return None
    if use.slot == 0:
        return use.broadcast([d / other for d in use.deltas])
    return use.broadcast([-d * use.saved("self") / other.square() for d in use.deltas])


@register_rule("PreluKernel")
def prelu(use: Use) -> Block | None:
    """max(x, 0) + a·min(x, 0)."""
    if use.slot != 1:
        return None
    negative = use.saved("self").clamp_max(0)
    return use.broadcast([d * negative for d in use.deltas])


@register_rule("Where")
def selection(use: Use) -> Block | None:
    """where(condition, self, other)."""
    condition = use.saved("condition")
    chosen = condition if use.slot == 0 else ~condition
    return use.broadcast([torch.where(chosen, d, 0.0) for d in use.deltas])


@register_rule("Repeat")
def repetition(use: Use) -> Block | None:
    """A weight repeated over the samples along one axis, as instance norm does."""
    delta = use.delta  # (B, D, *output)
    shape = (1,) * (delta.dim() - 2 - len(use.shape)) + tuple(use.shape)
    inner = getattr(use.owner, "inner", 0)
    if inner % max(shape[use.owner.dim], 1):
        return None  # a sample's share does not hold whole copies
    for axis, size in enumerate(shape):
        at = 2 + 2 * axis
        delta = delta.unflatten(at, (-1, size))
    return reduce_to(delta, tuple(s for size in shape for s in (1, size)))
