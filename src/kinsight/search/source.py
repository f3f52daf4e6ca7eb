"""Rows of features on disk as a source: every analysis runs on them, and nothing holds them all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kinsight.checks import one_of, positive
from kinsight.errors import ArgumentError, OutputSizeError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source, check_neighbours
from kinsight.kernel.stream import Block
from kinsight.search import moments
from kinsight.search.nearest import graph, nearest
from kinsight.search.queries import Asked, asked_features, own_numbers
from kinsight.search.rows import Cleared, Rows
from kinsight.search.tiles import PRODUCT, gathered, tiles

_RANGE = 8192  # rows that are compared with all columns before the next ones are
_BLOCK = 1 << 25  # similarities of a block
_PIECE = 1 << 22  # numbers of a piece of features


class RowsSource(Source):
    """N samples with features φ in shards on disk, compared by ⟨φ, φ'⟩.

    It says what :class:`~kinsight.kernel.feature_source.FeatureSource` says of the same rows, to
    the precision of float16, and reads a shard at a time.

    Args:
        rows: N rows of norm 1.
        norms: (N,) √Tr K(x,x); NaN for samples set apart. By default 1, and 0 for rows of zeros.
        sketch_norms: (N,) the lengths that the features had; where one is not finite, the sample
            is set apart.
        ranks: (N,) rank of K(x,x); by default 1, and 0 where the norm is.
        outputs: (N,) or (N, 1) f(x), or a function that loads them when they are asked for.
        sketched: the features are random projections, for which second moments are corrected.
        memory_budget: bytes for results and blocks; default a quarter of the machine's.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        norms: Tensor | None = None,
        sketch_norms: Tensor | None = None,
        ranks: Tensor | None = None,
        outputs: Tensor | Callable[[], Tensor] | None = None,
        sketched: bool = False,
        memory_budget: int | None = None,
    ):
        count = len(rows)
        given = _lengths(rows) if norms is None else _column(norms, count, "norms")
        if bool((given < 0).any()):
            raise ArgumentError("norms: expected numbers of at least 0, got a negative one")
        self._bad = ~given.isfinite()
        if sketch_norms is not None:
            self._bad |= ~_column(sketch_norms, count, "sketch_norms").isfinite()
        self._outputs = outputs if callable(outputs) or outputs is None else (
            _column(outputs, count, "outputs")[:, None]
        )  # fmt: skip
        if isinstance(self._outputs, Tensor):
            self._bad |= ~self._outputs.isfinite().all(1)
        self._norms = given.masked_fill(self._bad, torch.nan)
        self._ranks = (self._norms > 0).long() if ranks is None else (
            _column(ranks, count, "ranks").long().masked_fill(self._bad, 0)
        )  # fmt: skip
        self.rows: Rows = Cleared(rows, self._bad)
        self._sketched = sketched
        self.normalization = "trace"
        self.memory_budget = budget_for(memory_budget, torch.device("cpu"))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dimension(self) -> int:
        """D = 1: a feature vector stands for all outputs together."""
        return 1

    def norms(self) -> Tensor:
        """√Tr K(x,x): (N,); NaN where not finite."""
        return self._norms

    def ranks(self) -> Tensor:
        """Rank of K(x,x): (N,)."""
        return self._ranks

    def outputs(self) -> Tensor:
        """f(x): (N, 1).

        Raises:
            ArgumentError: none were given.
        """
        if self._outputs is None:
            raise ArgumentError(
                "this analysis compares f(x) with labels, and these features came without; "
                "pass RowsSource(…, outputs=f(x))"
            )
        if not isinstance(self._outputs, Tensor):
            self._outputs = _column(self._outputs(), len(self), "outputs")[:, None]
        return self._outputs

    def features(self, rank: int = 2048, seed: int = 0) -> Tensor:
        """The rows, or their ``rank`` leading directions if S is more: (N, S) float32.

        Raises:
            OutputSizeError: they do not fit the memory budget.
        """
        width = min(positive("rank", rank), self.rows.dim)
        if 4 * len(self) * width > self.memory_budget:
            raise OutputSizeError(
                f"features: all of them would hold {len(self):,}×{width:,} numbers, "
                f"{4 * len(self) * width / 2**30:.1f} GiB, more than the memory budget of "
                f"{self.memory_budget / 2**30:.1f} GiB; go over feature_blocks() in their place, "
                "or raise memory_budget="
            )
        result = torch.empty(len(self), width)
        for where, piece in self.feature_blocks(rank, seed):
            result[where] = piece
        return result

    def feature_blocks(self, rank: int = 2048, seed: int = 0) -> Iterable[tuple[slice, Tensor]]:
        """The same a piece of a shard at a time, as often as it is gone over."""
        basis: Tensor | None = None
        if positive("rank", rank) < self.rows.dim:
            _, vectors = torch.linalg.eigh(moments.second(self.rows))
            basis = vectors[:, -rank:].float()
        return _Pieces(self.rows, self._bad, basis)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Similarities of all pairs, all columns of a range of rows before the next range.

        A range is of one shard, so that a cluster computes the same ones (:meth:`blocks_of`).
        """
        for shard, where in enumerate(self.rows.shards):
            if where.stop > first:
                yield from self.blocks_of(shard, first)

    def blocks_of(self, shard: int, first: int = 0) -> Iterator[Block]:
        """The blocks whose rows are in ``shard``, from row ``first`` on."""
        where = self.rows.shards[shard]
        for start in range(max(where.start, first), where.stop, self._range):
            rows = slice(start, min(start + self._range, where.stop))
            ours = gathered(self.rows, torch.arange(rows.start, rows.stop))
            yield from self._row_blocks(rows, ours, self._bad[rows])

    def against(self, columns: Tensor) -> Iterator[Block]:
        """Similarities of all samples with those at ``columns``."""
        chosen, apart = gathered(self.rows, columns), self._bad[columns]
        whole = slice(0, len(columns))
        for rows, tile in tiles(self.rows, self._numbers(len(columns))):
            yield Block(rows, whole, _similar(tile, self._bad[rows], chosen, apart))

    def products(self) -> Iterator[Block]:
        """‖g_i‖ ‖g_j‖ k(x_i, x_j): values (B, C, 1, 1)."""
        for block in self.blocks():
            scale = self._norms[block.rows, None] * self._norms[block.columns]
            yield Block(block.rows, block.columns, (block.values * scale)[..., None, None])

    def influences(self, queries: Any = None) -> Iterator[Block]:
        """k(x_j, q) ‖g_j‖ / ‖g_q‖; ``queries``: another RowsSource, or numbers of own rows."""
        for asked in self._asked(queries):
            inverse = 1 / asked.norms[:, None]  # infinite where nothing can be moved
            ratio = torch.where(inverse.isfinite(), inverse, 0.0)
            for block in self._row_blocks(asked.rows, asked.features, asked.bad):
                values = block.values * (ratio * self._norms[block.columns])
                yield Block(block.rows, block.columns, values[..., None, None])

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2: (N,) float64. Two readings; no pairs."""
        if one_of("order", order, (1, 2)) == 1:
            return self._apart(moments.soft(self.rows))
        alive = self._norms > 0 if self._sketched else None
        return self._apart(moments.square(self.rows, alive=alive))

    def weighted(self, values: Tensor) -> Tensor:
        """Σ_j k(x_i, x_j) a_j: (N, A). Two readings, no pairs."""
        return self._apart(moments.weighted(self.rows, self._rows(values)))

    def nearest(self, queries: Any = None, k: int = 10) -> Neighbours:
        """The k most similar samples, itself excluded, for

        - every sample (``None``),
        - samples of this source by their numbers: a list or tensor of whole numbers, (Q,),
        - features of anything: a tensor of real numbers, (Q, S); their length does not count,
        - every sample of another RowsSource of the same network.
        """
        if queries is None:
            check_neighbours(k, len(self), themselves=True)
            return graph(self.rows, k, apart=self._bad, memory_budget=self.memory_budget)
        found = []
        for asked in self._asked(queries):
            check_neighbours(k, len(self), themselves=asked.own is not None)
            features = asked.features.masked_fill(asked.bad[:, None], torch.nan)
            more = {"apart": self._bad, "memory_budget": self.memory_budget}
            found.append(nearest(self.rows, features, k, asked.own, **more))
        return Neighbours(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _asked(self, queries: Any) -> Iterator[Asked]:
        """Queries of any kind, a range at a time."""
        other = self if queries is None else queries
        if isinstance(other, RowsSource):
            for shard in other.rows.shards:
                for start in range(shard.start, shard.stop, other._range):
                    yield other._some(torch.arange(start, min(start + other._range, shard.stop)))
            return
        numbers = own_numbers(other, len(self))
        if numbers is None:
            yield from asked_features(other, self.rows.dim, self._range)
            return
        for start in range(0, len(numbers), self._range):
            some = numbers[start : start + self._range]
            yield replace(self._some(some), rows=slice(start, start + len(some)), own=some)

    def _some(self, numbers: Tensor) -> Asked:
        """Samples of this source as queries."""
        rows = slice(int(numbers[0]), int(numbers[-1]) + 1)
        features = gathered(self.rows, numbers)
        return Asked(rows, features, self._bad[numbers], self._norms[numbers])

    def _row_blocks(self, rows: slice, ours: Tensor, bad: Tensor) -> Iterator[Block]:
        for columns, tile in tiles(self.rows, self._numbers(len(ours))):
            yield Block(rows, columns, _similar(ours, bad, tile, self._bad[columns]))

    @property
    def _range(self) -> int:
        """Rows that are compared with all columns at a time."""
        return max(1, min(_RANGE, self.memory_budget // (16 * self.rows.dim)))

    def _numbers(self, others: int) -> int:
        """Numbers of a tile, so that a block of it and ``others`` rows fits the budget."""
        step = max(1, min(_BLOCK, self.memory_budget // 16) // max(others, 1))
        return min(step * self.rows.dim, PRODUCT)


class _Pieces:
    """Features that can be gone over again and again."""

    def __init__(self, rows: Rows, bad: Tensor, basis: Tensor | None):
        self._rows, self._bad, self._basis = rows, bad, basis

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for where, tile in tiles(self._rows, _PIECE):
            piece = tile.clone() if self._basis is None else tile @ self._basis
            yield where, piece.masked_fill_(self._bad[where, None], torch.nan)


def _similar(ours: Tensor, bad: Tensor, theirs: Tensor, apart: Tensor) -> Tensor:
    values = (ours @ theirs.T).clamp_(-1, 1)
    if bool(bad.any()) or bool(apart.any()):
        values.masked_fill_(bad[:, None] | apart, torch.nan)
    return values


def _lengths(rows: Rows) -> Tensor:
    """1, or 0 for a row of zeros, NaN for one that is not finite: (N,) float64."""
    result = torch.empty(len(rows), dtype=torch.float64)
    for where, tile in tiles(rows, _PIECE):
        peak = tile.abs().amax(1)
        result[where] = torch.where(peak > 0, 1.0, peak.double())
    return result.masked_fill_(result.isinf(), torch.nan)


def _column(values: Tensor, count: int, name: str) -> Tensor:
    """(N,) or (N, 1) as (N,) float64."""
    given = torch.as_tensor(values).double()
    if given.shape not in ((count,), (count, 1)):
        raise ArgumentError(
            f"{name}: expected shape ({count},) or ({count}, 1), got {tuple(given.shape)}"
        )
    return given.reshape(count)
