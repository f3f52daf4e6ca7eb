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
        inverse = (use.saved("running_var") + node._saved_eps).rsqrt().reshape(shape)
        normalized = (value - mean) * inverse
    return _scale_or_shift(use, normalized, (1, *use.shape, *[1] * (value.dim() - 2)))


@register_rule("NativeLayerNorm")
def layer_norm(use: Use) -> Block | None:
    """Statistics over the last dimensions, as the node saved them."""
    value = use.saved("input")
    normalized = (value - use.saved("result1")) * use.saved("result2")
    shape = (1,) * (value.dim() - len(use.shape)) + tuple(use.shape)
    return _scale_or_shift(use, normalized, shape)


@register_rule("NativeGroupNorm")
def group_norm(use: Use) -> Block | None:
    """Statistics over groups of channels, as the node saved them."""
    value, node = use.saved("input"), use.node
    groups = value.reshape(value.shape[0], node._saved_group, -1)
    mean, inverse = use.saved("result1"), use.saved("result2")  # (rows, G)
    normalized = ((groups - mean[..., None]) * inverse[..., None]).reshape(value.shape)
    return _scale_or_shift(use, normalized, (1, *use.shape, *[1] * (value.dim() - 2)))


@register_rule("FusedRmsNorm")
def rms_norm(use: Use) -> Block | None:
    """x / √(mean x² + eps), where the operator is fused."""
    value = use.saved("input")
    normalized = value * use.saved("result1")
    shape = (1,) * (value.dim() - len(use.shape)) + tuple(use.shape)
    return _scale_or_shift(use, normalized.to(torch.promote_types(value.dtype, value.dtype)), shape)
