"""Two views of the same samples: do checkpoints, widths, seeds or baselines agree on what is near?

==================  =====================================================================
alignment           do all similarities agree, up to a factor and an offset? in [0, 1]
overlap             share of common samples among the k nearest, in [0, 1]
rank_correlation    are the others in the same order? Spearman, in [−1, 1]
density_change      N_S of the second less that of the first, in samples
==================  =====================================================================

Example:
    >>> import torch, kinsight as ks
    >>> source = ks.FeatureSource(torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0]]))
    >>> ks.compare(source, source, k=1).overlap.tolist()
    [1.0, 1.0, 1.0]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kinsight.analysis.result import Result, histogram
from kinsight.analysis.targets import read_targets
from kinsight.analysis.walk import require_similarity
from kinsight.baselines.cka import Alignment
from kinsight.baselines.pairs import Rows, Sides
from kinsight.checks import positive
from kinsight.drawing.marks import line_at
from kinsight.drawing.style import INK, colour_and_marker, new_figure
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import TopK
from kinsight.kernel.source import Source, check_neighbours

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison(Result):
    """One entry a sample; NaN for samples that either side sets apart."""

    overlap: Tensor  # (N,) share of common samples among the k nearest, in [0, 1]
    rank_correlation: Tensor  # (N,) Spearman over the other samples, in [−1, 1]
    density_first: Tensor  # (N,) Σ_j k over samples that both sides know, itself included
    density_second: Tensor  # (N,)
    labels: Tensor | None  # (N,) class, −1 where missing
    alignment: float  # centred kernel alignment (CKA), in [0, 1]
    alignment_unbiased: float  # without diagonals: 0 on the average for independent views
    k: int

    @property
    def density_change(self) -> Tensor:
        """Density of the second less that of the first: (N,)."""
        return self.density_second - self.density_first

    @property
    def chance(self) -> float:
        """The overlap to expect of neighbours drawn at random: k / (n − 1)."""
        return self.k / (int(self.density_first.isfinite().sum()) - 1)

    def changed(self, count: int = 10) -> Tensor:
        """The samples whose neighbourhood changed most, most first: (≤ count,) places.

        Least overlap first, of equal ones the least rank correlation.
        """
        known = self.overlap.isfinite().nonzero()[:, 0]
        order = known[self.rank_correlation[known].argsort(stable=True)]
        order = order[self.overlap[order].argsort(stable=True)]
        return order[: positive("count", count)]

    def by_class(self) -> "pyarrow.Table":
        """Means over the samples of each class, one row a class.

        Raises:
            ArgumentError: no labels were given.
        """
        import pyarrow

        if self.labels is None:
            raise ArgumentError("means by class need labels: compare(first, second, labels=…)")
        columns = ("overlap", "rank_correlation", "density_change")
        rows = []
        for label in self.labels[self.labels >= 0].unique().tolist():
            own = self.labels == label
            means = {name: float(getattr(self, name)[own].nanmean()) for name in columns}
            rows.append({"class": label, "samples": int(own.sum()), **means})
        return pyarrow.Table.from_pylist(rows)

    def summary(self) -> str:
        """The means, in a few lines."""
        return (
            f"alignment (CKA) {self.alignment:.3f}, unbiased {self.alignment_unbiased:.3f}\n"
            f"common among the {self.k} nearest {float(self.overlap.nanmean()):.3f}, by chance "
            f"{self.chance:.3f}\n"
            f"rank correlation {float(self.rank_correlation.nanmean()):.3f}"
        )

    def figure(self) -> "Figure":
        """Histograms of overlap and rank correlation, and one density against the other."""
        figure, (left, middle, right) = new_figure(3, width=4.0)
        histogram(left, self.overlap, f"common among the {self.k} nearest")
        line_at(left, self.chance, "at random")
        histogram(middle, self.rank_correlation, "rank correlation of similarities")
        for place, chosen in enumerate(self._groups()):
            colour, marker = colour_and_marker(place)
            both = self.density_first[chosen], self.density_second[chosen]
            right.scatter(*both, s=8, c=colour, marker=marker, linewidths=0, rasterized=True)
        right.set_xlabel("density, first (in samples)")
        right.set_ylabel("density, second (in samples)")
        figure.suptitle(f"alignment {self.alignment:.2f}", color=INK)
        return figure

    def _groups(self) -> list[Tensor]:
        """Which samples have which label, those without one first: (N,) bool each."""
        if self.labels is None:
            return [torch.ones(len(self.overlap), dtype=torch.bool)]
        return [self.labels == label for label in self.labels.unique()]


def compare(
    first: Source,
    second: Source,
    *,
    k: int = 10,
    labels: Sequence[Any] | Tensor | None = None,
) -> Comparison:
    """How far two views of the same samples agree, over all pairs and sample by sample.

    Args:
        first, second: sources on the same data in the same order: kernels of two checkpoints,
            widths or seeds, stores, baselines. Samples that one side sets apart are left out.
        k: nearest samples to have in common; of equally similar ones those that come first.
        labels: (N,) classes, for means by class; negative ones missing.

    A sample to which all others are equally similar, in either view, has neither neighbours
    nor an order: its overlap and rank correlation are NaN.

    Cost: all pairs of both and sorting them, O(N² log N); memory by ranges of rows within the
    smaller memory budget. An exact kernel sweeps over its data once a range.

    Raises:
        ArgumentError: no sources, of different samples, or k not below the number of samples
            that both sides know.

    Source of alignment: Kornblith et al., ICML 2019.
    """
    for source in (first, second):
        require_similarity(source)
    sides = Sides(first, second)
    check_neighbours(k, len(sides.fit), themselves=True)
    classes = None if labels is None else class_labels(labels, sides.count)
    return _compared(sides, k, classes)


def _compared(sides: Sides, k: int, classes: Tensor | None) -> Comparison:
    """One walk over the rows of both sides."""
    alignment = Alignment(len(sides.fit))
    columns = torch.full((4, sides.count), torch.nan, dtype=torch.float64)
    for rows in sides.rows():
        alignment.add(rows)
        columns[:, rows.samples] = _said(rows, k)
    return Comparison(
        overlap=columns[0],
        rank_correlation=columns[1],
        density_first=columns[2],
        density_second=columns[3],
        labels=classes,
        alignment=alignment.value(),
        alignment_unbiased=alignment.unbiased(),
        k=k,
    )


def _said(rows: Rows, k: int) -> Tensor:
    """Overlap, rank correlation and both densities of some samples: (4, B)."""
    first, second = _others(rows.first, rows.own), _others(rows.second, rows.own)
    ranks = [average_ranks(values) for values in (first, second)]
    centred = [each - each.mean(1, keepdim=True) for each in ranks]
    scale = centred[0].norm(dim=1) * centred[1].norm(dim=1)
    correlation = (centred[0] * centred[1]).sum(1) / scale  # 0/0 where all are equally similar
    overlap = _common(first, second, k).masked_fill(scale == 0, torch.nan)
    densities = [values.double().sum(1) for values in (rows.first, rows.second)]
    return torch.stack([overlap, correlation.clamp(-1, 1), *densities])


def _others(values: Tensor, own: Tensor) -> Tensor:
    """Similarities to all but the sample itself: (B, n − 1)."""
    kept = torch.arange(values.shape[1]) != own[:, None]
    return values[kept].reshape(len(values), -1)


def _common(first: Tensor, second: Tensor, k: int) -> Tensor:
    """Share of common columns among the k largest of each row: (B,)."""
    best = []
    for values in (first, second):
        top = TopK(len(values), k, values)
        top.add(values, 0, None)
        best.append(torch.zeros(values.shape, dtype=torch.bool).scatter_(1, top.indices, True))
    return (best[0] & best[1]).sum(1).double() / k


def average_ranks(values: Tensor) -> Tensor:
    """Rank of each number in its row, from 0; equal numbers share the mean of theirs: (B, n)."""
    ordered, order = values.sort(dim=1, stable=True)
    places = torch.arange(values.shape[1]).expand_as(order)
    new = torch.ones_like(order, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    last = torch.ones_like(new)
    last[:, :-1] = new[:, 1:]
    begin = torch.where(new, places, 0).cummax(1).values
    end = torch.where(last, places, values.shape[1]).flip(1).cummin(1).values.flip(1)
    ranks = torch.empty(values.shape, dtype=torch.float64)
    return ranks.scatter_(1, order, (begin + end).double() / 2)


def class_labels(labels: Any, count: int) -> Tensor:
    """Classes of ``count`` samples, −1 where missing: (N,).

    Raises:
        ArgumentError: another number of them, or real numbers.
    """
    targets = read_targets(labels, count, varied=False)
    if targets.kind != "classes":
        raise ArgumentError("labels: expected whole numbers (classes), got real numbers")
    return targets.index
