"""The protocol between kernels and analyses: what may be asked of a data set as a network sees it.

An analysis sees samples through a :class:`Source` alone, be it the exact kernel on data
(:class:`~kinsight.kernel.exact_source.ExactSource`) or features that somebody computed
(:class:`~kinsight.kernel.feature_source.FeatureSource`). What follows from a stream of blocks is
written once, here; a source overrides it where it knows a shorter way.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from kinsight.checks import one_of, positive
from kinsight.errors import ArgumentError
from kinsight.kernel.budget import refuse_oversize
from kinsight.kernel.neighbours import Neighbours, TopK
from kinsight.kernel.nystrom import nystrom_features
from kinsight.kernel.stream import Block
from kinsight.kernel.whitening import Normalization


class Source(ABC):
    """N samples as a network with D outputs sees them.

    Samples that are set apart (gradient not finite) have NaN rows and columns; they enter no
    sum, no neighbourhood and no Gram matrix but as NaN.
    """

    normalization: Normalization
    memory_budget: int  # bytes

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def dimension(self) -> int:
        """D: number of outputs."""

    @abstractmethod
    def norms(self) -> Tensor:
        """√Tr K(x,x): (N,); NaN where not finite."""

    @abstractmethod
    def ranks(self) -> Tensor:
        """Rank of K(x,x): (N,)."""

    @abstractmethod
    def outputs(self) -> Tensor:
        """f(x): (N, D)."""

    @abstractmethod
    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Similarities of all pairs from row ``first``: all columns of a range of rows, then
        the next range. Values (B, C)."""

    @abstractmethod
    def against(self, columns: Tensor) -> Iterator[Block]:
        """Similarities of all samples with those at ``columns``, (M,): as :meth:`blocks`."""

    @abstractmethod
    def products(self) -> Iterator[Block]:
        """K(x_i, x_j), not normalised, of all pairs: as :meth:`blocks`, values (B, C, D, D)."""

    @abstractmethod
    def influences(self, queries: Any = None) -> Iterator[Block]:
        """K(x_j, q) K(q, q)⁺: what a unit change at each query does to each sample.

        Rows are queries (the samples themselves if ``None``), columns samples; (B, C, D, D).
        """

    @abstractmethod
    def nearest(self, queries: Any = None, k: int = 10) -> Neighbours:
        """The k most similar samples, for each sample or for ``queries``; itself excluded."""

    def non_finite(self) -> Tensor:
        """Indices of samples that are set apart because their gradient is not finite."""
        return self.norms().isnan().nonzero()[:, 0]

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2, the sample itself included: (N,) float64."""
        one_of("order", order, (1, 2))
        total = torch.zeros(len(self), dtype=torch.float64)
        for block in self.blocks():
            total[block.rows] += (block.values.double() ** order).nansum(1)
        return self._apart(total)

    def weighted(self, values: Tensor) -> Tensor:
        """Σ_j k(x_i, x_j) a_j for a of shape (N, A), the sample itself included: (N, A)."""
        values = self._rows(values)
        total = torch.zeros_like(values)
        for block in self.blocks():
            total[block.rows] += block.values.double().nan_to_num() @ values[block.columns]
        return self._apart(total)

    def gram(self) -> Tensor:
        """All similarities at once, (N, N).

        Raises:
            OutputSizeError: they do not fit the memory budget.
        """
        count = len(self)
        refuse_oversize("the Gram matrix", (count, count), 4, self.memory_budget)
        result: Tensor | None = None
        for block in self.blocks():
            if result is None:
                result = torch.empty(count, count, dtype=block.values.dtype)
            result[block.rows, block.columns] = block.values
        return torch.empty(0, 0) if result is None else result

    def features(self, rank: int = 2048, seed: int = 0) -> Tensor:
        """φ of shape (N, S) with ⟨φ_i, φ_j⟩ ≈ k(x_i, x_j), S ≤ ``rank``: Nyström on landmarks.

        Exact for the landmarks, drawn at random, and wherever the kernel has rank S at most.
        NaN for samples set apart. Cost: N·S similarities and O(S³ + N S²).
        """
        fit = self.norms().isfinite().nonzero()[:, 0]
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(fit), generator=generator)[: positive("rank", rank)]
        landmarks = fit[order].sort().values
        values = torch.empty(0)
        for block in self.against(landmarks):
            if not len(values):
                values = torch.empty(len(self), len(landmarks), dtype=block.values.dtype)
            values[block.rows, block.columns] = block.values
        return nystrom_features(values, landmarks)

    def feature_blocks(self, rank: int = 2048, seed: int = 0) -> Iterable[tuple[slice, Tensor]]:
        """:meth:`features` in pieces, (which rows, their φ), to be gone over several times.

        One piece here; sources whose features do not fit into memory read them again each time.
        """
        return [(slice(0, len(self)), self.features(rank, seed))]

    def _rows(self, values: Tensor) -> Tensor:
        values = torch.as_tensor(values).double()
        if values.dim() != 2 or len(values) != len(self):
            raise ArgumentError(
                f"values: expected shape ({len(self)}, A), got {tuple(values.shape)}"
            )
        return values

    def _apart(self, values: Tensor) -> Tensor:
        values[self.non_finite()] = torch.nan
        return values


def nearest_in(blocks: Iterator[Block], count: int, k: int, own: Tensor | None) -> Neighbours:
    """The k best columns of every row; ``own[r]`` is the column that is row r itself, or −1."""
    values = torch.empty(count, k)
    indices = torch.empty(count, k, dtype=torch.long)
    rows, best = slice(0, 0), TopK(0, k, values)
    for block in blocks:
        if block.rows != rows:
            rows, best = block.rows, TopK(len(block.values), k, block.values)
            values = values.to(block.values.dtype)
        best.add(block.values, block.columns.start, None if own is None else own[rows])
        values[rows], indices[rows] = best.values, best.indices
    return Neighbours(values, indices)


def check_neighbours(k: int, count: int, themselves: bool) -> None:
    """Refuse more neighbours than there are."""
    positive("k", k)
    limit = count - 1 if themselves else count
    if k > limit:
        why = "; a sample is not its own neighbour" if themselves else ""
        raise ArgumentError(
            f"k: expected at most {limit} neighbours among {count} samples, got {k}{why}"
        )
