"""Gradients measured with a metric: J B of one parameter, in the cheapest form there is.

B is a root of M⁻¹ = B Bᵀ, nearly always the symmetric M^-½. It may stand on either side of an
inner product, ⟨J B, U⟩ = ⟨J, U Bᵀ⟩, so that a contraction with one direction for all samples
needs no gradient written out.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Convolution, Dense, Outer, Rows, Taps
from kinsight.tangent.blocks.base import largest


class Half(ABC):
    """A root of M⁻¹ on one parameter's P entries: linear, symmetric unless it says otherwise."""

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """What it is made of."""

    @abstractmethod
    def __call__(self, value: Tensor) -> Tensor:
        """Of flat entries: (…, P) -> (…, P)."""

    def transposed(self, value: Tensor) -> Tensor:
        """U Bᵀ where calling gives J B: (…, P) -> (…, P)."""
        return self(value)

    @abstractmethod
    def to(self, dtype: torch.dtype, device: torch.device) -> "Half":
        """The same in another precision and place."""

    def factored(self, block: Block) -> Block | None:
        """J M^-½ without writing J out, or None where that cannot be done."""
        return None

    def written_out(self, block: Block) -> Block:
        """Every entry of J M^-½."""
        return Dense(self(block.dense()))

    def applied(self, block: Block) -> Block:
        """J M^-½ for a batch."""
        found = self.factored(block)
        return found if found is not None else Preconditioned(block, self)

    @property
    def size(self) -> float:
        """The order of magnitude of its entries."""
        return max((float(t.abs().max()) for t in self.tensors if t.numel()), default=0.0)


@dataclass(frozen=True)
class Scale(Half):
    """A diagonal metric: every entry times a factor of its own."""

    factor: Tensor  # (P,)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.factor,)

    def __call__(self, value: Tensor) -> Tensor:
        return value * self.factor.to(value)

    def to(self, dtype: torch.dtype, device: torch.device) -> Half:
        return Scale(self.factor.to(device, dtype))

    def factored(self, block: Block) -> Block | None:
        if isinstance(block, Rows):  # a picked row is scaled where it was picked
            table = self.factor.to(block.right).reshape(block.height, -1)
            return replace(block, right=block.right * table[block.index][:, None])
        return Dense(self(block.dense())) if isinstance(block, Dense) else None

    def written_out(self, block: Block) -> Block:
        form = block.written_out() if isinstance(block, Convolution) else block
        if not isinstance(form, Taps):
            return super().written_out(form)
        first, _, _, outputs, _ = form.value.shape
        shape = (outputs, -1, first, form.taps // first)
        by_tap = self.factor.to(form.value).reshape(shape).permute(2, 0, 3, 1).flatten(2)
        return replace(form, value=form.value * by_tap[:, None, None])  # (K, 1, 1, O, R·C)


@dataclass(frozen=True)
class ByRow(Half):
    """A block for every row of the parameter seen as (R, W): a neuron's own weights."""

    root: Tensor  # (R, W, W)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.root,)

    def __call__(self, value: Tensor) -> Tensor:
        return self._times(value, self.root)

    def transposed(self, value: Tensor) -> Tensor:
        return self._times(value, self.root.mT)

    def _times(self, value: Tensor, root: Tensor) -> Tensor:
        rows, width, _ = root.shape
        by_row = value.reshape(-1, rows, width).transpose(0, 1)  # (R, n, W)
        return (by_row @ root.to(value)).transpose(0, 1).reshape(value.shape)

    def to(self, dtype: torch.dtype, device: torch.device) -> Half:
        return ByRow(self.root.to(device, dtype))


@dataclass(frozen=True)
class Kronecker(Half):
    """B^-½ W A^-½ of a weight W, (O, I): a ⊗ δ stays an outer product."""

    left: Tensor  # (I, I) A^-½, of inputs
    right: Tensor  # (O, O) B^-½, of output-gradients

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.left, self.right)

    def __call__(self, value: Tensor) -> Tensor:
        weight = value.unflatten(-1, (len(self.right), len(self.left)))
        return (self.right.to(value) @ weight @ self.left.to(value)).flatten(-2)

    def to(self, dtype: torch.dtype, device: torch.device) -> Half:
        return Kronecker(self.left.to(device, dtype), self.right.to(device, dtype))

    def factored(self, block: Block) -> Block | None:
        if not isinstance(block, Outer) or block.left.shape[1] != 1 or not block.flipped:
            return None
        if (block.left.shape[3], block.right.shape[4]) != (len(self.left), len(self.right)):
            return None
        left, right = block.left @ self.left.to(block.left), block.right @ self.right.to(block.left)
        return replace(block, left=left, right=right)


@dataclass(frozen=True)
class Preconditioned(Block):
    """J M^-½ with J in whatever form it was captured."""

    inner: Block
    half: Half

    @property
    def bytes(self) -> int:
        return self.inner.bytes

    def dense(self) -> Tensor:
        return self.half(self.inner.dense())

    def mix(self, weights: Tensor) -> Block:
        return replace(self, inner=self.inner.mix(weights))

    def keep(self, samples: Tensor) -> Block:
        return replace(self, inner=self.inner.keep(samples))

    def clean(self, bad: Tensor) -> Block:
        return replace(self, inner=self.inner.clean(bad))

    def peak(self) -> Tensor:
        small = isinstance(self.inner, Dense)
        return largest(self.dense()) if small else self.inner.peak() * self.half.size

    def settled(self, pairs: int) -> Block:
        return self._form(self.inner.settled(pairs))

    def sketchable(self, dim: int) -> Block:
        return self._form(self.inner.sketchable(dim))

    def _form(self, inner: Block) -> Block:
        """The form that J would take, where the metric keeps it; else all of it."""
        kept = self.half.factored(inner)
        if kept is not None:
            return kept
        return self.half.written_out(inner if isinstance(inner, Dense | Taps) else self.inner)

    def trace_gram(self, other: Block) -> Tensor:
        return self.half.written_out(self.inner).trace_gram(other)

    def gram(self, other: Block) -> Tensor:
        return self.half.written_out(self.inner).gram(other)

    def own_gram(self) -> Tensor:
        return self.settled(1).own_gram()

    def summed(self) -> Tensor:
        return self.half(self.inner.summed())

    def weighted_sum(self, weights: Tensor) -> Tensor:
        return self.half(self.inner.weighted_sum(weights))

    def contract(self, direction: Tensor) -> Tensor:
        return self.inner.contract(self.half.transposed(direction))

    def by_position(self, direction: Tensor) -> tuple[Tensor, ...]:
        return self.inner.by_position(self.half.transposed(direction))

    def by_pair(self, other: Block) -> Tensor | None:
        """Only where the metric keeps factors; a diagonal one mixes a position's two sides."""
        ours = self._factors()
        theirs = other._factors() if isinstance(other, Preconditioned) else other
        return None if ours is None or theirs is None else ours.by_pair(theirs)

    def _factors(self) -> Block | None:
        inner = self.inner
        return self.half.factored(inner.outer() if isinstance(inner, Convolution) else inner)
