"""Paired comparisons for the experiments: mean differences, intervals, tests, many at once."""

import math
import statistics
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Mean:
    """A mean over runs with its 95 % interval of Student's t; without one of a single run."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference(Mean):
    """First less second over paired runs; p of the paired t-test and of Wilcoxon's."""

    p: float
    wilcoxon: float


def mean(values: list[float]) -> Mean:
    """Mean of independent runs."""
    middle = statistics.mean(values)
    if len(values) < 2:
        return Mean(middle, -math.inf, math.inf, len(values))
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Mean(middle, middle - half, middle + half, len(values))


def difference(first: list[float], second: list[float]) -> Difference:
    """First less second, run by run. Two-sided tests; p = 1 where nothing differs at all."""
    each = [a - b for a, b in zip(first, second, strict=True)]
    over = mean(each)
    if len(each) < 2 or not any(each):
        return Difference(over.mean, over.low, over.high, over.count, 1.0, 1.0)
    ranked = float(stats.wilcoxon(each)[1])  # pyright: ignore
    # Always the same difference, as counts of few runs can be: no noise to compare it with.
    steady = statistics.stdev(each) <= 1e-9 * max(map(abs, each))
    p = ranked if steady else float(stats.ttest_rel(first, second)[1])  # pyright: ignore
    return Difference(over.mean, over.low, over.high, over.count, p, ranked)


def holm(values: list[float]) -> list[float]:
    """Holm's p for several tests at once: below α for any true hypothesis with chance ≤ α."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def said(p: float) -> str:
    """A p-value in a table."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
