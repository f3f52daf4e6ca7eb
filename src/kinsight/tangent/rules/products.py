"""Matrix products: linear layers, attention projections, recurrent cells, einsum, 1×1 mixing.

For y = x W the gradient of W is Σ_t x_t ⊗ δ_t.
"""

from torch import Tensor

from kinsight.tangent.blocks import Block, Outer
from kinsight.tangent.rules.registry import Use, register_rule


def _times_right(use: Use, left: Tensor) -> Block | None:
    """y = x W, rows of y owned: x (R, I), δ (R, O), W (I, O)."""
    if use.owner.dim != 0:
        return None
    rows = use.owner.to_samples(left, 0)  # (B, T, I)
    return Outer(rows[:, None], use.delta[:, :, None])


def _times_left(use: Use, right: Tensor) -> Block | None:
    """y = W x, columns of y owned: x (I, R), δ (O, R), W (O, I)."""
    if use.owner.dim != 1:
        return None
    columns = use.owner.to_samples(right, 1).mT  # (B, T, I)
    return Outer(columns[:, None], use.delta.mT[:, :, None], flipped=True)


@register_rule("Mm")
def matrix_product(use: Use) -> Block | None:
    """mm(self, mat2)."""
    if use.slot == 1:
        return _times_right(use, use.saved("self"))
    return _times_left(use, use.saved("mat2"))


@register_rule("Addmm")
def shifted_matrix_product(use: Use) -> Block | None:
    """beta·self + alpha·mat1 mat2: a linear layer with its bias."""
    node = use.node
    if use.slot == 0:
        beta = node._saved_beta
        return use.broadcast([d if beta == 1 else d * beta for d in use.deltas])
    operand = use.saved("mat1") if use.slot == 2 else use.saved("mat2")
    if node._saved_alpha != 1:
        operand = operand * node._saved_alpha
    return _times_right(use, operand) if use.slot == 2 else _times_left(use, operand)


@register_rule("Bmm")
def batched_matrix_product(use: Use) -> Block | None:
    """bmm(self, mat2) with one weight per group (heads, experts), samples along the rows."""
    if use.slot == 1 and use.owner.dim == 1:  # y (G, R, O) = x (G, R, I) W (G, I, O)
        return Outer(use.owner.to_samples(use.saved("self"), 1), use.delta)
    if use.slot == 0 and use.owner.dim == 2:  # y (G, O, R) = W (G, O, I) x (G, I, R)
        return Outer(use.owner.to_samples(use.saved("mat2"), 2).mT, use.delta.mT, flipped=True)
    return None


@register_rule("Mv")
def matrix_vector_product(use: Use) -> Block | None:
    """y (R,) = x (R, I) w (I,)."""
    if use.slot != 1 or use.owner.dim != 0:
        return None
    rows = use.owner.to_samples(use.saved("self"), 0)  # (B, T, I)
    return Outer(rows[:, None], use.delta[:, :, None, :, None])
