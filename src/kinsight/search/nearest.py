"""Exact nearest rows: one matrix product a block of rows, and only what beats the list is sorted.

A row enters the list of a query if its similarity is above the least in it. After the first
block few are: they are picked out of the block and merged alone, which costs a comparison of the
block in place of a partial sort. A few more than k are kept, and the end decides among them at full
precision (:mod:`kinsight.search.rescore`).
"""

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.neighbours import Neighbours, TopK
from kinsight.kernel.source import check_neighbours
from kinsight.search.rescore import rescored
from kinsight.search.rows import Rows
from kinsight.search.tiles import PRODUCT, gathered, tiles

_BLOCK = 1 << 24  # similarities of a block
_RANGE = 8192  # queries at a time
_SPARE = 8  # candidates beyond k, for rows whose similarities differ by rounding alone


def nearest(
    rows: Rows,
    queries: Tensor,
    k: int,
    own: Tensor | None = None,
    *,
    apart: Tensor | None = None,
    memory_budget: int | None = None,
) -> Neighbours:
    """The k rows of largest ⟨φ_q, φ_j⟩ for every query, clamped to [−1, 1]: (Q, k) float32.

    Of equal similarities the smaller row number comes first, and equal rows are equally similar.

    Args:
        queries: (Q, S) of norm 1; a query that is not finite finds nothing.
        own: (Q,) the row that is the query itself and not to be found, −1 for none.
        apart: (N,) bool, rows that are not to be found; by default the rows of zeros.
        memory_budget: bytes for queries and blocks; by default a quarter of the machine's.

    Cost: 2 Q N S operations; one reading of the rows for every range of queries.

    Raises:
        ArgumentError: queries of another width, k above N.
    """
    check_neighbours(k, len(rows), themselves=False)
    if queries.dim() != 2 or queries.shape[1] != rows.dim:
        raise ArgumentError(f"queries: expected shape (Q, {rows.dim}), got {tuple(queries.shape)}")
    budget = budget_for(memory_budget, torch.device("cpu"))
    step = max(1, min(_RANGE, budget // (16 * rows.dim)))
    values, indices = torch.empty(len(queries), k), torch.empty(len(queries), k, dtype=torch.long)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        mine = None if own is None else own[part]
        some, wanted = queries[part].float(), min(k + _SPARE, len(rows))
        candidates = _range(rows, some, wanted, mine, apart, budget)
        values[part], indices[part] = rescored(rows, some, candidates, k)
    return Neighbours(values, indices)


def graph(
    rows: Rows,
    k: int,
    first: int = 0,
    stop: int | None = None,
    *,
    apart: Tensor | None = None,
    memory_budget: int | None = None,
) -> Neighbours:
    """The k nearest other rows of the rows from ``first`` to ``stop`` (of all): (stop − first, k).

    A row of zeros, or one that is ``apart``, has no neighbours and is nobody's.

    Cost: 2 (stop − first) N S operations; a cluster calls it shard by shard.
    """
    check_neighbours(k, len(rows), themselves=True)
    stop = len(rows) if stop is None else stop
    found = []
    for start in range(first, stop, _RANGE):
        numbers = torch.arange(start, min(start + _RANGE, stop))
        queries = gathered(rows, numbers)
        nobody = ~queries.any(1) if apart is None else apart[numbers]
        queries[nobody] = torch.nan
        found.append(nearest(rows, queries, k, numbers, apart=apart, memory_budget=memory_budget))
    return Neighbours(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _range(
    rows: Rows, queries: Tensor, k: int, own: Tensor | None, apart: Tensor | None, budget: int
) -> Tensor:
    """The best k of as many queries as go into one product: (Q, k) row numbers."""
    columns = max(1, min(_BLOCK, budget // 16) // max(len(queries), 1))
    width = min(PRODUCT, columns * rows.dim)
    best = Best(len(queries), k, queries)
    buffer = torch.empty(0)
    for where, tile in tiles(rows, width):
        if not len(buffer):
            buffer = torch.empty(len(queries) * max(1, width // rows.dim))
        values = buffer[: len(queries) * len(tile)].view(len(queries), len(tile))
        torch.mm(queries, tile.T, out=values).clamp_(-1, 1)
        hidden = _zero(tile, values) if apart is None else apart[where]
        if bool(hidden.any()):
            values[:, hidden] = -torch.inf
        best.merge(values, where.start, own)
    return best.indices


def _zero(tile: Tensor, values: Tensor) -> Tensor:
    """Which rows are zero: (B,) bool. Only those that the first query is at right angles to."""
    zero = (values[0] == 0) | values[0].isnan() if len(values) else values.new_zeros(len(tile)) > 0
    suspected = zero.nonzero()[:, 0]
    zero[suspected] = ~tile[suspected].any(1)
    return zero


class Best(TopK):
    """A running top-k that looks closely only at what beats it."""

    def merge(self, values: Tensor, first_column: int, own: Tensor | None) -> None:
        """Merge a block (Q, B) of similarities, which is changed; ``own`` as in :meth:`add`.

        Blocks come in the order of their columns: an equal value that comes later changes nothing.
        """
        if own is not None:
            place = own - first_column
            inside = ((place >= 0) & (place < values.shape[1])).nonzero()[:, 0]
            values[inside, place[inside]] = -torch.inf
        least = self.values[:, -1:]
        better = values > least
        each = better.sum(1)  # (Q,)
        most = int(each.max()) if len(each) else 0
        if most > max(values.shape[1] // 8, 1):
            self.add(values, first_column, None)
        elif most:
            self._insert(values, better, each, most, first_column)

    def _insert(
        self, values: Tensor, better: Tensor, each: Tensor, most: int, first_column: int
    ) -> None:
        """The few that are better, moved to the front of their rows, then sorted with the list."""
        k = self.values.shape[1]
        changed = each.nonzero()[:, 0]
        row, column = better.nonzero(as_tuple=True)  # by row, then by column
        begins = each.cumsum(0) - each
        rank = torch.arange(len(row)) - begins[row]  # place among those of its row
        compact = torch.full((len(values), most), -torch.inf)
        numbers = torch.full((len(values), most), -1, dtype=torch.long)
        compact[row, rank] = values[row, column]
        numbers[row, rank] = column + first_column
        merged = torch.cat([self.values[changed], compact[changed]], 1)
        indices = torch.cat([self.indices[changed], numbers[changed]], 1)
        order = merged.sort(dim=1, descending=True, stable=True).indices[:, :k]
        self.values[changed] = merged.gather(1, order)
        self.indices[changed] = indices.gather(1, order)
