"""Similarities that no finite features give, computed tile by tile, as a source."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source, check_neighbours, nearest_in
from kinsight.kernel.stream import Block

_COPIES = 64  # bytes that a pair takes while a tile is made and used


class TileSource(Source):
    """N samples of which similarities alone are known, symmetric, D = 1. K is k itself.

    Args:
        norms: (N,) √k(x,x): 1, less where there is nothing to compare; NaN for samples set apart.
        memory_budget: bytes for tiles and results.
    """

    def __init__(self, norms: Tensor, memory_budget: int):
        self._norms = norms
        self.normalization = "trace"
        self.memory_budget = memory_budget

    @abstractmethod
    def tile(self, columns: Tensor) -> Tensor:
        """Similarities of all samples with those at ``columns``: (N, C), NaN where set apart."""

    @abstractmethod
    def cross(self, queries: Any) -> Tensor:
        """Similarities of queries with all samples: (Q, N)."""

    def __len__(self) -> int:
        return len(self._norms)

    @property
    def dimension(self) -> int:
        """D = 1: a similarity stands for all outputs together."""
        return 1

    def norms(self) -> Tensor:
        """√k(x,x), 1 unless there is nothing to compare; NaN for samples set apart: (N,)."""
        return self._norms

    def ranks(self) -> Tensor:
        """1, or 0 where nothing is there to compare: (N,)."""
        return (self._norms > 0).long()

    def outputs(self) -> Tensor:
        """Refused.

        Raises:
            ArgumentError: a similarity has no f(x).
        """
        raise ArgumentError(
            f"this analysis compares f(x) with labels, and {type(self).__name__} has similarities "
            "alone; use the kernel, or ks.FeatureSource(features, outputs=f(x))"
        )

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Similarities of all pairs, all columns of a range of rows at once."""
        for rows in ranges(len(self), self.step, first):
            values = self.tile(torch.arange(rows.start, rows.stop)).T
            yield Block(rows, slice(0, len(self)), values)

    def against(self, columns: Tensor) -> Iterator[Block]:
        """Similarities of all samples with those at ``columns``."""
        for part in ranges(len(columns), self.step):
            yield Block(slice(0, len(self)), part, self.tile(columns[part]))

    def products(self) -> Iterator[Block]:
        """k itself: values (B, C, 1, 1)."""
        for block in self.blocks():
            yield Block(block.rows, block.columns, block.values[..., None, None])

    def influences(self, queries: Any = None) -> Iterator[Block]:
        """k(x_j, q) / k(q, q), with k(q, q) = 1 for other data: values (B, C, 1, 1)."""
        blocks = self.blocks() if queries is None else self._asked(queries)
        for block in blocks:
            values = block.values
            if queries is None:
                inverse = 1 / self._norms[block.rows].square()
                values = values * torch.where(inverse.isinf(), 0.0, inverse)[:, None].to(values)
            yield Block(block.rows, block.columns, values[..., None, None])

    def nearest(self, queries: Any = None, k: int = 10) -> Neighbours:
        """The k most similar samples, for its own samples or for ``queries``."""
        check_neighbours(k, len(self), themselves=queries is None)
        if queries is None:
            return nearest_in(self.blocks(), len(self), k, torch.arange(len(self)))
        (block,) = self._asked(queries)
        return nearest_in(iter([block]), len(block.values), k, None)

    @property
    def step(self) -> int:
        """Columns of a tile that fit the memory budget."""
        return max(1, self.memory_budget // (_COPIES * len(self)))

    def _asked(self, queries: Any) -> Iterator[Block]:
        values = self.cross(queries)
        yield Block(slice(0, len(values)), slice(0, len(self)), values)


def ranges(count: int, step: int, first: int = 0) -> Iterator[slice]:
    """``first`` to ``count`` in ranges of ``step``."""
    for start in range(first, count, step):
        yield slice(start, min(start + step, count))


def columns_of(source: Source, columns: Tensor) -> Tensor:
    """Similarities of all samples with those at ``columns``, put together: (N, C)."""
    result: Tensor | None = None
    for block in source.against(columns):
        if result is None:
            result = block.values.new_empty(len(source), len(columns))
        result[block.rows, block.columns] = block.values
    return torch.empty(len(source), 0) if result is None else result
