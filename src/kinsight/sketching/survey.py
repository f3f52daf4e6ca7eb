"""Everything a whole store says about its samples, shard by shard, here or on a cluster."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute
import torch
from torch import Tensor

from kinsight.analysis.feature_spectrum import FeatureSpectrum, Sums
from kinsight.analysis.smoothing import ridge_at
from kinsight.analysis.tallies import THRESHOLDS
from kinsight.checks import one_of, positive
from kinsight.engines.choice import engine_of
from kinsight.engines.engine import Engine, ordered
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray
from kinsight.errors import ArgumentError, StoreError
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
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Shard
from kinsight.store.source import StoreSource

compute: Any = pyarrow.compute  # its functions are made at run time
POWER = 4.0
GROUPS = {"density": "density", "pairs": "all pairs", "suspects": "answers of the others"}
_SCHEME = 1  # of the columns; another one computes them anew
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
    _check(store)
    if pairs is None:
        pairs = len(store) <= MOST_PAIRWISE
    neighbours = min(positive("neighbours", neighbours), len(store) - 1)
    job = _Survey(store, _threaded(engine_of(engine), store), progress, neighbours)
    job.write("density", {})
    if pairs and neighbours:
        job.write("pairs", {"thresholds": list(THRESHOLDS), "power": POWER, "k": neighbours})
    if _labels(store) is not None:
        job.write("suspects", {})
    return job.opened()


def _check(store: Any) -> None:
    """Refuse what is no store, or not finished."""
    if not isinstance(store, Store):
        raise ArgumentError(f"store: expected a kinsight.Store, got {type(store).__name__}")
    store.folder.refresh()
    if not store.finished or len(store.folder) != len(store):
        raise StoreError(
            f"{store.folder.path}: expected a finished store with the {len(store):,} rows it had "
            "when it was opened; finish it (the call that began it goes on), and open it anew"
        )


def remake_columns(folder: StoreFolder, group: str, shard: Shard) -> None:
    """Compute the columns of a damaged shard again, for ``kinsight.store.repair``.

    Cost: as of the survey, since every sample's columns depend on all others.

    Raises:
        StoreError: columns that somebody else added.
    """
    identity = folder.identity_of(group)
    if identity.get("survey") != _SCHEME or group not in GROUPS:
        raise StoreError(
            f"{folder.path}: columns {group!r} were not made by a survey; write them again with "
            "add_column, or remove their folder"
        )
    store = Store(folder.path, filesystem=folder.place.filesystem)
    engine = Local(threads=int(identity["threads"]))
    job = _Survey(store, engine, False, int(identity.get("k", 1)))
    job.answer(group, [shard.index])


def _threaded(engine: Engine, store: Store) -> Engine:
    """With the threads that the store was made with, unless others were asked for."""
    if isinstance(engine, Local | Ray) and engine.threads is None:
        return replace(engine, threads=int(store.head["plan"]["threads"]))
    return engine


@dataclass
class _Survey:
    store: Store
    engine: Engine
    progress: bool | None
    neighbours: int

    def write(self, group: str, identity: dict[str, Any]) -> None:
        """Begin or go on with a group of columns, until all of it is there."""
        folder = self.store.folder
        told = {"rows": len(self.store), "survey": _SCHEME, "threads": self.engine.thread_count}
        folder.begin_columns(group, identity | told, replace=True)
        if folder.groups.get(group, False):
            return
        self.answer(group, [shard.index for shard in folder.missing_columns(group)])
        folder.refresh()
        folder.finish_columns(group)

    def answer(self, group: str, shards: Sequence[int]) -> None:
        """Columns of some shards."""
        question = {
            "density": self._crowding,
            "pairs": lambda: Pairs(THRESHOLDS, POWER, self.neighbours),
            "suspects": self._suspects,
        }[group]()
        for _ in self._run(GROUPS[group], Asking(self._opener(), question, group), shards):
            pass

    def _crowding(self) -> Crowding:
        first, second, alive = self._moments
        return Crowding(first, second, alive, axes_of(first, second, alive))

    def _suspects(self) -> Answers:
        """The ridge regression of the labels on all features, its ridge chosen."""
        labels = _labels(self.store)
        first, _, alive = self._moments
        total: Sums | None = None
        if labels is not None:
            shift = first / max(alive, 1)
            for sums in self._each("labels", LabelSums(labels, shift)):
                total = sums if total is None else total + sums
        if labels is None or total is None or total.count < 2:
            raise ArgumentError("labels: expected at least two samples with label and gradient")
        spectrum = FeatureSpectrum.of_sums(total)
        errors = sum(self._each("ridge", RidgeErrors(labels, spectrum)), torch.zeros(()))
        curve = torch.as_tensor(errors) / (total.count * len(spectrum.label_mean))
        return Answers(labels, spectrum, ridge_at(curve, spectrum.eigenvalues, len(spectrum)))

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

    def _each(self, what: str, question: Callable[..., Result]) -> list[Result] | Any:
        """The answers of all shards, in their order."""
        shards = list(range(len(self.store.rows.shards)))
        found = self._run(what, Asking(self._opener(), question), shards)
        return (result for _, result in ordered(found, shards))

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
