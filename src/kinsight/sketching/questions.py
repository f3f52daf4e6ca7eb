"""What is asked about every sample of a shard, given sums over the whole store: picklable."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch
from torch import Tensor

from kinsight.analysis.feature_spectrum import FeatureSpectrum, Sums
from kinsight.analysis.smoothing import left_out, left_out_error
from kinsight.analysis.suspects import judge
from kinsight.analysis.tallies import Counts, Nearest
from kinsight.analysis.targets import Targets
from kinsight.analysis.walk import joined, ranges
from kinsight.kernel.feature_source import unbiased_square
from kinsight.kernel.neighbours import Neighbours
from kinsight.search.moments import shard_moments
from kinsight.search.tiles import PRODUCT, tiles
from kinsight.store.source import StoreSource

compute: Any = pyarrow.compute  # its functions are made at run time
Columns = dict[str, pa.Array]


class Pieces:
    """The features of one shard, its rows counted from 0, as often as they are gone over."""

    def __init__(self, source: StoreSource, shard: int):
        self.source, self.where = source, source.rows.shards[shard]

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        start, stop = self.where.start, self.where.stop
        for rows, tile in tiles(self.source.rows, PRODUCT, start, stop):
            yield slice(rows.start - start, rows.stop - start), tile


@dataclass(frozen=True)
class Moments:
    """Σ φ and Σ φφᵀ of a shard, and how many of its rows are not zero."""

    def __call__(self, source: StoreSource, shard: int) -> tuple[Tensor, Tensor, int]:
        where = source.rows.shards[shard]
        alive = int((source.norms()[where.start : where.stop] > 0).sum())
        return *shard_moments(source.rows, shard), alive


@dataclass(frozen=True)
class Crowding:
    """``density`` Σ_j k, ``density_square`` Σ_j k² (corrected), ``map_x``, ``map_y``."""

    first: Tensor  # (S,)
    second: Tensor  # (S, S)
    alive: int
    axes: Tensor  # (S, 2) principal components

    def __call__(self, source: StoreSource, shard: int) -> Columns:
        pieces, where = Pieces(source, shard), source.rows.shards[shard]
        count = where.stop - where.start
        norms = source.norms()[where.start : where.stop]
        soft, square = torch.zeros(2, count, dtype=torch.float64)
        points = torch.zeros(count, 2, dtype=torch.float64)
        origin = (self.first / max(self.alive, 1)) @ self.axes
        for rows, tile in pieces:
            soft[rows] = (tile @ self.first.float()).double()
            square[rows] = ((tile @ self.second.float()) * tile).sum(1).double()
            points[rows] = (tile @ self.axes.float()).double() - origin
        square = unbiased_square(square, norms > 0, source.chance, self.alive)
        apart, flat = norms.isnan(), ~(norms > 0)
        return {
            "density": _numbers(soft.masked_fill(apart, torch.nan)),
            "density_square": _numbers(square.masked_fill(apart, torch.nan)),
            "map_x": _numbers(points[:, 0].masked_fill(flat, torch.nan).float()),
            "map_y": _numbers(points[:, 1].masked_fill(flat, torch.nan).float()),
        }


@dataclass(frozen=True)
class Pairs:
    """``count_τ``, ``density_power_α``, and the K nearest: ``neighbours`` with ``similarity``."""

    thresholds: tuple[float, ...]
    power: float
    neighbours: int

    def __call__(self, source: StoreSource, shard: int) -> Columns:
        tallies = [
            Counts(thresholds=self.thresholds, powers=(self.power,)),
            Nearest(self.neighbours),
        ]
        found = joined(list(ranges(source.blocks_of(shard), tallies))).columns
        columns = {
            f"count_{threshold:g}": _numbers(found["counts"][:, t])
            for t, threshold in enumerate(self.thresholds)
        }
        columns[f"density_power_{self.power:g}"] = _numbers(found["powers"][:, 0])
        columns["neighbours"] = _lists(found["neighbours"])
        columns["similarity"] = _lists(found["similarity"])
        return columns


@dataclass(frozen=True)
class Labels:
    """The labels of a store's samples: indices into ``classes``, or real numbers."""

    classes: pa.Array | None

    def targets(self, source: StoreSource, shard: int) -> Targets:
        """Of one shard."""
        column = source.folder.samples(shard, ["label"])["label"].combine_chunks()
        if self.classes is None:
            values = torch.from_numpy(np.array(column.to_numpy(zero_copy_only=False))).double()
            present = values.isfinite()
            return Targets("numbers", values.nan_to_num(0, 0, 0)[:, None], present)
        index = torch.from_numpy(
            np.array(
                compute.fill_null(compute.index_in(column, value_set=self.classes), -1).to_numpy()
            )
        ).long()
        present = index >= 0
        values = torch.zeros(len(index), len(self.classes), dtype=torch.float64)
        values[present, index[present]] = 1
        return Targets("classes", values, present)


