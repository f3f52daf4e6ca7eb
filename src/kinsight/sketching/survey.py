"""Everything a whole store says about its samples, shard by shard, here or on a cluster."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute
import torch
from torch import Tensor

from kinsight.analysis.feature_spectrum import FeatureSpectrum
from kinsight.analysis.smoothing import ridge_at
from kinsight.analysis.tallies import THRESHOLDS
from kinsight.checks import one_of, positive
from kinsight.engines.choice import engine_of
from kinsight.engines.engine import Engine, ordered
from kinsight.errors import ArgumentError
from kinsight.search.maps import axes_of
from kinsight.sketching.questions import (
    Answers,
    Crowding,
    Labels,
    LabelSums,
    Moments,
    Pairs,
    RidgeErrors,
)
from kinsight.sketching.store import Store
from kinsight.store.source import StoreSource

compute: Any = pyarrow.compute  # its functions are made at run time
POWER = 4.0
MOST_PAIRWISE = 200_000  # samples up to which all pairs are looked at by default
_MOST_CLASSES = 4096
Result = TypeVar("Result")
Question = Callable[[StoreSource, int], Result]


@dataclass(frozen=True)
class Asking:
    """What a process needs to answer a question: the store, opened there.

    With a ``group`` the answer is a table and is written to the store.
    """

    open_store: Callable[[], StoreSource]
    question: Question
    group: str | None = None

    def __call__(self) -> Callable[[int], Any]:
        source = self.open_store()

        def work(shard: int) -> Any:
            answer = self.question(source, shard)
            if self.group is None:
                return answer
            folder = source.folder
            folder.write_columns(self.group, folder.shards[shard], pa.table(answer))
            return None

        return work


def survey(
    store: Store,
    *,
    pairs: bool | None = None,
    neighbours: int = 10,
    engine: str | Engine = "local",
    progress: bool | None = None,
) -> Store:
    """Columns for every sample of a store, written beside its sketches; what is there stays.

    - ``density``, ``density_square``, ``map_x``, ``map_y`` (principal components);
    - with ``pairs``: ``count_0.5`` …, ``density_power_4``, ``neighbours`` and ``similarity``;
    - with labels: what leave-one-out ridge regression on all others answers, ``proposed_label``
      and ``proposed_support``, ``contradicted`` and ``suspect_score`` as by ``ks.suspects``; for
      real labels ``label_off``, label less answer.

    Args:
        pairs: look at all pairs; by default up to 200,000 samples.
        neighbours: kept for each sample.
        engine: as for ``ks.sketch``; a survey that was stopped goes on where it was.

    Cost: O(N S²), five readings of the store, memory O(S²) a worker; pairs O(N² S).

    Returns: the store, opened anew.
    """
    one_of("pairs", pairs, (None, True, False))
    job = _Survey(store, engine_of(engine), progress, positive("neighbours", neighbours))
    job.crowding()
    if pairs or (pairs is None and len(store) <= MOST_PAIRWISE):
        job.pairs()
    job.suspects()
    return job.opened()


@dataclass
class _Survey:
    store: Store
    engine: Engine
    progress: bool | None
    neighbours: int

    def crowding(self) -> None:
        """Moments of all, then the sums of each sample."""
        if not self._begun("density", {}):
            return
        first, second, alive = self._moments
        axes = axes_of(first, second, alive)
        self._write("density", "density", Crowding(first, second, alive, axes))

    def pairs(self) -> None:
        """Counts and nearest samples."""
        k = min(self.neighbours, len(self.store) - 1)
        identity = {"thresholds": list(THRESHOLDS), "power": POWER, "neighbours": k}
        if k and self._begun("pairs", identity):
            self._write("pairs", "all pairs", Pairs(THRESHOLDS, POWER, k))

    def suspects(self) -> None:
        """Answers of the others about each label, where there are labels that differ."""
        labels = _labels(self.store)
        if labels is None or not self._begun("suspects", {}):
            return
        first, _, alive = self._moments
        shift = first / max(alive, 1)
        total = None
        for sums in self._each("labels", LabelSums(labels, shift)):
            total = sums if total is None else total + sums
        if total is None or total.count < 2:
            raise ArgumentError("labels: expected at least two samples with label and gradient")
        spectrum = FeatureSpectrum.of_sums(total)
        errors = sum(self._each("ridge", RidgeErrors(labels, spectrum)), torch.zeros(()))
        curve = torch.as_tensor(errors) / (total.count * len(spectrum.label_mean))
        rho = ridge_at(curve, spectrum.eigenvalues, len(spectrum))
        self._write("suspects", "answers of the others", Answers(labels, spectrum, rho))

    def opened(self) -> Store:
        """The store with its new columns."""
        folder = self.store.folder
        return Store(
            folder.path, filesystem=folder.place.filesystem, memory_budget=self.store.memory_budget
        )

    @functools.cached_property
    def _moments(self) -> tuple[Tensor, Tensor, int]:
        """Σ φ, Σ φφᵀ and how many rows are not zero, shards in their order."""
        dim = self.store.rows.dim
        first = torch.zeros(dim, dtype=torch.float64)
        second, alive = torch.zeros(dim, dim, dtype=torch.float64), 0
        for one, two, count in self._each("moments", Moments()):
            first, second, alive = first + one, second.add_(two), alive + count
        return first, second, alive

    def _begun(self, group: str, identity: dict[str, Any]) -> bool:
        """Begin or go on with a group of columns; False if all of it is there."""
        folder = self.store.folder
        identity = identity | {"rows": len(self.store), "survey": 1}
        folder.begin_columns(group, identity, replace=True)
        return not folder.groups.get(group, False)

    def _each(self, what: str, question: Callable[..., Result]) -> list[Result] | Any:
        """The answers of all shards, in their order."""
        shards = list(range(len(self.store.rows.shards)))
        found = self._run(what, Asking(self._opener(), question), shards)
        return (result for _, result in ordered(found, shards))

    def _write(self, group: str, what: str, question: Question) -> None:
        folder = self.store.folder
        missing = [shard.index for shard in folder.missing_columns(group)]
        for _ in self._run(what, Asking(self._opener(), question, group), missing):
            pass
        folder.refresh()
        folder.finish_columns(group)

    def _run(self, what: str, make: Asking, shards: Sequence[int]) -> Any:
        ranges = self.store.rows.shards
        return self.engine.run(
            make, shards, what=what, unit="samples", progress=self.progress,
            weights=lambda shard: len(ranges[shard]),
        )  # fmt: skip

    def _opener(self) -> Callable[[], StoreSource]:
        folder = self.store.folder
        return functools.partial(
            StoreSource, folder.path, filesystem=folder.place.filesystem,
            memory_budget=self.store.memory_budget,
        )  # fmt: skip


def _labels(store: Store) -> Labels | None:
    """How to read the labels; None where there are none, or all are the same."""
    if "label" not in store.folder.samples(0, None).column_names:
        return None
    column = store.folder.column("label")
    if pa.types.is_floating(column.type):
        known = compute.drop_null(column.cast(pa.float64()))
        known = known.filter(compute.is_finite(known))
        return Labels(None) if compute.count_distinct(known).as_py() > 1 else None
    found = compute.drop_null(compute.unique(column))
    if pa.types.is_integer(found.type):
        found = found.filter(compute.greater_equal(found, 0))  # negative numbers are missing labels
    classes = found.take(compute.sort_indices(found))
    if len(classes) > _MOST_CLASSES:
        raise ArgumentError(f"labels: expected at most {_MOST_CLASSES} classes, got {len(classes)}")
    return Labels(classes) if len(classes) > 1 else None
