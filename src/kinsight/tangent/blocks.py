"""A parameter's share of J for one batch: dense, or as sums of outer products that stay factored.

Letters: B samples, D outputs, T positions (uses of the weight within a sample), G groups,
I and O the two sides of the weight, P its entries. Every block can do five things, each with its
own cheapest way: inner products with another batch, its own D×D Gram, mixing of outputs, a
weighted sum over samples, and the contraction with a direction U in parameter space.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.tangent import plan


class Block(ABC):
    """J restricted to one parameter, for B samples: mathematically (B, D, P)."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Memory held."""

    @abstractmethod
    def dense(self) -> Tensor:
        """(B, D, P), entries in the parameter's own order."""

    @abstractmethod
    def mix(self, weights: Tensor) -> "Block":
        """J_b -> W_b J_b with W of shape (B, D', D)."""

    @abstractmethod
    def keep(self, samples: Tensor) -> "Block":
        """Only the given samples, by index."""

    @abstractmethod
    def clean(self, bad: Tensor) -> "Block":
        """Zero in place of the samples in ``bad``, (B,) bool, whatever they hold."""

    @abstractmethod
    def peak(self) -> Tensor:
        """The order of magnitude of the largest entry per sample, (B,)."""

    def settled(self, pairs: int) -> "Block":
        """The form in which ``pairs`` inner products a sample cost least."""
        return self

    def trace_gram(self, other: "Block") -> Tensor:
        """Σ_d ⟨J_b^d, J'_c^d⟩: (B, C)."""
        return self.dense().flatten(1) @ other.dense().flatten(1).T

    def gram(self, other: "Block") -> Tensor:
        """⟨J_b^d, J'_c^e⟩: (B, C, D, E)."""
        ours, theirs = self.dense(), other.dense()
        product = ours.flatten(0, 1) @ theirs.flatten(0, 1).T
        return product.unflatten(1, theirs.shape[:2]).unflatten(0, ours.shape[:2]).transpose(1, 2)

    def own_gram(self) -> Tensor:
        """K(x_b, x_b): (B, D, D)."""
        value = self.dense()
        return value @ value.mT

    def summed(self) -> Tensor:
        """Σ_b J_b: (D, P)."""
        return self.dense().sum(0)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Σ_b W_b J_b for W of shape (B, D', D): (D', P)."""
        return self.mix(weights).summed()

    def contract(self, direction: Tensor) -> Tensor:
        """Σ_d ⟨J_b^d, U^d⟩ for U of shape (D, P): (B,)."""
        return self.dense().flatten(1) @ direction.flatten()


@dataclass(frozen=True)
class Dense(Block):
    """The gradient itself, where that is the cheapest: biases, scales, small weights."""

    value: Tensor  # (B, D, P)

    @property
    def bytes(self) -> int:
        return self.value.nbytes

    def dense(self) -> Tensor:
        return self.value

    def mix(self, weights: Tensor) -> Block:
        if self.value.shape[1] == weights.shape[1] == 1:
            return Dense(self.value * weights.to(self.value.dtype))
        return Dense(weights.to(self.value.dtype) @ self.value)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        mixing = weights.to(self.value.dtype).transpose(0, 1).flatten(1)  # (D', B·D)
        return mixing @ self.value.flatten(0, 1)

    def peak(self) -> Tensor:
        return _largest(self.value)

    def keep(self, samples: Tensor) -> Block:
        return Dense(self.value[samples])

    def clean(self, bad: Tensor) -> Block:
        return Dense(self.value.masked_fill(bad[:, None, None], 0.0))


@dataclass(frozen=True)
class Joined(Dense):
    """Several parameters' gradients side by side, so that one matrix product serves them all."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, blocks: dict[str, Dense]) -> "Joined":
        """The given blocks in one, in their order."""
        values = [block.value for block in blocks.values()]
        value = values[0] if len(values) == 1 else torch.cat(values, 2)
        return cls(value, tuple(blocks), tuple(v.shape[2] for v in values))

    def parts(self) -> dict[str, Block]:
        """One block per parameter again, without a copy."""
        pieces = self.value.split(self.sizes, 2)
        return {name: Dense(piece) for name, piece in zip(self.names, pieces, strict=True)}

    def mix(self, weights: Tensor) -> Block:
        return replace(self, value=super().mix(weights).dense())

    def keep(self, samples: Tensor) -> Block:
        return replace(self, value=super().keep(samples).dense())

    def clean(self, bad: Tensor) -> Block:
        return replace(self, value=super().clean(bad).dense())


