"""How crowded it is around every sample: soft, hard, powers, square, centred, radius.

==========  ===========================================  =====================================
estimator   score                                        answers
==========  ===========================================  =====================================
soft        N_S = Σ_j k_j                                how much data moves along; no pairs
hard        N_τ = #{j : k_j ≥ τ}                         how many look the same
power       N_α = Σ_j max(k_j, 0)^α                      a soft N_τ; ∫₀¹ N_τ dτ = N_1
square      Σ_j k_j²                                     the same, signs ignored; no pairs
                                                         where features are known
centred     Σ_j max(k̃_j, 0), k̃ after the mean feature    how crowded beyond what all samples
            was taken out                                have in common
radius      arccos of the similarity to the k-th         how far one must look; large = lonely
            nearest, in [0, π]
==========  ===========================================  =====================================

Trained networks give most pairs a positive similarity, so that N_S is near the mean
similarity times N everywhere; the others tell samples apart where it saturates.

Source: Charpiat et al., NeurIPS 2019, section 4.

Example:
    Two inputs in the same direction, one at a right angle to them.

    >>> import torch, kinsight as ks
    >>> kernel = ks.TangentKernel(torch.nn.Linear(2, 1, bias=False))
    >>> data = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    >>> ks.density(kernel.on(data), "hard", threshold=0.9).score.tolist()
    [2.0, 2.0, 1.0]
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from kinsight.analysis.result import Result, histogram
from kinsight.analysis.tallies import Centred, Counts
from kinsight.analysis.walk import answers, require_similarity
from kinsight.checks import one_of, positive
from kinsight.drawing.style import new_figure
from kinsight.errors import ArgumentError
from kinsight.kernel.source import Source
from kinsight.kernel.stream import Block

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Estimator = Literal["soft", "hard", "power", "square", "centred", "radius"]
ESTIMATORS = ("soft", "hard", "power", "square", "centred", "radius")
MOST_PAIRWISE = 100_000  # samples up to which hard and power counts see all pairs by default
_SAMPLED = 20_000


@dataclass(frozen=True)
class Density(Result):
    """One entry a sample."""

    score: Tensor  # (N,) float64, NaN for samples set apart; large = crowded (radius: lonely)
    error: Tensor | None  # (N,) standard error, where a sampled reference stands for all
    estimator: str
    parameter: float | None  # τ, α or k

    def figure(self) -> "Figure":
        """A histogram of the score."""
        figure, (axes,) = new_figure()
        unit = "radians" if self.estimator == "radius" else "samples"
        what = self.estimator if self.parameter is None else f"{self.estimator} {self.parameter:g}"
        histogram(axes, self.score, f"density, {what} (in {unit})")
        return figure


def density(
    source: Source,
    estimator: Estimator = "soft",
    *,
    threshold: float = 0.9,
    power: float = 4.0,
    k: int = 10,
    sample: int | None = None,
    seed: int = 0,
) -> Density:
    """How many neighbours each sample has in the network's eyes, itself counted as 1.

    Args:
        source: ``kernel.on(data)``, or a :class:`~kinsight.FeatureSource`.
        threshold: τ of hard; power: α of power; k of radius.
        sample: for hard and power, a random reference of so many samples in place of all, with
            standard errors; by default 20,000 beyond 100,000 samples.
        seed: of that choice.

    Cost: soft two sweeps of the exact kernel, or O(N S) on features; square O(N S²) on features;
    else all pairs, or N times ``sample``.

    Raises:
        ArgumentError: an unknown estimator, τ outside [−1, 1], α not above 0, k not below N.
    """
    one_of("estimator", estimator, ESTIMATORS)
    require_similarity(source)
    if estimator in ("hard", "power"):
        return _pairwise(
            source, estimator, threshold if estimator == "hard" else power, sample, seed
        )
    if estimator == "centred":
        tally = Centred(source.moments(1), source.norms() > 0)
        return Density(answers(source, tally)["centred"], None, estimator, None)
    if estimator == "radius":
        similarity = source.nearest(k=k).values[:, -1].double()
        similarity = similarity.masked_fill(similarity.isinf(), torch.nan)
        return Density(similarity.clamp(-1, 1).arccos(), None, estimator, float(k))
    return Density(source.moments(1 if estimator == "soft" else 2), None, estimator, None)


def _pairwise(
    source: Source, estimator: str, parameter: float, sample: int | None, seed: int
) -> Density:
    """Hard and power counts, over all samples or a part of them."""
    hard = estimator == "hard"
    tally = Counts(thresholds=(parameter,)) if hard else Counts(powers=(parameter,))
    if sample is None and len(source) > MOST_PAIRWISE:
        sample = _SAMPLED
    if sample is not None and sample == 1:
        raise ArgumentError("sample: expected at least 2 samples, or None, got 1")
    if sample is not None and positive("sample", sample) < len(source):
        score, error = _sampled(source, estimator, parameter, sample, seed)
        return Density(score, error, estimator, parameter)
    (found,) = answers(source, tally).values()
    score = found[:, 0].double().masked_fill(source.norms().isnan(), torch.nan)
    return Density(score, None, estimator, parameter)


def _sampled(
    source: Source, estimator: str, parameter: float, sample: int, seed: int
) -> tuple[Tensor, Tensor]:
    """1 + (N − 1) times the mean over a reference without the sample itself; standard error."""
    fit = source.norms().isfinite().nonzero()[:, 0]
    chosen = fit[torch.randperm(len(fit), generator=torch.Generator().manual_seed(seed))[:sample]]
    place = torch.full((len(source),), -1)
    place[chosen] = torch.arange(len(chosen))
    first = torch.zeros(len(source), dtype=torch.float64)
    second = torch.zeros(len(source), dtype=torch.float64)
    for block in source.against(chosen):
        value = _counted(block, place, estimator, parameter)
        first[block.rows] += value.sum(1)
        second[block.rows] += value.square().sum(1)
    others = len(chosen) - (place >= 0).double()
    mean = first / others
    if estimator == "hard":  # no count is certain because none was seen (Laplace)
        share_seen = (first + 1) / (others + 2)
        variance = share_seen * (1 - share_seen)
    else:
        variance = (second / others - mean.square()).clamp_min(0) * others / (others - 1)
    deviation = variance.sqrt()
    all_others = len(fit) - 1
    share = (1 - others / all_others).clamp_min(0)  # nothing is left to chance in what was seen
    error = all_others * deviation * (share / others).sqrt()
    apart = source.norms().isnan()
    score = ((source.ranks() > 0).double() + all_others * mean).masked_fill(apart, torch.nan)
    return score, error.masked_fill(apart, torch.nan)


def _counted(block: Block, place: Tensor, estimator: str, parameter: float) -> Tensor:
    """What each column counts for, a sample itself nothing: (B, C) float64."""
    values = block.values.double().nan_to_num(nan=-2.0)
    if estimator == "hard":
        counted = (values >= parameter).double()
    else:
        counted = values.clamp_min(0) ** parameter
    own = place[block.rows] - block.columns.start
    inside = (own >= 0) & (own < counted.shape[1])
    counted[inside.nonzero()[:, 0], own[inside]] = 0
    return counted
