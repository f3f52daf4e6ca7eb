"""Inner products of chosen pairs of samples, and roots of K(x,x), both with a graph behind them."""

from typing import Any

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Outer, Rows
from kinsight.tangent.features import Features


def paired(features: Features, i: Tensor, j: Tensor) -> Tensor:
    """K(x_i, x_j) of n pairs by number: (n, D, D).

    Cost: the gradients written out where that is cheapest, and n·D²·P operations; from the
    factors n·T²·(I + O) for each weight.
    """
    outputs = features.values.shape[1]
    total = features.values.new_zeros(len(i), outputs, outputs)  # no block: no gradient arrives
    for block in features.blocks.values():
        total = total + _of_block(block.settled(1), i, j)
    return total


def _of_block(block: Block, i: Tensor, j: Tensor) -> Tensor:
    if type(block) is Outer:
        across = block.left[i] @ block.left[j].mT  # (n, G, T, T)
        return _weighted(across[:, None], block.right[i], block.right[j])
    if isinstance(block, Rows):
        same = (block.index[i][:, :, None] == block.index[j][:, None]).to(block.right)
        return _weighted(same[:, None], block.right[i], block.right[j])
    value = block.dense()
    return value[i] @ value[j].mT


def _weighted(across: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
    """Σ_ts A_ts ⟨δ_t^d, δ'_s^e⟩: (n, 1, …, T, T), (n, D, …, T, O) twice -> (n, D, D)."""
    return ours.flatten(2) @ (across @ theirs).flatten(2).mT


class InverseRoot(torch.autograd.Function):
    """K^{-1/2} on the range of K, for symmetric positive K: (n, D, D), in float64.

    The derivative of a function φ of a matrix in its eigenbasis is the table of differences
    (φ(a) − φ(b))/(a − b) (Daleckii and Krein 1965). For φ(a) = a^{-1/2} they are
    −1/(√a √b (√a + √b)), finite where eigenvalues coincide, where autograd through ``eigh``
    divides by zero.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix.double())
        inside = values > tolerance * values.amax(1, keepdim=True).clamp_min(1e-300)
        root = torch.where(inside, values, 1.0).rsqrt() * inside
        ctx.save_for_backward(values, vectors, inside)
        rank = inside.sum(1)
        ctx.mark_non_differentiable(rank)
        return (vectors * root[:, None]) @ vectors.mT, rank

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        values, vectors, inside = ctx.saved_tensors
        root = torch.where(inside, values, 1.0).sqrt()
        a, b = root[:, :, None], root[:, None, :]
        both = inside[:, :, None] & inside[:, None, :]
        one = inside[:, :, None] ^ inside[:, None, :]
        table = torch.where(both, -1 / (a * b * (a + b)), 0.0)
        # Into the null space: (a^{-1/2} − 0)/(a − 0).
        table = torch.where(one, (a * b) ** -3, table)
        inner = vectors.mT @ gradients[0] @ vectors
        moved = vectors @ (table * (inner + inner.mT) / 2) @ vectors.mT
        return moved, None


def normalized(
    across: Tensor, ours: Tensor, theirs: Tensor, normalization: str
) -> tuple[Tensor, Tensor]:
    """k of n pairs from K(x,x'), K(x,x), K(x',x'), (n, D, D) each: (n,), and which are defined.

    Whitened: Tr(K(x,x)^{-1/2} K(x,x') K(x',x')^{-1/2})/√(r r'). Trace: the quotient of traces.
    One output: the cosine, both ways.
    """
    sizes = [_trace(own) for own in (ours, theirs)]
    there = (sizes[0] > 0) & (sizes[1] > 0)
    if normalization == "trace" or across.shape[1] == 1:
        safe = [torch.where(there, size, 1.0) for size in sizes]
        return _trace(across) * safe[0].rsqrt() * safe[1].rsqrt(), there
    tolerance = across.shape[1] * torch.finfo(across.dtype).eps
    (left, rank), (right, other) = (InverseRoot.apply(own, tolerance) for own in (ours, theirs))
    ranks = (rank * other).clamp_min(1).double().sqrt()
    return (_trace(left @ across.double() @ right) / ranks).to(across.dtype), there


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=1, dim2=2).sum(1)
