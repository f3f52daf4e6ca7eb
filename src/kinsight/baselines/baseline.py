"""What every baseline offers: a source of samples and similarities, from features or without."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import OutputError, OutputSizeError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.budget import refuse_oversize
from kinsight.kernel.feature_source import FeatureSource
from kinsight.kernel.source import Source
from kinsight.network.batches import Batches


class Baseline(ABC):
    """A similarity of samples that stands where a :class:`~kinsight.TangentKernel` could."""

    memory_budget: int | None = None  # bytes for features and results; None: as for the kernel

    @abstractmethod
    def on(self, data: Any) -> Source:
        """The data as a source: what density, fit, suspects and the other analyses take."""

    @abstractmethod
    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """Similarity of every sample of x with every one of y (x itself if ``None``): (N, M).

        In [−1, 1], 1 for a sample with itself; 0 where nothing is there to compare (features
        that vanish), NaN where it is not finite.
        """


class FeatureBaseline(Baseline):
    """A baseline that is a cosine: k(x, x') = ⟨φ(x), φ(x')⟩ / (‖φ(x)‖ ‖φ(x')‖)."""

    @abstractmethod
    def parts(self, data: Batches) -> Iterator[Tensor]:
        """φ of successive batches, (B, S) real numbers each."""

    def features(self, data: Any) -> Tensor:
        """φ, not normalised, on the CPU: (N, S). Cost: one forward pass over the data.

        Raises:
            OutputError: S differs from batch to batch.
            OutputSizeError: the features do not fit the memory budget.
        """
        batches = Batches(data)
        result: Tensor | None = None
        start = 0
        for part in self.parts(batches):
            if result is None:
                self._refuse_oversize(len(batches), part)
                result = part.new_empty(len(batches), part.shape[1], device="cpu")
            if part.shape[1] != result.shape[1]:
                raise OutputError(
                    f"{type(self).__name__}: expected {result.shape[1]} features for every "
                    f"sample, got {part.shape[1]} from sample {start} on; pad the samples to one "
                    "size, or pool over positions"
                )
            result[start : start + len(part)] = part
            start += len(part)
        return torch.empty(0, 0) if result is None else result

    def on(self, data: Any) -> FeatureSource:
        """The data as a source of these features; a sample that is not finite is set apart."""
        return FeatureSource(self.features(data), memory_budget=self.memory_budget)

    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """Cosine of the features: (N, M) in [−1, 1]; NaN where they are not finite.

        Cost: one forward pass over x and y, and 2·S operations a pair.

        Raises:
            OutputSizeError: the result does not fit the memory budget.
        """
        ours = self._unit(x)
        theirs = ours if y is None or y is x else self._unit(y)
        if ours.shape[1] != theirs.shape[1]:
            raise OutputError(
                f"{type(self).__name__}: expected as many features of y as of x, "
                f"{ours.shape[1]}, got {theirs.shape[1]}; give samples of one size"
            )
        budget = budget_for(self.memory_budget, ours.device)
        refuse_oversize("the result", (len(ours), len(theirs)), ours.element_size(), budget)
        return (ours @ theirs.T).clamp(-1, 1)

    def _unit(self, data: Any) -> Tensor:
        features = self.features(data)
        source = FeatureSource(features, memory_budget=self.memory_budget)
        return source.features(rank=features.shape[1])

    def _refuse_oversize(self, count: int, part: Tensor) -> None:
        budget = budget_for(self.memory_budget, torch.device("cpu"))
        needed = count * part.shape[1] * part.element_size()
        if needed > budget:
            raise OutputSizeError(
                f"{type(self).__name__}: {count:,} samples of {part.shape[1]:,} features would "
                f"take {needed / 2**30:.1f} GiB, more than the memory budget of "
                f"{budget / 2**30:.1f} GiB; take fewer samples or a later layer, or raise "
                "memory_budget="
            )