@dataclass(frozen=True)
class Outer(Block):
    """Σ_t left_t ⊗ right_t, the form of every matrix product: (B, G, T, I) ⊗ (B, D, G, T, O).

    The weight has entries (G, I, O), or (G, O, I) where ``flipped``. Uses of the same weight add
    up along T. Two ways to an inner product: T·T'·(I + D·O) operations factored, D·I·O dense.
    """

    left: Tensor
    right: Tensor
    flipped: bool = False

    @property
    def bytes(self) -> int:
        return self.left.nbytes + self.right.nbytes

    @property
    def shape(self) -> plan.Shape:
        """The sizes that the plan counts with."""
        _, groups, positions, inputs = self.left.shape
        return plan.Shape(groups, positions, inputs, self.right.shape[-1], self.right.shape[1])

    def dense(self) -> Tensor:
        left, right = self.left[:, None], self.right  # (B, 1, G, T, I), (B, D, G, T, O)
        value = right.mT @ left if self.flipped else left.mT @ right
        return value.flatten(2)

    def flip(self) -> "Outer":
        """The gradient of the transposed weight."""
        return Outer(self.left, self.right, not self.flipped)

    def mix(self, weights: Tensor) -> Block:
        weights = weights.to(self.right.dtype)
        if weights.shape[1:] == (1, 1):
            return Outer(self.left, self.right * weights[..., None, None], self.flipped)
        mixed = (weights @ self.right.flatten(2)).unflatten(2, self.right.shape[2:])
        return Outer(self.left, mixed, self.flipped)

    def peak(self) -> Tensor:
        return _largest(self.left) * _largest(self.right)

    def keep(self, samples: Tensor) -> Block:
        return Outer(self.left[samples], self.right[samples], self.flipped)

    def clean(self, bad: Tensor) -> Block:
        left = self.left.masked_fill(bad[:, None, None, None], 0.0)
        return Outer(
            left, self.right.masked_fill(bad[:, None, None, None, None], 0.0), self.flipped
        )

    def settled(self, pairs: int) -> Block:
        if plan.dense_is_cheaper(self.shape, pairs):
            return Dense(self.dense())
        return self

    def trace_gram(self, other: Block) -> Tensor:
        if not isinstance(other, Outer):
            return super().trace_gram(other)
        total = self.left.new_zeros(self.left.shape[0], other.left.shape[0])
        for g in range(self.left.shape[1]):
            a = _pairs(self.left[:, g], other.left[:, g])  # (B, C, T, S)
            ours, theirs = self.right[:, :, g], other.right[:, :, g]  # (B, D, T, O)
            b = _pairs(
                ours.transpose(1, 2).flatten(2), theirs.transpose(1, 2).flatten(2)
            )  # (B, C, T, S)
            total += (a * b).sum((2, 3))
        return total

    def gram(self, other: Block) -> Tensor:
        if not isinstance(other, Outer) or plan.dense_is_cheaper(self.shape, len(other.left)):
            return super().gram(other)
        total: Tensor | float = 0.0
        for g in range(self.left.shape[1]):
            a = _pairs(self.left[:, g], other.left[:, g])  # (B, C, T, S)
            ours, theirs = self.right[:, :, g], other.right[:, :, g]
            b = _outer_pairs(ours, theirs)  # (B, D, T, C, E, S)
            if a.shape[2:] == (1, 1):
                total = total + a[:, None, :, None, 0, 0] * b[:, :, 0, :, :, 0]  # (B, D, C, E)
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
            return flat @ flat.mT
        weighted = a[:, None] @ self.right  # (B, D, G, T, O)
        return weighted.flatten(2) @ self.right.flatten(2).mT

    def summed(self) -> Tensor:
        left = self.left.permute(1, 0, 2, 3).flatten(1, 2)  # (G, B·T, I)
        right = self.right.permute(1, 2, 0, 3, 4).flatten(2, 3)  # (D, G, B·T, O)
        value = right.mT @ left if self.flipped else left.mT @ right
        return value.flatten(1)

    def contract(self, direction: Tensor) -> Tensor:
        _, groups, _, inputs = self.left.shape
        outputs = self.right.shape[-1]
        total = self.left.new_zeros(self.left.shape[0])
        for d, flat in enumerate(direction):
            if self.flipped:
                weight = flat.reshape(groups, outputs, inputs).mT
            else:
                weight = flat.reshape(groups, inputs, outputs)
            total += ((self.left @ weight) * self.right[:, d]).flatten(1).sum(1)
        return total


