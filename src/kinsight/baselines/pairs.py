"""Two similarities of the same samples, side by side: a range of rows of both at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.baselines.tiles import columns_of, ranges
from kinsight.errors import ArgumentError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.source import Source

_COPIES = 160  # bytes that a pair takes on both sides while it is looked at


@dataclass(frozen=True)
class Rows:
    """Some samples against all that both sides can say something about."""

    samples: Tensor  # (B,) places in the data, none set apart
    own: Tensor  # (B,) the column of each sample itself
    first: Tensor  # (B, n)
    second: Tensor  # (B, n)


class Features:
    """A matrix of features as a kernel without normalisation: ⟨φ, φ'⟩ in float64."""

    def __init__(self, features: Tensor):
        if features.dim() != 2 or not features.is_floating_point() or 0 in features.shape:
            raise ArgumentError(
                "expected a source, kernel.on(data), or features of shape (N, S), got a tensor "
                f"of {features.dtype} of shape {tuple(features.shape)}"
            )
        self._features = features.detach().cpu().double()
        self.memory_budget = budget_for(None, self._features.device)

    def __len__(self) -> int:
        return len(self._features)

    def norms(self) -> Tensor:
        """‖φ‖, not finite where φ is not: (N,)."""
        return self._features.norm(dim=1)

    def columns(self, columns: Tensor) -> Tensor:
        """Inner products of all samples with those at ``columns``: (N, C)."""
        return self._features @ self._features[columns].T


class Sides:
    """Two sources, or matrices of features, of the same N samples.

    Raises:
        ArgumentError: something else, a kernel with ``normalization=None``, or another number
            of samples on the second side.
    """

    def __init__(self, first: Any, second: Any):
        self._sides = [_side(value) for value in (first, second)]
        counts = [len(side) for side in self._sides]
        if counts[0] != counts[1]:
            raise ArgumentError(
                f"expected two views of the same samples, got {counts[0]} and {counts[1]} of "
                "them; build both with on(data) from the same data"
            )
        fit = [side.norms().isfinite() for side in self._sides]
        self.fit = (fit[0] & fit[1]).nonzero()[:, 0]  # (n,) samples that neither side sets apart
        self.count = counts[0]

    def rows(self) -> Iterator[Rows]:
        """All rows, a range at a time, so that the memory budget of both sides is kept.

        Cost: all similarities of both once; an exact kernel sweeps over its data once a range.
        """
        budget = min(side.memory_budget for side in self._sides)
        step = max(1, budget // (_COPIES * self.count))
        for part in ranges(len(self.fit), step):
            samples = self.fit[part]
            first, second = (_columns(side, samples)[self.fit].T for side in self._sides)
            yield Rows(samples, torch.arange(part.start, part.stop), first, second)


def _side(value: Any) -> Source | Features:
    if isinstance(value, Tensor):
        return Features(value)
    if not isinstance(value, Source):
        raise ArgumentError(
            "expected samples as something sees them, kernel.on(data), baseline.on(data), a "
            f"store or features of shape (N, S), got {type(value).__name__}"
        )
    if value.normalization is None:
        raise ArgumentError(
            "expected similarities, got a kernel with normalization=None; use "
            "normalization='whitened' or 'trace'"
        )
    return value


def _columns(side: Source | Features, columns: Tensor) -> Tensor:
    return side.columns(columns) if isinstance(side, Features) else columns_of(side, columns)
