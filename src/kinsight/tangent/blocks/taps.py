"""A convolution's gradient in the order in which it is cheapest to write out: tap by tap.

With stride 1, the input that all output positions see through one row of the kernel is a view of
the padded input, once the kernel's columns are copied side by side. So a k×k kernel costs k
copies of the input in place of k². The price is that entries lie tap-major, not as the parameter
does; inner products do not care, and a sketch finds their buckets in that order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.tangent.blocks.base import Block, cache_bytes, long_rows, row_products
from kinsight.tangent.hashing import Hash

_CHUNK = 1 << 23  # bytes of copied input at a time: they stay in the cache


@dataclass(frozen=True)
class Taps(Block):
    """J of a convolution's weight: (K, B, D, O, R·C), K × R taps, C input channels."""

    value: Tensor
    taps: int  # K·R

    @classmethod
    def of(cls, value: Tensor, delta: Tensor, kernel: tuple[int, ...], padding: tuple[int, ...],
           dilation: tuple[int, ...]) -> "Taps":  # fmt: skip
        """From the input (B, C, *size) and output-gradients (B, D, O, *sizes); stride 1."""
        batch, channels = value.shape[:2]
        outputs, sizes = delta.shape[1:3], delta.shape[3:]
        right = delta.flatten(3).flatten(1, 2)  # (B, D·O, L)
        width = prod(kernel[1:]) * channels
        result = value.new_empty(kernel[0], batch, right.shape[1], width)
        across = prod(sizes[1:])  # positions in one row of the output
        rows = value.shape[2] + 2 * padding[0]
        at_once = cache_bytes(value, _CHUNK)
        step = max(1, at_once // (rows * across * width * value.element_size()))
        for b in range(0, batch, step):
            part = slice(b, b + step)
            seen = _columns(value[part], kernel, padding, dilation, sizes).flatten(2)
            for tap in range(kernel[0]):
                first = tap * dilation[0] * across
                view = seen[:, :, first : first + right.shape[2]]
                torch.bmm(right[part], view.mT, out=result[tap, part])
        return cls(result.unflatten(2, outputs), prod(kernel))

    @property
    def bytes(self) -> int:
        return self.value.nbytes

    def dense(self) -> Tensor:
        split = (self.taps // len(self.value), -1)
        value = self.value.unflatten(4, split)  # (K, B, D, O, R, C)
        return value.permute(1, 2, 3, 5, 0, 4).flatten(2)

    def mix(self, weights: Tensor) -> Block:
        weights = weights.to(self.value.dtype)
        if weights.shape[1:] == (1, 1):
            return replace(self, value=self.value * weights[..., None])
        mixed = weights @ self.value.flatten(3)
        return replace(self, value=mixed.unflatten(3, self.value.shape[3:]))

    def rounded(self, dtype: torch.dtype) -> Block:
        return replace(self, value=self.value.to(dtype))

    def keep(self, samples: Tensor) -> Block:
        return Taps(self.value[:, samples], self.taps)

    def clean(self, bad: Tensor) -> Block:
        return Taps(self.value.masked_fill(bad[:, None, None, None], 0.0), self.taps)

    def peak(self) -> Tensor:
        return self.value.abs().amax((0, 2, 3, 4))

    def trace_gram(self, other: Block) -> Tensor:
        if not self._alike(other):
            return super().trace_gram(other)
        return sum_of(long_rows(a.flatten(1), b.flatten(1)) for a, b in self._with(other))

    def gram(self, other: Block) -> Tensor:
        if not self._alike(other):
            return super().gram(other)
        shape = (*self.value.shape[1:3], *other.value.shape[1:3])  # type: ignore[attr-defined]
        pairs = ((a.flatten(0, 1).flatten(1), b.flatten(0, 1).flatten(1)) for a, b in
                 self._with(other))  # fmt: skip
        return sum_of(long_rows(a, b) for a, b in pairs).reshape(shape).transpose(1, 2)

    def own_gram(self) -> Tensor:
        rows = (part.flatten(2) for part in self.value)
        return sum_of(row_products(row, row) for row in rows)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        mixing = weights.to(self.value.dtype).transpose(0, 1).flatten(1)  # (D', B·D)
        rows = [mixing @ part.flatten(0, 1).flatten(1) for part in self.value]
        mixed = torch.stack(rows).unflatten(2, self.value.shape[3:])  # (K, D', O, R·C)
        return Taps(mixed[:, None], self.taps).dense()[0]

    def contract(self, direction: Tensor) -> Tensor:
        first, _, _, outputs, _ = self.value.shape
        by_tap = direction.reshape(len(direction), outputs, -1, first, self.taps // first)
        by_tap = by_tap.permute(3, 0, 1, 4, 2).flatten(1)  # (K, D·O·R·C)
        return sum_of(part.flatten(1) @ row for part, row in zip(self.value, by_tap, strict=True))

    def _alike(self, other: Block) -> bool:
        """Whether the other has its entries in the same order."""
        if not isinstance(other, Taps) or self.taps != other.taps:
            return False
        ours, theirs = self.value.shape, other.value.shape
        return ours[0] == theirs[0] and ours[3:] == theirs[3:]

    def _with(self, other: Block) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.value, other.value, strict=True)  # type: ignore[attr-defined]

    def sketch(self, hashing: Hash, total: Tensor) -> None:
        first, _, _, rows, width = self.value.shape
        if (len(hashing.row), len(hashing.column)) != (rows, first * width):
            return super().sketch(hashing, total)  # the parameter has another shape than its use
        rest = self.taps // first
        order = torch.arange(first * width, device=self.value.device)
        order = order.reshape(-1, first, rest).permute(1, 2, 0).flatten(1)  # (K, R·C)
        for part, columns in zip(self.value, order, strict=True):
            hashing.of_columns(columns).scatter(part.flatten(2), total)


def sum_of(parts: Iterable[Tensor]) -> Tensor:
    """Σ of tensors of one shape."""
    return reduce(torch.add, parts)


def _columns(
    value: Tensor,
    kernel: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    sizes: tuple[int, ...],
) -> Tensor:
    """Padded input with the taps along all dimensions but the first side by side:
    (B, C, *size) -> (B, R·C, rows, *sizes[1:])."""
    if any(padding):
        value = functional.pad(value, [p for size in reversed(padding) for p in (size, size)])
    for dim in reversed(range(1, len(kernel))):  # the first of them is the outermost
        value = torch.cat(
            [value.narrow(2 + dim, tap * dilation[dim], sizes[dim]) for tap in range(kernel[dim])],
            1,
        )
    return value