def _pairs(ours: Tensor, theirs: Tensor) -> Tensor:
    """⟨a_bt, a'_cs⟩: (B, T, I), (C, S, I) -> (B, C, T, S)."""
    product = ours.flatten(0, 1) @ theirs.flatten(0, 1).T
    return product.unflatten(1, theirs.shape[:2]).unflatten(0, ours.shape[:2]).transpose(1, 2)


@dataclass(frozen=True)
class Rows(Block):
    """Σ_t e_{index_t} ⊗ right_t: rows of a table picked by index. (B, T) and (B, D, T, O)."""

    index: Tensor
    right: Tensor
    height: int

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
        return Rows(self.index, mixed.unflatten(2, self.right.shape[2:]), self.height)

    def peak(self) -> Tensor:
        return _largest(self.right)

    def keep(self, samples: Tensor) -> Block:
        return Rows(self.index[samples], self.right[samples], self.height)

    def clean(self, bad: Tensor) -> Block:
        right = self.right.masked_fill(bad[:, None, None, None], 0.0)
        return Rows(self.index, right, self.height)

    def trace_gram(self, other: Block) -> Tensor:
        if not isinstance(other, Rows):
            return super().trace_gram(other)
        same = self.index[:, None, :, None] == other.index[None, :, None, :]  # (B, C, T, S)
        ours = self.right.transpose(1, 2).flatten(2)  # (B, T, D·O)
        return (_pairs(ours, other.right.transpose(1, 2).flatten(2)) * same).sum((2, 3))

    def gram(self, other: Block) -> Tensor:
        if not isinstance(other, Rows):
            return super().gram(other)
        same = (self.index[:, None, :, None] == other.index[None, :, None, :]).to(self.right)
        product = _outer_pairs(self.right, other.right)  # (B, D, T, C, E, S)
        return torch.einsum("bcts,bdtces->bcde", same, product)

    def own_gram(self) -> Tensor:
        same = (self.index[:, :, None] == self.index[:, None, :]).to(self.right)  # (B, T, T)
        weighted = same[:, None] @ self.right
        return weighted.flatten(2) @ self.right.flatten(2).mT

    def summed(self) -> Tensor:
        outputs, width = self.right.shape[1], self.right.shape[3]
        value = self.right.new_zeros(outputs, self.height, width)
        right = self.right.transpose(0, 1).flatten(1, 2)  # (D, B·T, O)
        return value.index_add_(1, self.index.flatten(), right).flatten(1)

    def contract(self, direction: Tensor) -> Tensor:
        table = direction.unflatten(1, (self.height, self.right.shape[3]))  # (D, V, O)
        picked = table[:, self.index].transpose(0, 1)  # (B, D, T, O)
        return (picked * self.right).flatten(1).sum(1)


def _outer_pairs(ours: Tensor, theirs: Tensor) -> Tensor:
    """(B, D, T, O), (C, E, S, O) -> (B, D, T, C, E, S)."""
    product = ours.flatten(0, 2) @ theirs.flatten(0, 2).T
    return product.reshape(*ours.shape[:3], *theirs.shape[:3])


def _largest(value: Tensor) -> Tensor:
    return value.flatten(1).abs().amax(1)


def add_up(blocks: list[Block]) -> Block:
    """J of a parameter that is used several times: the uses add up, factored where they match."""
    if len(blocks) == 1:
        return blocks[0]
    outers = [b for b in blocks if type(b) is Outer]
    kinds = {(b.left.shape[1], b.left.shape[3], b.right.shape[4], b.flipped) for b in outers}
    if len(outers) == len(blocks) and len(kinds) == 1:
        left = torch.cat([b.left for b in outers], 2)
        right = torch.cat([b.right for b in outers], 3)
        return Outer(left, right, outers[0].flipped)
    tables = [b for b in blocks if isinstance(b, Rows)]
    if len(tables) == len(blocks):
        index = torch.cat([b.index for b in tables], 1)
        return Rows(index, torch.cat([b.right for b in tables], 2), tables[0].height)
    total = blocks[0].dense()
    for block in blocks[1:]:
        total = total + block.dense()
    return Dense(total)
