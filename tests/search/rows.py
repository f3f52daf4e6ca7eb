"""Rows in memory for the tests of search: any cut into shards, some rows set apart."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

DIM = 6


@dataclass
class MemoryRows:
    """The protocol over one tensor."""

    values: Tensor  # (N, S) float16
    sizes: list[int]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dim(self) -> int:
        return self.values.shape[1]

    @property
    def shards(self) -> list[range]:
        ends = torch.tensor(self.sizes).cumsum(0).tolist()
        return [range(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def read(self, shard: int) -> Tensor:
        where = self.shards[shard]
        return self.values[where.start : where.stop]


def unit(count: int, dim: int = DIM, seed: int = 0, zero: tuple[int, ...] = ()) -> Tensor:
    """Rows of norm 1 in two bundles, rounded to float16; those of ``zero`` are zeros."""
    generator = torch.Generator().manual_seed(seed)
    value = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    value[::2, 0] += 2
    value /= value.norm(dim=1, keepdim=True)
    value[list(zero)] = 0
    return value.half()


def cut(count: int, sizes: list[int]) -> list[int]:
    """Sizes that add up to ``count``, from any positive numbers."""
    result: list[int] = []
    for size in sizes:
        if sum(result) + size >= count:
            break
        result.append(size)
    return [*result, count - sum(result)]


@st.composite
def stores(draw, least: int = 3) -> MemoryRows:
    """Up to 30 rows in any shards, some of them zeros, some of them equal."""
    count = draw(st.integers(least, 30))
    zero = draw(st.sets(st.integers(0, count - 1), max_size=2))
    values = unit(count, seed=draw(st.integers(0, 1000)), zero=tuple(zero))
    same = draw(st.lists(st.tuples(*[st.integers(0, count - 1)] * 2), max_size=4))
    for one, other in same:
        values[one] = values[other]
    return MemoryRows(values, cut(count, draw(st.lists(st.integers(1, 12), max_size=8))))
