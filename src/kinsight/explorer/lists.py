"""For every sample a list of others with their similarity, most similar first."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.errors import RunFolderError


@dataclass(frozen=True)
class Lists:
    """The list of sample i is entries ``offsets[i]`` to ``offsets[i + 1]`` of the others."""

    offsets: np.ndarray  # (N + 1,) int64
    other: np.ndarray  # (E,) int32
    similarity: np.ndarray  # (E,) float32

    @classmethod
    def of_table(cls, table: pa.Table, count: int, where: str) -> "Lists":
        """From a table with ``sample`` (ascending), ``neighbour`` and ``similarity``.

        Raises:
            RunFolderError: no such columns, or numbers that are none of a sample.
        """
        try:
            sample = table["sample"].to_numpy().astype(np.int64)
            other = table["neighbour"].to_numpy().astype(np.int64)
            similarity = table["similarity"].to_numpy().astype(np.float32)
        except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
            raise RunFolderError(
                f"{where}: expected sample, neighbour and similarity: {error}"
            ) from error
        inside = all(not len(v) or (v.min() >= 0 and v.max() < count) for v in (sample, other))
        if not inside or bool((np.diff(sample) < 0).any()):
            raise RunFolderError(
                f"{where}: expected numbers of samples from 0 to {count - 1:,} in their order; "
                "the folder was changed, run it again with --fresh"
            )
        offsets = np.searchsorted(sample, np.arange(count + 1))
        return cls(offsets, other.astype(np.int32), similarity)

    @classmethod
    def of_rows(cls, other: np.ndarray, similarity: np.ndarray) -> "Lists":
        """From (N, k) arrays, −1 where there is none."""
        there = other >= 0
        offsets = np.concatenate([[0], there.sum(1).cumsum()])
        return cls(offsets, other[there].astype(np.int32), similarity[there].astype(np.float32))

    @property
    def most(self) -> int:
        """Length of the longest list."""
        return int(np.diff(self.offsets).max(initial=0))

    def __getitem__(self, sample: int) -> list[tuple[int, float]]:
        """The list of one sample."""
        part = slice(int(self.offsets[sample]), int(self.offsets[sample + 1]))
        return list(zip(self.other[part].tolist(), self.similarity[part].tolist(), strict=True))

    def rows(self, k: int) -> np.ndarray:
        """The first k of each: (N, k), −1 where there are fewer."""
        lengths = np.diff(self.offsets)
        rank = np.arange(len(self.other)) - np.repeat(self.offsets[:-1], lengths)
        found = np.full((len(lengths), k), -1, np.int32)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        near = rank < k
        found[owner[near], rank[near]] = self.other[near]
        return found


def shared(first: Lists, second: Lists, k: int) -> np.ndarray:
    """Share of the k nearest that two views have in common: (N,) float32, 0 to 1.

    Divided by the longer of both lists; NaN where both are empty. Cost: O(N k²) comparisons.
    """
    ours, theirs = first.rows(k), second.rows(k)
    common = np.zeros(len(ours), np.int32)
    for j in range(k):
        common += ((ours[:, j, None] == theirs) & (ours[:, j, None] >= 0)).any(1)
    most = np.maximum((ours >= 0).sum(1), (theirs >= 0).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (common / most).astype(np.float32)


def padded(column: Any, kind: type) -> np.ndarray:
    """A column of lists of one length as (N, k)."""
    flat = column.combine_chunks()
    width = len(flat[0]) if len(flat) else 0
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), kind).reshape(-1, width)
