"""Sums of outer products: the form that every matrix product gives, kept factored."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.tangent import plan
from kinsight.tangent.blocks.base import Block, largest, outer_pairs, pairs, row_products
from kinsight.tangent.blocks.dense import Dense
from kinsight.tangent.hashing import Hash


@dataclass(frozen=True)
class Outer(Block):
    """Σ_t left_t ⊗ right_t, the form of every matrix product: (B, G, T, I) ⊗ (B, D, G, T, O).

    The weight has entries (G, I, O), or (G, O, I) where ``flipped``. Uses of the same weight add
    up along T. Two ways to an inner product: T·T'·(I + D·O) operations factored, D·I·O dense.
    """

    left: Tensor
    right: Tensor
    flipped: bool = False
    lengths: tuple[int, ...] = ()  # T of each use, where several stand one after the other

    @property
    def bytes(self) -> int:
        return self.left.nbytes + self.right.nbytes

    @property
    def uses(self) -> tuple[int, ...]:
        """Positions of each use of the weight; they add up to T."""
        return self.lengths or (self.left.shape[2],)

    @property
    def shape(self) -> plan.Shape:
        """The sizes that the plan counts with."""
        _, groups, positions, inputs = self.left.shape
        return plan.Shape(groups, positions, inputs, self.right.shape[-1], self.right.shape[1])

    def dense(self) -> Tensor:
        batch, rows, groups, positions, outputs = self.right.shape
        # (B, G, D·O, T): one product per sample and group serves all outputs.
        right = self.right.permute(0, 2, 1, 4, 3).reshape(batch, groups, rows * outputs, positions)
        value = (right @ self.left).unflatten(2, (rows, outputs)).transpose(1, 2)  # (B, D, G, O, I)
        return (value if self.flipped else value.mT).flatten(2)

    def flip(self) -> "Outer":
        """The gradient of the transposed weight."""
        return replace(self, flipped=not self.flipped)

    def mix(self, weights: Tensor) -> Block:
        weights = weights.to(self.right.dtype)
        if weights.shape[1:] == (1, 1):
            return replace(self, right=self.right * weights[..., None, None])
        mixed = (weights @ self.right.flatten(2)).unflatten(2, self.right.shape[2:])
        return replace(self, right=mixed)

    def peak(self) -> Tensor:
        return largest(self.left) * largest(self.right)

    def keep(self, samples: Tensor) -> Block:
        return replace(self, left=self.left[samples], right=self.right[samples])

    def clean(self, bad: Tensor) -> Block:
        left = self.left.masked_fill(bad[:, None, None, None], 0.0)
        right = self.right.masked_fill(bad[:, None, None, None, None], 0.0)
        return replace(self, left=left, right=right)

    def settled(self, pairs: int) -> Block:
        if plan.dense_is_cheaper(self.shape, pairs):
            return Dense(self.dense())
        return self

    def trace_gram(self, other: Block) -> Tensor:
        if not isinstance(other, Outer):
            return super().trace_gram(other)
        total = self.left.new_zeros(self.left.shape[0], other.left.shape[0])
        for product in self._pairs_by_group(other):
            total += product.sum((2, 3))
        return total

    def by_pair(self, other: Block) -> Tensor | None:
        if not isinstance(other, Outer):
            return None
        return torch.stack(list(self._pairs_by_group(other))).sum(0)

    def _pairs_by_group(self, other: "Outer") -> Iterator[Tensor]:
        """⟨a_t, a'_s⟩ Σ_d ⟨δ_t^d, δ'_s^d⟩ within each group: (B, C, T, S)."""
        for g in range(self.left.shape[1]):
            a = pairs(self.left[:, g], other.left[:, g])  # (B, C, T, S)
            ours, theirs = self.right[:, :, g], other.right[:, :, g]  # (B, D, T, O)
            b = pairs(
                ours.transpose(1, 2).flatten(2), theirs.transpose(1, 2).flatten(2)
            )  # (B, C, T, S)
            yield a * b

    def gram(self, other: Block) -> Tensor:
        if not isinstance(other, Outer) or plan.dense_is_cheaper(self.shape, len(other.left)):
            return super().gram(other)
        total: Tensor | float = 0.0
        for g in range(self.left.shape[1]):
            a = pairs(self.left[:, g], other.left[:, g])  # (B, C, T, S)
            ours, theirs = self.right[:, :, g], other.right[:, :, g]
            b = outer_pairs(ours, theirs)  # (B, D, T, C, E, S)
            if a.shape[2:] == (1, 1):
                part = b[:, :, 0, :, :, 0].mul_(a[:, None, :, None, 0, 0])  # (B, D, C, E)
                total = part if isinstance(total, float) else total + part
            else:
                total = total + torch.einsum("bcts,bdtces->bdce", a, b)
        return torch.as_tensor(total).permute(0, 2, 1, 3)

    def own_gram(self) -> Tensor:
        if plan.dense_is_cheaper(self.shape, 1):
            return super().own_gram()
        a = self.left @ self.left.mT  # (B, G, T, T)
        if a.shape[-1] == 1:
            right = self.right * a[:, None].sqrt()
            flat = right.flatten(2)  # (B, D, G·O)
            return row_products(flat, flat)
        by_group = self.right.permute(0, 2, 3, 1, 4)  # (B, G, T, D, O)
        weighted = (a @ by_group.flatten(3)).unflatten(3, by_group.shape[3:])
        weighted = weighted.permute(0, 3, 1, 2, 4).flatten(2)  # (B, D, G·T·O)
        return row_products(weighted, self.right.flatten(2))

    def summed(self) -> Tensor:
        left = self.left.permute(1, 0, 2, 3).flatten(1, 2)  # (G, B·T, I)
        right = self.right.permute(1, 2, 0, 3, 4).flatten(2, 3)  # (D, G, B·T, O)
        value = right.mT @ left if self.flipped else left.mT @ right
        return value.flatten(1)

    def sketchable(self, dim: int) -> Block:
        cheaper = plan.scattering_is_cheaper(self.shape, dim)
        return Dense(self.dense()) if cheaper else self

    def sketch(self, hashing: Hash, total: Tensor) -> None:
        groups, inputs = self.left.shape[1], self.left.shape[3]
        outputs = self.right.shape[4]
        rows, columns = (outputs, inputs) if self.flipped else (inputs, outputs)
        if (len(hashing.row), len(hashing.column)) != (groups * rows, columns):
            return super().sketch(hashing, total)  # the parameter has another shape than its use
        for g in range(groups):
            left, right = self.left[:, g, None], self.right[:, :, g]  # (B, 1, T, I), (B, D, T, O)
            part = hashing.of_rows(g * rows, (g + 1) * rows)
            if self.flipped:
                part.convolve(right, left, total)
            else:
                part.convolve(left, right, total)

    def contract(self, direction: Tensor) -> Tensor:
        total = self.left.new_zeros(self.left.shape[0])
        for product in self._moved(direction):
            total += product.flatten(1).sum(1)
        return total

    def by_position(self, direction: Tensor) -> tuple[Tensor, ...]:
        total = self.left.new_zeros(self.left.shape[0], self.left.shape[2])
        for product in self._moved(direction):
            total += product.sum((1, 3))
        return total.split(self.uses, 1)

    def _moved(self, direction: Tensor) -> Iterator[Tensor]:
        """(a_t U^d) ∘ δ_t^d for each d: (B, G, T, O)."""
        _, groups, _, inputs = self.left.shape
        outputs = self.right.shape[-1]
        for d, flat in enumerate(direction):
            if self.flipped:
                weight = flat.reshape(groups, outputs, inputs).mT
            else:
                weight = flat.reshape(groups, inputs, outputs)
            yield (self.left @ weight) * self.right[:, d]
