"""Neighbours and counts of every sample from one stream of similarities, range by range of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import TopK
from kinsight.kernel.source import Source
from kinsight.kernel.stream import Block

THRESHOLDS = (0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Gathered:
    """What was gathered for the samples ``rows``, B of them. K neighbours, T thresholds.

    A sample that is set apart has NaN and zero counts; it is nobody's neighbour.
    """

    rows: slice
    similarity: Tensor  # (B, K) to the nearest samples, most similar first, itself excluded
    neighbours: Tensor  # (B, K) their positions; −1 where there are fewer
    density: Tensor  # (B,) soft count Σ_j k(x, x_j), itself included, float64
    counts: Tensor  # (B, T) hard counts #{j : k(x, x_j) ≥ τ}, itself included


def gather(
    source: Source,
    k: int,
    thresholds: Sequence[float] = THRESHOLDS,
    first: int = 0,
    on_pairs: Callable[[int], None] | None = None,
) -> Iterator[Gathered]:
    """Walk over all pairs once; yield each range of rows as soon as it is complete.

    Args:
        source: the samples as the kernel sees them.
        k: neighbours to keep for each sample.
        thresholds: τ of the hard counts, in [−1, 1].
        first: row to begin at, to go on with a run that was stopped.
        on_pairs: told how many pairs were looked at, as they are.

    Cost: N² products of features, memory O(N K) and one block.

    Raises:
        ArgumentError: k is not below the number of samples, a threshold outside [−1, 1].
    """
    positive("k", k)
    if k >= len(source):
        raise ArgumentError(
            f"k: expected fewer neighbours than the {len(source)} samples, got {k}; "
            "a sample is not its own neighbour"
        )
    wrong = [t for t in thresholds if not -1 <= t <= 1]
    if wrong:
        raise ArgumentError(f"thresholds: expected values from −1 to 1, got {wrong[0]!r}")
    collected: _Rows | None = None
    for block in source.blocks(first):
        if collected is None or collected.rows != block.rows:
            if collected is not None:
                yield collected.finished()
            collected = _Rows(block, k, thresholds)
        collected.add(block)
        if on_pairs is not None:
            on_pairs(block.values.numel())
    if collected is not None:
        yield collected.finished()


class _Rows:
    """Running totals of one range of rows while its columns stream by."""

    def __init__(self, block: Block, k: int, thresholds: Sequence[float]):
        self.rows = block.rows
        count = len(block.values)
        self._own = torch.arange(block.rows.start, block.rows.stop)
        self._best = TopK(count, k, block.values)
        self._thresholds = torch.tensor(thresholds, dtype=block.values.dtype)
        self._density = torch.zeros(count, dtype=torch.float64)
        self._counts = torch.zeros(count, len(thresholds), dtype=torch.long)
        self._apart = torch.ones(count, dtype=torch.bool)

    def add(self, block: Block) -> None:
        values = block.values
        self._best.add(values, block.columns.start, self._own)
        self._density += values.double().nansum(1)
        for t, threshold in enumerate(self._thresholds):
            self._counts[:, t] += (values >= threshold).sum(1)
        self._apart &= values.isnan().all(1)

    def finished(self) -> Gathered:
        apart = self._apart
        return Gathered(
            self.rows,
            self._best.values.masked_fill(self._best.indices < 0, torch.nan),
            self._best.indices,
            self._density.masked_fill(apart, torch.nan),
            self._counts,
        )
