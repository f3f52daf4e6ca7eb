"""What is made of two batches of ready features: similarity, K, K_C, influence."""

import torch
from torch import Tensor

from kinsight.kernel.rotation import best_trace
from kinsight.kernel.stream import Held
from kinsight.tangent.blocks import Affine, Block, Joined


def _blocks(ours: Held, theirs: Held) -> list[tuple[Block, Block]]:
    """Matching blocks; a parameter that one side does not use has gradient zero there."""
    left, right = ours.features.blocks, theirs.features.blocks
    if _together(left) != _together(right):  # routed by data: other parameters are at work
        left, right = _apart(left), _apart(right)
    return [(left[name], right[name]) for name in left if name in right]


def _together(blocks: dict[str, Block]) -> list[tuple[str, ...]]:
    """Names of parameters that stand in one block."""
    return [block.names for block in blocks.values() if isinstance(block, Joined | Affine)]


def _apart(blocks: dict[str, Block]) -> dict[str, Block]:
    """A block for every parameter."""
    result: dict[str, Block] = {}
    for name, block in blocks.items():
        result |= block.parts() if isinstance(block, Joined | Affine) else {name: block}
    return result


def _unfit(values: Tensor, ours: Held, theirs: Held) -> Tensor:
    """NaN where either sample is set apart."""
    bad = ours.features.bad[:, None] | theirs.features.bad[None]
    if bool(bad.any()):
        values = values.masked_fill(bad.reshape(*bad.shape, *[1] * (values.dim() - 2)), torch.nan)
    return values


def inner(ours: Held, theirs: Held) -> Tensor:
    """Σ_d ⟨J^d, J'^d⟩: (B, C)."""
    total = ours.features.values.new_zeros(len(ours.features), len(theirs.features))
    total = total.to(torch.promote_types(total.dtype, torch.float32))
    for left, right in _blocks(ours, theirs):
        total += left.trace_gram(right)
    return _unfit(total, ours, theirs)


def similarity(ours: Held, theirs: Held) -> Tensor:
    """The same of features of unit norm, rounding kept inside [−1, 1]: (B, C)."""
    return inner(ours, theirs).clamp(-1, 1)


def matrix(ours: Held, theirs: Held) -> Tensor:
    """J J'ᵀ: (B, C, D, D)."""
    b, d = ours.features.values.shape
    c = len(theirs.features)
    total = ours.features.values.new_zeros(b, c, d, d)
    total = total.to(torch.promote_types(total.dtype, torch.float32))
    for left, right in _blocks(ours, theirs):
        total += left.gram(right)
    return _unfit(total, ours, theirs)


def influence(ours: Held, theirs: Held) -> Tensor:
    """K(y,x) K(x,x)⁺ for x of ours and y of theirs: (B, C, D, D)."""
    value = matrix(ours, theirs)
    return (value.mT.double() @ ours.root[:, None]).to(value.dtype)


def rotation(ours: Held, theirs: Held) -> Tensor:
    """max over rotations R of Tr(J J'ᵀ R): (B, C)."""
    return best_trace(matrix(ours, theirs))


def rotation_similarity(ours: Held, theirs: Held) -> Tensor:
    """The same of features of unit norm, rounding kept inside [−1, 1]: (B, C)."""
    return rotation(ours, theirs).clamp(-1, 1)
