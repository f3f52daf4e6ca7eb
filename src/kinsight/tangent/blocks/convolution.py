"""J of a convolution's weight from the layer's input and output-gradients."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.tangent import plan
from kinsight.tangent.blocks.base import Block, cache_bytes, differentiated
from kinsight.tangent.blocks.dense import Dense
from kinsight.tangent.blocks.outer import Outer
from kinsight.tangent.blocks.taps import Taps

_CHUNK = 1 << 25  # bytes of patches unfolded at a time: they stay in the last-level cache


@dataclass(frozen=True)
class Geometry:
    """A convolution of any rank: sizes per spatial dimension, and groups."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def patches(value: Tensor, geometry: Geometry, sizes: tuple[int, ...]) -> Tensor:
    """The input seen by every output position: (B, C, *size) -> (B, G, C/G·k, L)."""
    if any(geometry.padding):
        pad = [p for size in reversed(geometry.padding) for p in (size, size)]
        value = functional.pad(value, pad)
    if differentiated(value):
        return _differentiable_patches(value, geometry, sizes)
    batch, channels = value.shape[:2]
    space = value.stride()[2:]
    view = value.as_strided(
        (batch, channels, *geometry.kernel, *sizes),
        (
            *value.stride()[:2],
            *(s * d for s, d in zip(space, geometry.dilation, strict=True)),
            *(s * d for s, d in zip(space, geometry.stride, strict=True)),
        ),
        value.storage_offset(),
    )
    return view.reshape(batch, geometry.groups, -1, torch.Size(sizes).numel())


def _differentiable_patches(value: Tensor, geometry: Geometry, sizes: tuple[int, ...]) -> Tensor:
    """The same of padded input: the derivative of as_strided is slow and knows no forward mode."""
    for dim, size in enumerate(sizes):
        step = geometry.dilation[dim]
        width = (geometry.kernel[dim] - 1) * step + 1
        value = value.unfold(2 + dim, width, geometry.stride[dim]).narrow(2 + dim, 0, size)
        value = value[..., ::step]
    rank = len(sizes)
    value = value.permute(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    return value.reshape(len(value), geometry.groups, -1, torch.Size(sizes).numel())


@dataclass(frozen=True)
class Convolution(Block):
    """Σ over positions of patch ⊗ output-gradient. Input (B, C, *size), δ (B, D, O, *sizes)."""

    value: Tensor
    delta: Tensor
    geometry: Geometry

    @property
    def bytes(self) -> int:
        return self.value.nbytes + self.delta.nbytes

    @property
    def shape(self) -> plan.Shape:
        """The sizes that the plan counts with."""
        groups = self.geometry.groups
        taps = torch.Size(self.geometry.kernel).numel()
        return plan.Shape(
            groups,
            self.delta.shape[3:].numel(),
            self.value.shape[1] // groups * taps,
            self.delta.shape[2] // groups,
            self.delta.shape[1],
        )

    def dense(self) -> Tensor:
        sizes = self.delta.shape[3:]
        shape = self.shape
        batch, groups = len(self.value), shape.groups
        # (B, D, G, O, L) -> (B, G, D·O, L): one product per sample and group serves all outputs.
        delta = self.delta.flatten(3).unflatten(2, (groups, -1)).transpose(1, 2).flatten(2, 3)
        result = self.value.new_empty(batch, shape.rows, groups, shape.outputs * shape.inputs)
        sample = groups * shape.inputs * shape.positions * self.value.element_size()
        step = max(1, cache_bytes(self.value, _CHUNK) // sample)
        for i in range(0, batch, step):
            seen = patches(self.value[i : i + step], self.geometry, sizes)  # (b, G, I, L)
            product = delta[i : i + step] @ seen.mT  # (b, G, D·O, I)
            product = product.unflatten(2, (shape.rows, -1)).flatten(3)  # (b, G, D, O·I)
            result[i : i + step] = product.transpose(1, 2)
        return result.flatten(2)

    def outer(self) -> Outer:
        """The same with the patches written out."""
        seen = patches(self.value, self.geometry, self.delta.shape[3:])
        delta = self.delta.flatten(3).unflatten(2, (self.geometry.groups, -1))
        return Outer(seen.mT, delta.mT, flipped=True)

    def mix(self, weights: Tensor) -> Block:
        mixed = weights.to(self.delta.dtype) @ self.delta.flatten(2)
        return replace(self, delta=mixed.unflatten(2, self.delta.shape[2:]))

    def peak(self) -> Tensor:
        left = self.value.flatten(1).abs().amax(1)
        return left * self.delta.flatten(1).abs().amax(1)

    def keep(self, samples: Tensor) -> Block:
        return replace(self, value=self.value[samples], delta=self.delta[samples])

    def clean(self, bad: Tensor) -> Block:
        flat = bad.reshape(-1, *[1] * (self.value.dim() - 1))
        return replace(
            self,
            value=self.value.masked_fill(flat, 0.0),
            delta=self.delta.masked_fill(flat[:, None], 0.0),
        )

    def settled(self, pairs: int) -> Block:
        if plan.dense_is_cheaper(self.shape, pairs):
            return self.written_out()
        return self.outer()

    def sketchable(self, dim: int) -> Block:
        cheaper = plan.scattering_is_cheaper(self.shape, dim)
        return self.written_out() if cheaper else self.outer()

    def written_out(self) -> Block:
        """Every entry of the gradient, in the order in which that is cheapest."""
        g = self.geometry
        plain = g.groups == 1 and all(step == 1 for step in g.stride)
        if not plain or differentiated(self.value, self.delta):  # taps are written in place
            return Dense(self.dense())
        return Taps.of(self.value, self.delta, g.kernel, g.padding, g.dilation)

    def own_gram(self) -> Tensor:
        return self.settled(1).own_gram()

    def summed(self) -> Tensor:
        weight = self.value.new_empty(
            self.delta.shape[2], self.value.shape[1] // self.geometry.groups, *self.geometry.kernel
        )
        rank = len(self.geometry.kernel)
        rows = []
        for d in range(self.delta.shape[1]):
            _, gradient, _ = torch.ops.aten.convolution_backward(
                self.delta[:, d].contiguous(), self.value, weight, None, self.geometry.stride,
                self.geometry.padding, self.geometry.dilation, False, [0] * rank,
                self.geometry.groups, [False, True, False],
            )  # fmt: skip
            rows.append(gradient.flatten())
        return torch.stack(rows)

    def contract(self, direction: Tensor) -> Tensor:
        total = self.value.new_zeros(len(self.value))
        for product in self._moved(direction):
            total += product.flatten(1).sum(1)
        return total

    def by_position(self, direction: Tensor) -> tuple[Tensor, ...]:
        total = self.value.new_zeros(len(self.value), *self.delta.shape[3:])
        for product in self._moved(direction):
            total += product.sum(1)
        return (total,)

    def by_pair(self, other: Block) -> Tensor | None:
        return self.outer().by_pair(other.outer()) if isinstance(other, Convolution) else None

    def _moved(self, direction: Tensor) -> Iterator[Tensor]:
        """(U^d ∗ input) ∘ δ^d for each d: (B, O, *sizes)."""
        g = self.geometry
        shape = (-1, self.value.shape[1] // g.groups, *g.kernel)
        rank = len(g.kernel)
        for d, flat in enumerate(direction):
            moved = torch.ops.aten.convolution(
                self.value, flat.reshape(shape), None, g.stride, g.padding, g.dilation, False,
                [0] * rank, g.groups,
            )  # fmt: skip
            yield moved * self.delta[:, d]
