"""Rows on disk as float32, a tile at a time: small enough for a product, or to stay in a cache."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from kinsight.search.rows import Rows

CACHED = 1 << 20  # numbers of a tile that stays in a cache
PRODUCT = 1 << 24  # numbers of a tile that is one side of a matrix product


def tiles(
    rows: Rows, numbers: int, first: int = 0, stop: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """(which rows, (B, S) float32) for the rows from ``first`` to ``stop``, in order.

    A tile is at most ``numbers`` numbers and of one shard. Its memory is that of the tile before:
    use it before the next one is asked for, or copy it. Fresh memory for every tile would cost
    more than the conversion.
    """
    stop = len(rows) if stop is None else stop
    step = max(1, numbers // rows.dim)
    buffer = torch.empty(step, rows.dim)
    for number, where in enumerate(rows.shards):
        begin, end = max(where.start, first), min(where.stop, stop)
        if begin >= end:
            continue
        values = rows.read(number)
        for start in range(begin, end, step):
            last = min(start + step, end)
            tile = buffer[: last - start]
            tile.copy_(values[start - where.start : last - where.start])
            yield slice(start, last), tile


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, for passes over cached tiles, which memory limits and not the cores.

    Threads would have to meet after every tile, twenty thousand times for a million rows; where
    other processes use the cores such meetings cost more than all the work between them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gathered(rows: Rows, numbers: Tensor) -> Tensor:
    """The rows at ``numbers``, (M,) in any order, as (M, S) float32. Cost: one look at a shard."""
    result = torch.empty(len(numbers), rows.dim)
    for number, where in enumerate(rows.shards):
        inside = ((numbers >= where.start) & (numbers < where.stop)).nonzero()[:, 0]
        if len(inside):
            result[inside] = rows.read(number)[numbers[inside] - where.start].float()
    return result
