"""What several networks agree on: the mean of their similarities."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kinsight.baselines.baseline import Baseline
from kinsight.baselines.tiles import TileSource, columns_of
from kinsight.errors import ArgumentError
from kinsight.kernel.source import Source


class Ensemble(Baseline):
    """k(x, x') = mean over members of k_m(x, x'), in [−1, 1].

    A sample whose gradient vanishes in a member has similarity 0 there, with itself too.

    Args:
        members: kernels or baselines, at least one, each with ``on`` and ``similarity``.

    Raises:
        ArgumentError: none, or a kernel with ``normalization=None``.

    Cost: the sum of the members'.
    """

    def __init__(self, members: Sequence[Any]):
        self.members = list(members)
        if not self.members:
            raise ArgumentError("members: expected at least one kernel or baseline, got none")
        for member in self.members:
            if not hasattr(member, "on") or not hasattr(member, "similarity"):
                raise ArgumentError(
                    "members: expected kernels or baselines, which have on(data) and "
                    f"similarity(x, y), got {type(member).__name__}"
                )
            if getattr(member, "normalization", "trace") is None:
                raise ArgumentError(
                    "members: expected similarities, got a kernel with normalization=None; use "
                    "normalization='whitened' or 'trace'"
                )

    def on(self, data: Any) -> "EnsembleSource":
        """The data as a source of mean similarities; set apart where one member cannot say."""
        return EnsembleSource(self, data)

    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """The mean of the members' similarities: (N, M)."""
        values = [member.similarity(x, y) for member in self.members]
        return torch.stack([value.double() for value in values]).mean(0).to(values[0])


class EnsembleSource(TileSource):
    """The samples as several networks see them on the average."""

    def __init__(self, ensemble: Ensemble, data: Any):
        self.members: list[Source] = [member.on(data) for member in ensemble.members]
        self._ensemble, self._data = ensemble, data
        norms = torch.stack([source.norms().double() for source in self.members])
        alive = torch.where(norms.isnan(), torch.nan, (norms > 0).double()).mean(0)
        super().__init__(alive.sqrt(), min(each.memory_budget for each in self.members))

    def tile(self, columns: Tensor) -> Tensor:
        """Mean similarities to the samples at ``columns``: (N, C)."""
        first, *others = self.members
        found = columns_of(first, columns)
        total = found.double()
        for source in others:
            total += columns_of(source, columns).double()
        return (total / len(self.members)).to(found)

    def cross(self, queries: Any) -> Tensor:
        """Mean similarities of other data: (Q, N)."""
        return self._ensemble.similarity(queries, self._data)
