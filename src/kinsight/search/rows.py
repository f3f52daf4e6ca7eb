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
