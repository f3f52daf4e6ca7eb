"""What a search asks of features on disk: so many rows, in shards, read one shard at a time."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Rows(Protocol):
    """N rows of S numbers of norm 1 (zero where a sample has no gradient or is set apart)."""

    def __len__(self) -> int: ...

    @property
    def dim(self) -> int:
        """S: numbers a row."""
        ...

    @property
    def shards(self) -> Sequence[range]:
        """The rows of each shard, in order and without a gap."""
        ...

    def read(self, shard: int) -> Tensor:
        """The rows of a shard: (n, S) float16, a view of the file where it can be mapped."""
        ...


class Cleared:
    """Rows of which those that are ``apart`` read as zeros."""

    def __init__(self, rows: Rows, apart: Tensor):
        self._rows, self._apart = rows, apart

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dim(self) -> int:
        """S: numbers a row."""
        return self._rows.dim

    @property
    def shards(self) -> Sequence[range]:
        """The rows of each shard."""
        return self._rows.shards

    def read(self, shard: int) -> Tensor:
        """The rows of a shard; a copy where one of them is to be cleared."""
        where, values = self.shards[shard], self._rows.read(shard)
        apart = self._apart[where.start : where.stop].nonzero()[:, 0]
        if not bool(values[apart].ne(0).any()):  # NaN ≠ 0 as well
            return values
        values = values.clone()
        values[apart] = 0
        return values
