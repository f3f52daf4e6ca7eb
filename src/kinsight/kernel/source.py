"""The protocol between the kernel and every analysis, and its exact, streaming form.

An analysis sees samples through a :class:`Source` alone: blocks of similarities, moments, norms,
cross products and nearest samples. A store of sketches offers the same.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from kinsight.checks import one_of, positive
from kinsight.errors import ArgumentError
from kinsight.kernel.combine import similarity
from kinsight.kernel.density import soft_density
from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.neighbours import Neighbours, TopK
from kinsight.kernel.stream import Block, all_pairs
from kinsight.kernel.whitening import Normalization
from kinsight.network.batches import Batches, same_samples


class Source(Protocol):
    """What an analysis may ask of a data set as a network sees it. N samples, D outputs."""

    normalization: Normalization

    def __len__(self) -> int: ...

    def norms(self) -> Tensor:
        """√Tr K(x,x): (N,)."""
        ...

    def ranks(self) -> Tensor:
        """Rank of K(x,x): (N,)."""
        ...

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Similarities of all pairs, rows-major."""
        ...

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order, the sample itself included: (N,)."""
        ...

    def nearest(self, k: int, queries: Any = None) -> Neighbours:
        """The k most similar samples."""
        ...


class ExactSource:
    """A data set seen through the exact kernel: lazy, streaming, nothing of size N×N kept.

    Made by ``kernel.on(data)``. Samples whose gradient is not finite have NaN rows, and enter no
    sum and no neighbourhood.
    """

    def __init__(self, engine: Engine, data: Any, normalization: Normalization):
        self._engine = engine
        self._data: Batches = engine.read(data)
        self._notes = Notes()
        self._own: tuple[Tensor, Tensor, Tensor] | None = None
        self.normalization: Normalization = normalization
        engine.check_cancellation(self._data, self._notes)

    def __len__(self) -> int:
        return len(self._data)

    @property
    def n(self) -> int:
        """N: number of samples."""
        return len(self._data)

    @property
    def dimension(self) -> int:
        """D: number of outputs."""
        return self._engine.outputs

    def watch(self, on_samples: Callable[[int], None] | None) -> None:
        """Have ``on_samples`` told how many samples went through the network, as they do."""
        self._data.watcher = on_samples

    def norms(self) -> Tensor:
        """√Tr K(x,x): (N,), in units of output per parameter; NaN where not finite.

        Cost: the first of norms, ranks, outputs and non_finite takes one sweep.
        """
        return self._examined()[0]

    def ranks(self) -> Tensor:
        """Rank of K(x,x), 0 … D: (N,). 0 means that no parameter moves the output."""
        return self._examined()[1]

    def outputs(self) -> Tensor:
        """f(x): (N, D)."""
        return self._examined()[2]

    def non_finite(self) -> Tensor:
        """Indices of samples that are set apart because their gradient is not finite."""
        return self.norms().isnan().nonzero()[:, 0]

    def _examined(self) -> tuple[Tensor, Tensor, Tensor]:
        if self._own is None:
            norms, ranks, outputs = [], [], []
            notes = Notes()
            for _, _, features, own in self._engine.raw(self._data, notes):
                norms.append(own.trace.sqrt().masked_fill(own.bad, torch.nan))
                ranks.append(own.rank)
                outputs.append(features.values)
            self._engine.tell(notes, inverted=False)
            dtype = outputs[0].dtype
            self._own = (
                torch.cat(norms).to("cpu", dtype),
                torch.cat(ranks).cpu(),
                torch.cat(outputs).cpu(),
            )
        return self._own

    def blocks(self, first: int = 0, reference: Any = None) -> Iterator[Block]:
        """Similarities in blocks, rows-major from row ``first``: every pair exactly once.

        Cost: N·M products of the features; both sets swept once for every half memory budget of
        rows. NaN where a sample is set apart.
        """
        engine, notes = self._engine, Notes()
        other = None if reference is None else engine.read(reference)
        theirs = None
        if other is not None:
            theirs = lambda a, b: engine.ready(other, notes, self.normalization, a, b)  # noqa: E731
        stream = all_pairs(
            lambda a, b: engine.ready(self._data, notes, self.normalization, a, b),
            theirs,
            similarity,
            engine.budget,
            len(self._data),
            first,
        )
        for block in stream:
            yield Block(block.rows, block.columns, block.values.cpu())
        engine.tell(notes, self.normalization == "whitened")

    @property
    def batch_size(self) -> int:
        """Samples that go through the network at once."""
        return self._engine.batch_size

    def footprint(self) -> int:
        """Bytes that one sample takes while pairs are compared. Cost: two samples' features."""
        stop = min(2, len(self))
        held = list(self._engine.ready(self._data, Notes(), self.normalization, 0, stop))
        return max(1, sum(batch.bytes for batch in held) // stop)

    def cross(self, other: Any) -> Tensor:
        """Similarity of every sample with every sample of ``other``: (N, M)."""
        result = torch.empty(len(self), len(Batches(other)), dtype=self._engine.function.dtype)
        for block in self.blocks(reference=other):
            result[block.rows, block.columns] = block.values.to(result.dtype)
        return result

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2, the sample itself included: (N,).

        Cost: order 1 two sweeps and no pairs; order 2 all pairs.
        """
        one_of("order", order, (1, 2))
        if order == 1:
            notes = Notes()
            result = soft_density(self._engine, self._data, None, self.normalization, notes)
            self._engine.tell(notes, self.normalization == "whitened")
            return result.cpu()
        total = torch.zeros(len(self), dtype=torch.float64)
        for block in self.blocks():
            total[block.rows] += block.values.double().square().nansum(1)
        return total.to(self._engine.function.dtype)

    def nearest(self, k: int, queries: Any = None) -> Neighbours:
        """The k most similar samples of this set, for its own samples or for ``queries``.

        Values in [−1, 1], most similar first. A sample is not its own neighbour: excluded are
        the sample itself, a view of it in the same memory, and a member of a ``Subset``. An
        equal but separate copy is a neighbour.

        Cost: as :meth:`blocks`. Memory O(N k).
        """
        positive("k", k)
        if queries is None:
            if k > len(self) - 1:
                raise ArgumentError(
                    f"k: expected at most {len(self) - 1} neighbours among {len(self)} samples, "
                    f"got {k}; a sample is not its own neighbour"
                )
            return _nearest(self.blocks(), len(self), k, torch.arange(len(self)))
        own = same_samples(queries, self._data)
        limit = len(self) - (1 if own is not None and bool((own >= 0).any()) else 0)
        if k > limit:
            raise ArgumentError(f"k: expected at most {limit} neighbours in the data, got {k}")
        source = ExactSource(self._engine, queries, self.normalization)
        return _nearest(source.blocks(reference=self._data), len(source), k, own)


def _nearest(blocks: Iterator[Block], count: int, k: int, own: Tensor | None) -> Neighbours:
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
