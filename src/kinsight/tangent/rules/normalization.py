"""Scale and shift of normalisation layers: the output-gradient times the normalised input."""

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block
from kinsight.tangent.rules.registry import Use, reduce_to, register_rule


def _scale_or_shift(use: Use, normalized: Tensor | None, shape: tuple[int, ...]) -> Block | None:
    """Slot 1 is the scale, slot 2 the shift; ``shape`` is the weight's against the output."""
    if use.slot == 1 and normalized is not None:
        value = use.by_sample([d * normalized for d in use.deltas])
    elif use.slot == 2:
        value = use.delta
    else:
        return None
    return reduce_to(value, shape) if shape[use.owner.dim] == 1 else None


def _statistics(
    value: Tensor, axes: tuple[int, ...], mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and 1/√(variance + eps) as the node saved them; anew where they are differentiated.

    Autograd knows no derivative of what the node saved.
    """
    if not torch.is_grad_enabled():
        return mean, inverse
    variance = value.var(axes, correction=0, keepdim=True)
    return value.mean(axes, keepdim=True), _inverse(variance, inverse)


def _inverse(moment: Tensor, saved: Tensor) -> Tensor:
    """1/√(moment + eps), with the eps that makes it what was saved."""
    return (moment + (saved.detach() ** -2 - moment).detach()).rsqrt()


@register_rule("NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm")
def batch_norm(use: Use) -> Block | None:
    """With running statistics: (x − μ) / √(σ² + eps)."""
    node = use.node
    if getattr(node, "_saved_training", True):
        return None
    value = use.saved("input")
    shape = (1, -1, *[1] * (value.dim() - 2))
    normalized = None
    if use.slot == 1:
        mean = use.saved("running_mean").reshape(shape)
        eps = node._saved_epsilon if hasattr(node, "_saved_epsilon") else node._saved_eps  # cuDNN's
        inverse = (use.saved("running_var") + eps).rsqrt().reshape(shape)
        normalized = (value - mean) * inverse
    return _scale_or_shift(use, normalized, (1, *use.shape, *[1] * (value.dim() - 2)))


@register_rule("NativeLayerNorm")
def layer_norm(use: Use) -> Block | None:
    """Statistics over the last dimensions, as the node saved them."""
    value = use.saved("input")
    axes = tuple(range(value.dim() - len(use.shape), value.dim()))
    mean, inverse = _statistics(value, axes, use.saved("result1"), use.saved("result2"))
    shape = (1,) * (value.dim() - len(use.shape)) + tuple(use.shape)
    return _scale_or_shift(use, (value - mean) * inverse, shape)


@register_rule("NativeGroupNorm")
def group_norm(use: Use) -> Block | None:
    """Statistics over groups of channels, as the node saved them."""
    value, node = use.saved("input"), use.node
    groups = value.reshape(value.shape[0], node._saved_group, -1)
    saved = [use.saved(name)[..., None] for name in ("result1", "result2")]  # (rows, G, 1)
    mean, inverse = _statistics(groups, (2,), *saved)
    normalized = ((groups - mean) * inverse).reshape(value.shape)
    return _scale_or_shift(use, normalized, (1, *use.shape, *[1] * (value.dim() - 2)))


@register_rule("FusedRmsNorm")
def rms_norm(use: Use) -> Block | None:
    """x / √(mean x² + eps), where the operator is fused."""
    value = use.saved("input")
    inverse = use.saved("result1")
    if torch.is_grad_enabled():
        axes = tuple(range(value.dim() - len(use.shape), value.dim()))
        inverse = _inverse(value.square().mean(axes, keepdim=True), inverse)
    normalized = value * inverse
    shape = (1,) * (value.dim() - len(use.shape)) + tuple(use.shape)
    return _scale_or_shift(use, normalized.to(torch.promote_types(value.dtype, value.dtype)), shape)
