"""A data set seen through the exact kernel: lazy, streaming, nothing of size N×N kept."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from kinsight.kernel.combine import influence, inner, matrix, similarity
from kinsight.kernel.density import soft_density
from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source, check_neighbours, nearest_in
from kinsight.kernel.stream import Block, Combine, Sweep, all_pairs
from kinsight.kernel.whitening import Normalization
from kinsight.network.batches import Batches, same_samples


class ExactSource(Source):
    """A data set seen through the exact kernel: lazy, streaming, nothing of size N×N kept.

    Made by ``kernel.on(data)``. Samples whose gradient is not finite have NaN rows, and enter no
    sum and no neighbourhood.
    """

    def __init__(self, engine: Engine, data: Any, normalization: Normalization):
        self.engine = engine
        self._data: Batches = engine.read(data)
        self._notes = Notes()
        self._own: tuple[Tensor, Tensor, Tensor] | None = None
        self.normalization: Normalization = normalization
        self.memory_budget = engine.budget
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
        return self.engine.outputs

    @property
    def samples(self) -> Batches:
        """The data, as batches in a fixed order."""
        return self._data

    def part(self, positions: Tensor) -> "ExactSource":
        """Some of the samples, seen through the same kernel."""
        return self.other(self._data.part(positions.tolist()))

    def other(self, data: Any) -> "ExactSource":
        """Other data, seen through the same kernel."""
        return ExactSource(self.engine, data, self.normalization)

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

    def _examined(self) -> tuple[Tensor, Tensor, Tensor]:
        if self._own is None:
            norms, ranks, outputs = [], [], []
            notes = Notes()
            for _, _, features, own in self.engine.raw(self._data, notes):
                norms.append(own.trace.sqrt().masked_fill(own.bad, torch.nan))
                ranks.append(own.rank)
                outputs.append(features.values)
            self.engine.tell(notes, inverted=False)
            dtype = outputs[0].dtype
            self._own = (
                torch.cat(norms).to("cpu", dtype),
                torch.cat(ranks).cpu(),
                torch.cat(outputs).cpu(),
            )
        return self._own

    def blocks(self, first: int = 0, reference: Any = None) -> Iterator[Block]:
        """Similarities in blocks, rows-major from row ``first``: every pair exactly once.

        ``reference``: other data, in place of the samples themselves.

        Cost: N·M products of the features; both sets swept once for every half memory budget of
        rows. NaN where a sample is set apart.
        """
        theirs = None if reference is None else self.engine.read(reference)
        yield from self._stream(self._data, theirs, self.normalization, self._combined, first)

    def against(self, columns: Tensor) -> Iterator[Block]:
        """Similarities of all samples with those at ``columns``, (M,): values (B, C)."""
        chosen = self._data.part(columns.tolist())
        yield from self._stream(self._data, chosen, self.normalization, self._combined)

    def products(self) -> Iterator[Block]:
        """K(x_i, x_j), not normalised, of all pairs: values (B, C, D, D)."""
        yield from self._stream(self._data, None, None, matrix)

    def influences(self, queries: Any = None) -> Iterator[Block]:
        """K(x_j, q) K(q, q)⁺: rows are queries, columns samples; values (B, C, D, D)."""
        ours = self._data if queries is None else self.engine.read(queries)
        yield from self._stream(ours, self._data, None, influence)

    @property
    def _combined(self) -> Combine:
        return inner if self.normalization is None else similarity

    def _stream(
        self,
        ours: Batches,
        theirs: Batches | None,
        normalization: Normalization,
        combination: Combine,
        first: int = 0,
    ) -> Iterator[Block]:
        engine, notes = self.engine, Notes()

        def sweep(data: Batches) -> Sweep:
            return lambda a, b: engine.ready(data, notes, normalization, a, b)

        other = None if theirs is None else sweep(theirs)
        stream = all_pairs(sweep(ours), other, combination, engine.budget, len(ours), first)
        for block in stream:
            yield Block(block.rows, block.columns, block.values.cpu())
        engine.tell(notes, normalization == "whitened" or combination is influence)

    def along_parameters(self) -> Tensor:
        """J(x) M⁻¹ θ, the derivative of f at x along the parameters themselves: (N, D) float64.

        With the Euclidean metric M = I weight decay pulls f(x) by −λ J(x) θ. Cost: one sweep.
        """
        chosen = self.engine.function.selection.chosen
        theta = {name: _real(p.detach()).reshape(1, -1) for name, p in chosen.items()}
        theta = self.engine.metric.along(theta)
        rows = []
        for _, _, features, own in self.engine.raw(self._data, Notes()):
            total = torch.zeros_like(features.values, dtype=torch.float64)
            for d in range(total.shape[1]):
                pick = torch.zeros(len(total), 1, total.shape[1], dtype=torch.float64)
                pick[:, 0, d] = 1 / own.scale.cpu()
                for name, block in features.blocks.items():
                    direction = theta[name].to(features.values)
                    total[:, d] += block.mix(pick.to(direction.device)).contract(direction)
            rows.append(total.masked_fill(own.bad[:, None], torch.nan).cpu())
        return torch.cat(rows)

    @property
    def batch_size(self) -> int:
        """Samples that go through the network at once."""
        return self.engine.batch_size

    def footprint(self) -> int:
        """Bytes that one sample takes while pairs are compared. Cost: two samples' features."""
        stop = min(2, len(self))
        held = list(self.engine.ready(self._data, Notes(), self.normalization, 0, stop))
        return max(1, sum(batch.bytes for batch in held) // stop)

    def cross(self, other: Any) -> Tensor:
        """Similarity of every sample with every sample of ``other``: (N, M)."""
        result = torch.empty(len(self), len(Batches(other)), dtype=self.engine.function.dtype)
        for block in self.blocks(reference=other):
            result[block.rows, block.columns] = block.values.to(result.dtype)
        return result

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2, the sample itself included: (N,).

        Cost: order 1 two sweeps and no pairs; order 2 all pairs.
        """
        if order != 1:
            return super().moments(order)
        notes = Notes()
        result = soft_density(self.engine, self._data, None, self.normalization, notes)
        self.engine.tell(notes, self.normalization == "whitened")
        return result.cpu().double()

    def nearest(self, queries: Any = None, k: int = 10) -> Neighbours:
        """The k most similar samples of this set, for its own samples or for ``queries``.

        Values in [−1, 1], most similar first. A sample is not its own neighbour: excluded are
        the sample itself, a view of it in the same memory, and a member of a ``Subset`` or of a
        DataLoader. An equal but separate copy is a neighbour.

        Cost: as :meth:`blocks`. Memory O(N k).
        """
        if queries is None:
            check_neighbours(k, len(self), themselves=True)
            return nearest_in(self.blocks(), len(self), k, torch.arange(len(self)))
        own = same_samples(queries, self._data)
        check_neighbours(k, len(self), own is not None and bool((own >= 0).any()))
        source = self.other(queries)
        return nearest_in(source.blocks(reference=self._data), len(source), k, own)


def _real(value: Tensor) -> Tensor:
    return torch.view_as_real(value) if value.is_complex() else value