@dataclass(frozen=True)
class LabelSums:
    """What features and labels of a shard add up to, for the ridge regression of all."""

    labels: Labels
    shift: Tensor  # (S,)

    def __call__(self, source: StoreSource, shard: int) -> Sums:
        targets = self.labels.targets(source, shard)
        known = _fit(source, shard) & targets.present
        return Sums.of(Pieces(source, shard), targets.values, known, self.shift)


@dataclass(frozen=True)
class RidgeErrors:
    """The squared leave-one-out error of each ridge, summed over a shard."""

    labels: Labels
    spectrum: FeatureSpectrum

    def __call__(self, source: StoreSource, shard: int) -> Tensor:
        targets = self.labels.targets(source, shard)
        known = _fit(source, shard) & targets.present
        spectrum, count = self.spectrum, len(self.spectrum)
        parts = (
            (vectors[known[rows]], targets.values[rows][known[rows]])
            for rows, vectors in spectrum.vectors(Pieces(source, shard))
        )
        return left_out_error(
            parts, spectrum.eigenvalues, spectrum.inside, spectrum.label_mean, count, 1 / count
        )


@dataclass(frozen=True)
class Answers:
    """``suspect_score`` (classes), ``contradicted``, ``proposed_label``, ``proposed_support``."""

    labels: Labels
    spectrum: FeatureSpectrum
    ridge: float

    def __call__(self, source: StoreSource, shard: int) -> Columns:
        targets, fit = self.labels.targets(source, shard), _fit(source, shard)
        spectrum, result = self.spectrum, torch.full_like(targets.values, torch.nan)
        weights = spectrum.eigenvalues / (spectrum.eigenvalues + self.ridge)
        for rows, vectors in spectrum.vectors(Pieces(source, shard)):
            answer = vectors @ (weights[:, None] * spectrum.inside) + spectrum.label_mean
            own = vectors.square() @ weights + 1 / len(spectrum)
            others = left_out(answer, own, targets.values[rows])
            known = (fit & targets.present)[rows, None]
            result[rows] = torch.where(known, others, answer).masked_fill(
                ~fit[rows, None], torch.nan
            )
        return self._columns(result, targets)

    def _columns(self, answers: Tensor, targets: Targets) -> Columns:
        if self.labels.classes is None:
            off = (targets.values - answers)[:, 0].masked_fill(~targets.present, torch.nan)
            return {"proposed_label": _numbers(answers[:, 0]), "label_off": _numbers(off)}
        nobody = torch.empty(len(answers), 0)
        found = judge(answers, targets, Neighbours(nobody, nobody.long()), "leave-one-out")
        support = answers.gather(1, found.proposed.clamp_min(0)[:, None])[:, 0]
        names = self.labels.classes.take(
            pa.array(found.proposed.numpy(), mask=(found.proposed < 0).numpy())
        )
        return {
            "suspect_score": _numbers(found.score),
            "contradicted": pa.array(found.contradicts.numpy()),
            "proposed_label": names,
            "proposed_support": _numbers(support),
        }


def _fit(source: StoreSource, shard: int) -> Tensor:
    where = source.rows.shards[shard]
    part = slice(where.start, where.stop)
    return source.norms()[part].isfinite() & (source.ranks()[part] > 0)


def _numbers(value: Tensor) -> pa.Array:
    numbers = value.numpy()
    return pa.array(numbers, mask=np.isnan(numbers) if value.is_floating_point() else None)


def _lists(value: Tensor) -> pa.Array:
    flat: Any = pa.array(np.ascontiguousarray(value.numpy()).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, value.shape[1])
