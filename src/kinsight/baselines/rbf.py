"""The Gaussian kernel, on inputs or on the features of another baseline."""

from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.baselines.baseline import Baseline, FeatureBaseline
from kinsight.baselines.inputs import Inputs
from kinsight.baselines.tiles import TileSource
from kinsight.checks import above_zero
from kinsight.errors import ArgumentError, DataError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.budget import refuse_oversize

_LOOKED_AT = 1000  # samples between which the median distance is taken


class RBF(Baseline):
    """k(x, x') = exp(−‖φ(x) − φ(x')‖² / 2h²), in [0, 1].

    It has no finite features: the source computes it exactly, tile by tile, in float64.

    Args:
        of: the baseline whose features φ are compared, not normalised; default the raw inputs.
        width: h in units of φ, or ``"median"``: the median distance between the samples of x,
            of 1,000 drawn by ``seed`` where there are more.
        memory_budget: bytes for tiles and results; default a quarter of the machine's.

    Raises:
        DataError: the median distance is 0, half of the pairs being the same.

    Example:
        >>> import torch, kinsight as ks
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> ks.baselines.RBF(width=1.0).similarity(x)[0, 1].item()  # exp(-2)
        0.1353352...
    """

    def __init__(
        self,
        of: FeatureBaseline | None = None,
        width: float | Literal["median"] = "median",
        *,
        seed: int = 0,
        memory_budget: int | None = None,
    ):
        of = Inputs() if of is None else of
        if not isinstance(of, FeatureBaseline):
            raise ArgumentError(
                "of: expected a baseline with features, such as ks.baselines.LastLayer(model), "
                f"got {type(of).__name__}"
            )
        self.of, self.seed, self.memory_budget = of, seed, memory_budget
        self.width = width if width == "median" else above_zero("width", width)

    def on(self, data: Any) -> "RBFSource":
        """The data as a source of Gaussian similarities. Cost: one pass for the features."""
        features = self.of.features(data).double()
        width = median_distance(features, self.seed) if self.width == "median" else self.width
        budget = budget_for(self.memory_budget, features.device)
        return RBFSource(self, features, float(width), budget)

    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """exp(−‖φ(x) − φ(y)‖² / 2h²), h from x where it is the median: (N, M) float64."""
        source = self.on(x)
        theirs = source.data if y is None or y is x else self.of.features(y).double()
        sizes = (len(source), len(theirs))
        refuse_oversize("the result", sizes, 8, source.memory_budget)
        return gaussian(source.data, theirs, source.width)


class RBFSource(TileSource):
    """Samples with features φ, (N, S) float64, compared by a Gaussian of width h."""

    def __init__(self, baseline: RBF, features: Tensor, width: float, memory_budget: int):
        fit = features.isfinite().all(1)
        super().__init__(torch.where(fit, 1.0, torch.nan), memory_budget)
        self._baseline, self.data, self.width = baseline, features, width

    def tile(self, columns: Tensor) -> Tensor:
        """Gaussian of the distances to the samples at ``columns``: (N, C)."""
        values = gaussian(self.data, self.data[columns], self.width)
        own = torch.where(self._norms[columns].isnan(), torch.nan, 1.0).to(values)
        values[columns, torch.arange(len(columns))] = own  # exact on the diagonal
        return values

    def cross(self, queries: Any) -> Tensor:
        """Similarities of other data, or of another source of this kind: (Q, N)."""
        if isinstance(queries, RBFSource):
            return gaussian(queries.data, self.data, self.width)
        return gaussian(self._baseline.of.features(queries).double(), self.data, self.width)


def gaussian(ours: Tensor, theirs: Tensor, width: float) -> Tensor:
    """exp(−‖a − b‖² / 2h²): (N, M); NaN where a row is not finite."""
    if ours.shape[1] != theirs.shape[1]:
        raise ArgumentError(
            f"queries: expected {theirs.shape[1]} features a sample, got {ours.shape[1]}"
        )
    bad = ~ours.isfinite().all(1)[:, None] | ~theirs.isfinite().all(1)
    distance = torch.cdist(ours.nan_to_num(0, 0, 0), theirs.nan_to_num(0, 0, 0))
    return (-0.5 * (distance / width).square()).exp().masked_fill(bad, torch.nan)


def median_distance(features: Tensor, seed: int) -> float:
    """The median of ‖φ_i − φ_j‖ over pairs i < j of up to 1,000 samples.

    Raises:
        DataError: it is 0, or fewer than two samples are finite.
    """
    fit = features[features.isfinite().all(1)]
    if len(fit) < 2:
        raise DataError(f"width='median': expected two finite samples at least, got {len(fit)}")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(fit), generator=generator)[:_LOOKED_AT]
    median = float(torch.pdist(fit[chosen.sort().values]).median())
    if median == 0:
        raise DataError(
            "width='median': expected samples that differ, but half of all pairs are the same; "
            "give the width in units of the features, width=1.0"
        )
    return median
