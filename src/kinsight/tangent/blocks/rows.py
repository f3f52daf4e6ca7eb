"""Rows of a table picked by index: the form that embeddings give, kept as (index, gradient)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.tangent.blocks.base import Block, largest, outer_pairs, pairs, row_products
from kinsight.tangent.hashing import Hash


@dataclass(frozen=True)
class Rows(Block):
    """Σ_t e_{index_t} ⊗ right_t: rows of a table picked by index. (B, T) and (B, D, T, O)."""

    index: Tensor
    right: Tensor
    height: int
    lengths: tuple[int, ...] = ()  # T of each use, where several stand one after the other

    @property
    def uses(self) -> tuple[int, ...]:
        """Positions of each use of the table; they add up to T."""
        return self.lengths or (self.index.shape[1],)

    @property
    def bytes(self) -> int:
        return self.index.nbytes + self.right.nbytes

    def dense(self) -> Tensor:
        batch, outputs, _, width = self.right.shape
        value = self.right.new_zeros(batch, outputs, self.height, width)
        where = self.index[:, None, :, None].expand_as(self.right)
        return value.scatter_add_(2, where, self.right).flatten(2)

    def mix(self, weights: Tensor) -> Block:
        mixed = weights.to(self.right.dtype) @ self.right.flatten(2)
        return replace(self, right=mixed.unflatten(2, self.right.shape[2:]))

    def peak(self) -> Tensor:
        return largest(self.right)

    def keep(self, samples: Tensor) -> Block:
        return replace(self, index=self.index[samples], right=self.right[samples])

    def clean(self, bad: Tensor) -> Block:
        right = self.right.masked_fill(bad[:, None, None, None], 0.0)
        return replace(self, right=right)

    def trace_gram(self, other: Block) -> Tensor:
        product = self.by_pair(other)
        return super().trace_gram(other) if product is None else product.sum((2, 3))

    def by_pair(self, other: Block) -> Tensor | None:
        if not isinstance(other, Rows):
            return None
        same = self.index[:, None, :, None] == other.index[None, :, None, :]  # (B, C, T, S)
        ours = self.right.transpose(1, 2).flatten(2)  # (B, T, D·O)
        return pairs(ours, other.right.transpose(1, 2).flatten(2)) * same

    def gram(self, other: Block) -> Tensor:
        if not isinstance(other, Rows):
            return super().gram(other)
        same = (self.index[:, None, :, None] == other.index[None, :, None, :]).to(self.right)
        product = outer_pairs(self.right, other.right)  # (B, D, T, C, E, S)
        return torch.einsum("bcts,bdtces->bcde", same, product)

    def own_gram(self) -> Tensor:
        same = (self.index[:, :, None] == self.index[:, None, :]).to(self.right)  # (B, T, T)
        weighted = same[:, None] @ self.right
        return row_products(weighted.flatten(2), self.right.flatten(2))

    def summed(self) -> Tensor:
        outputs, width = self.right.shape[1], self.right.shape[3]
        value = self.right.new_zeros(outputs, self.height, width)
        right = self.right.transpose(0, 1).flatten(1, 2)  # (D, B·T, O)
        return value.index_add_(1, self.index.flatten(), right).flatten(1)

    def sketch(self, hashing: Hash, total: Tensor) -> None:
        if (len(hashing.row), len(hashing.column)) != (self.height, self.right.shape[3]):
            return super().sketch(hashing, total)  # the parameter has another shape than its use
        hashing.pick(self.index, self.right, total)

    def contract(self, direction: Tensor) -> Tensor:
        return self._moved(direction).flatten(1).sum(1)

    def by_position(self, direction: Tensor) -> tuple[Tensor, ...]:
        return self._moved(direction).sum((1, 3)).split(self.uses, 1)

    def _moved(self, direction: Tensor) -> Tensor:
        """The rows of U that each position picks, times δ_t: (B, D, T, O)."""
        table = direction.unflatten(1, (self.height, self.right.shape[3]))  # (D, V, O)
        return table[:, self.index].transpose(0, 1) * self.right
