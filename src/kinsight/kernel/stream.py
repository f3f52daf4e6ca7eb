"""All pairs of two data sets in blocks that fit the memory budget, each feature made once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.tangent.features import Features


@dataclass(frozen=True)
class Held:
    """Ready features of samples ``start`` to ``stop``."""

    start: int
    stop: int
    features: Features
    root: Tensor  # (B, D, D) float64, what the combination needs beside the features

    @property
    def bytes(self) -> int:
        """Memory held."""
        return self.features.bytes + self.root.nbytes


@dataclass(frozen=True)
class Block:
    """Kernel values between samples ``rows`` of the first and ``columns`` of the second set."""

    rows: slice
    columns: slice
    values: Tensor


Sweep = Callable[[int, int | None], Iterator[Held]]  # (start, stop) -> held batches in order
Combine = Callable[[Held, Held], Tensor]


def all_pairs(
    ours: Sweep,
    theirs: Sweep | None,
    combine: Combine,
    budget: int,
    count: int,
    first: int = 0,
) -> Iterator[Block]:
    """Blocks rows-major: every column of a range of rows comes before the next range.

    ``theirs=None`` means the same set on both sides; if it fits half the budget, its features
    are made once and only half of the pairs are computed.

    ``count`` is the size of the first set, ``first`` the row to begin at.

    Cost: one sweep over ``ours``; one sweep over ``theirs`` for every half budget of ``ours``.
    """
    start = first
    while start < count:
        rows = _hold(ours(start, None), budget // 2)
        stop = rows[-1].stop
        halves_fit = stop**2 * rows[0].features.values.element_size() // 2 < budget // 4
        if theirs is None and start == 0 and stop == count and halves_fit:
            yield from _symmetric(rows, combine)
            return
        for right in (theirs or ours)(0, None):
            values = torch.cat([combine(left, right) for left in rows])
            yield Block(slice(start, stop), slice(right.start, right.stop), values)
        start = stop


def _hold(sweep: Iterator[Held], budget: int) -> list[Held]:
    """Batches up to the budget, at least one."""
    held: list[Held] = []
    size = 0
    for batch in sweep:
        held.append(batch)
        size += batch.bytes
        if size + batch.bytes > budget:
            break
    return held


def _symmetric(held: list[Held], combine: Combine) -> Iterator[Block]:
    whole = slice(held[0].start, held[-1].stop)
    below: dict[tuple[int, int], Tensor] = {}
    for j, right in enumerate(held):
        column = []
        for i, left in enumerate(held):
            if i < j:
                tile = _transposed(below.pop((j, i)))
            else:
                tile = combine(left, right)
                if i > j:
                    below[i, j] = tile
            column.append(tile)
        yield Block(whole, slice(right.start, right.stop), torch.cat(column))


def _transposed(tile: Tensor) -> Tensor:
    """(B, C) or (B, C, D, E) with samples and outputs exchanged: K(y,x) = K(x,y)ᵀ."""
    return tile.T if tile.dim() == 2 else tile.transpose(0, 1).transpose(2, 3)
