"""One walk over all pairs for any number of questions: tallies grow while columns stream by."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.kernel.source import Source
from kinsight.kernel.stream import Block


@dataclass(frozen=True)
class Range:
    """What the tallies say about the samples ``rows``: columns of shape (B,) or (B, K)."""

    rows: slice
    columns: dict[str, Tensor]


class Tally(ABC):
    """A question about every sample that all its similarities answer, block by block.

    A tally keeps no totals itself: it opens a :class:`Page` for a range of rows, which does.
    """

    @property
    @abstractmethod
    def widths(self) -> dict[str, int]:
        """Its columns by name: 0 for one number a sample, K for a row of K."""

    @abstractmethod
    def open(self, block: Block) -> "Page":
        """Totals for the rows of ``block``, nothing added yet."""


class Page(ABC):
    """Running totals for a range of rows."""

    @abstractmethod
    def add(self, block: Block) -> None:
        """Take in the similarities to some more columns."""

    @abstractmethod
    def columns(self) -> dict[str, Tensor]:
        """The answers, once all columns were added: (B,) or (B, K) each."""


def require_similarity(source: Any) -> None:
    """Refuse what is no source, and a source whose values are not similarities.

    Raises:
        ArgumentError: a kernel, data, or a source with ``normalization=None``.
    """
    if not isinstance(source, Source):
        raise ArgumentError(
            "source: expected samples as a network sees them, kernel.on(data) or "
            f"ks.FeatureSource(features), got {type(source).__name__}"
        )
    if source.normalization is None:
        raise ArgumentError(
            "source: expected similarities, got a kernel with normalization=None; use "
            "normalization='whitened' or 'trace'"
        )


def walk(
    source: Source,
    tallies: Sequence[Tally],
    first: int = 0,
    on_pairs: Callable[[int], None] | None = None,
) -> Iterator[Range]:
    """Walk over all pairs once; yield each range of rows as soon as it is complete.

    Args:
        source: the samples as a network sees them.
        first: row to begin at, to go on with a run that was stopped.
        on_pairs: told how many pairs were looked at, as they are.

    Cost: N² similarities; memory of the answers and one block.
    """
    require_similarity(source)
    return ranges(source.blocks(first), tallies, on_pairs)


def ranges(
    blocks: Iterator[Block],
    tallies: Sequence[Tally],
    on_pairs: Callable[[int], None] | None = None,
) -> Iterator[Range]:
    """The same of blocks that somebody else chose, such as those of one shard."""
    rows: slice | None = None
    pages: list[Page] = []
    for block in blocks:
        if block.rows != rows:
            if rows is not None:
                yield _closed(rows, pages)
            rows, pages = block.rows, [tally.open(block) for tally in tallies]
        for page in pages:
            page.add(block)
        if on_pairs is not None:
            on_pairs(block.values.numel())
    if rows is not None:
        yield _closed(rows, pages)


def _closed(rows: slice, pages: Sequence[Page]) -> Range:
    return Range(rows, {name: v for page in pages for name, v in page.columns().items()})


def joined(ranges: Sequence[Range]) -> Range:
    """Ranges that follow each other as one."""
    columns = {n: torch.cat([r.columns[n] for r in ranges]) for n in ranges[0].columns}
    return Range(slice(ranges[0].rows.start, ranges[-1].rows.stop), columns)


def answers(source: Source, *tallies: Tally) -> dict[str, Tensor]:
    """All answers of one walk over the whole source, (N,) or (N, K) each."""
    return joined(list(walk(source, tallies))).columns
