"""Sketch a whole data set into a store, shard by shard: here or on a cluster, in several goes."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pyarrow.fs import FileSystem
from torch import Tensor

from kinsight.checks import one_of, positive
from kinsight.engines.choice import engine_of
from kinsight.engines.engine import Engine
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray
from kinsight.errors import (
    ArgumentError,
    NonFiniteGradientWarning,
    SingularOutputWarning,
    StoreError,
    StoreWarning,
)
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.network.inputs import labels_of
from kinsight.sketching.columns import Given
from kinsight.sketching.head import head_of, plan_for
from kinsight.sketching.law import SketchError, dimension_for, looked_at, measured
from kinsight.sketching.sketcher import Sketcher
from kinsight.sketching.store import Store
from kinsight.sketching.worker import Load, Making, Unfit, check_data, data_mark
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import RECORD, Segment
from kinsight.store.place import Place

_FEW = 8  # samples at once while the error is measured
_DEFAULT = 2048  # S of a new store
_MARGIN = 1.5  # by which a measured error may exceed the wanted one
_AUTO = 0.02  # wanted error where dim="auto" says none
Dimension = int | Literal["auto"] | None


@dataclass(frozen=True)
class Wanted:
    """How a store is to be made; see :func:`sketch`."""

    dim: Dimension = None
    error: float | None = None
    seed: int = 0
    keep: Literal["outputs"] | None = None
    shard_rows: int | None = None
    micro_batch: int | None = None
    append: bool = False
    fresh: bool = False
    progress: bool | None = None
    filesystem: FileSystem | None = None

    def __post_init__(self) -> None:
        """Refuse values that are not among those expected.

        Raises:
            ArgumentError.
        """
        if self.dim not in (None, "auto") and positive("dim", self.dim) < 16:
            raise ArgumentError(f"dim: expected at least 16 numbers a sample, got {self.dim}")
        if self.error is not None and self.dim != "auto":
            raise ArgumentError("error: expected dim='auto' beside it, which finds the dimension")
        one_of("keep", self.keep, (None, "outputs"))
        for name in ("shard_rows", "micro_batch"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ArgumentError(f"seed: expected a whole number, got {self.seed!r}")
        if self.append and self.fresh:
            raise ArgumentError("append, fresh: expected one of them at most, got both")


def sketch(
    kernel: TangentKernel, data: Any, out: str | Path, *, dim: Dimension = None,
    error: float | None = None, seed: int = 0, keep: Literal["outputs"] | None = None,
    labels: Sequence[Any] | Tensor | None = None, ids: Sequence[Any] | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None, engine: str | Engine = "local",
    shard_rows: int | None = None, micro_batch: int | None = None, append: bool = False,
    fresh: bool = False, progress: bool | None = None, filesystem: FileSystem | None = None,
    load: Load | None = None,
) -> Store:  # fmt: skip
    """Features φ ∈ R^S of all samples with ⟨φ(x), φ(x')⟩ ≈ k(x, x'), in the folder ``out``.

    A run that was stopped or killed goes on where it was when called again, and ends with the
    same bytes as an undisturbed one; a finished one is returned as it is.

    Args:
        out: a folder, or a URI such as ``s3://bucket/folder``.
        dim: S, by default 2,048 or that of the store that is there; ``"auto"``: what a root mean
            square ``error`` of similarities (default 0.02) takes on 64 samples of the data.
        keep: ``"outputs"`` also keeps a sketch for each of the D outputs and the whitening
            factor, D·(S + D) numbers more a sample, for analyses of D×D kernels.
        labels, ids, columns: N values each; labels by default the whole numbers of the batches.
        engine: ``"local"``, ``"ray"``, ``ks.engines.Ray(…)``.
        shard_rows, micro_batch: see :class:`~kinsight.sketching.head.Plan`; what a store was
            begun with stays.
        append: the samples come after those that are there; ``fresh``: throw those away.
        load: makes kernel and data in each worker, where they are too large to be sent.

    Cost: see :class:`~kinsight.sketching.sketcher.Sketcher`; 2·S bytes a sample.

    Raises:
        StoreError: the folder holds something else, a store of something else, or of other data.
        KinsightError: what the kernel finds wrong with the network or the data.
    """
    _check(kernel, out)
    wanted = Wanted(
        dim, error, seed, keep, shard_rows, micro_batch, append, fresh, progress, filesystem
    )
    given = Given(ids, labels, columns)
    load = load or functools.partial(_as_they_are, kernel, data)
    return Job(kernel, data, out, wanted, given, engine_of(engine), load).run()


def _check(kernel: Any, out: Any) -> None:
    """Refuse what is no kernel, or one without similarities, and no place."""
    if not isinstance(kernel, TangentKernel):
        raise ArgumentError(
            f"kernel: expected a kinsight.TangentKernel, got {type(kernel).__name__}"
        )
    if out is None or not str(out):
        raise ArgumentError("out: expected a folder or a URI, got nothing")
    if kernel.normalization is None:
        raise ArgumentError("normalization: expected a kernel with 'whitened' or 'trace', got None")


@dataclass
class Job:
    """One call of :func:`sketch`."""

    kernel: TangentKernel
    data: Any
    out: str | Path
    wanted: Wanted
    given: Given
    engine: Engine
    load: Load

    def run(self) -> Store:
        """Begin or go on, until all is there."""
        batches = self.kernel.engine.read(self.data)
        self.given.check(len(batches))
        folder = self._folder(batches)
        segment = self._segment(folder, batches)
        missing = folder.missing(segment)
        done = [s for s in folder.shards if s.segment == segment.index and s not in missing]
        check_data(folder, done, batches, segment.start)
        making = Making(self.load, self._opener(), self.given, segment.start)
        found = self._engine(folder).run(
            making, missing, what="sketching", unit="samples", progress=self.wanted.progress,
            weights=lambda shard: shard.rows,
        )  # fmt: skip
        self._tell([unfit for _, unfit in found])
        folder.refresh()
        folder.finish()
        return Store(self.out, filesystem=self.wanted.filesystem)

    def _opener(self) -> Callable[[], StoreFolder]:
        return functools.partial(StoreFolder.open, self.out, filesystem=self.wanted.filesystem)

    def _folder(self, batches: Batches) -> StoreFolder:
        """The store that is there if it is one of this kernel, or a new one."""
        wanted, there = self.wanted, self._there()
        if there is None and wanted.append:
            raise StoreError(f"{self.out}: expected a store to append to, found none")
        held = None if there is None else there.head
        sketcher, error = self._sketcher(batches, held)
        plan = plan_for(
            sketcher, batches, wanted.shard_rows, wanted.micro_batch, self.engine.thread_count
        )
        head = head_of(self.kernel, sketcher, plan, error)
        if held is not None:
            head = _gone_on_with(head, held, wanted, self.engine)
        return StoreFolder.create(self.out, head, filesystem=wanted.filesystem, fresh=wanted.fresh)

    def _there(self) -> StoreFolder | None:
        filesystem = self.wanted.filesystem
        if self.wanted.fresh or Place(self.out, filesystem).size(RECORD) is None:
            return None
        return StoreFolder.open(self.out, filesystem=filesystem)

    def _sketcher(
        self, batches: Batches, held: dict[str, Any] | None
    ) -> tuple[Sketcher, SketchError]:
        """The sketcher, its error measured on some samples unless a store says it already."""
        wanted = self.wanted
        keep = wanted.keep == "outputs"
        if held is not None:
            reached = float(held["error"]["rms"])
            if wanted.error is not None and reached > _MARGIN * wanted.error:
                raise StoreError(
                    f"{self.out}: expected an error of at most {wanted.error:g}, and this store "
                    f"of S = {held['sketch']['dim']:,} has {reached:.2g}; choose another folder"
                )
            dim = held["sketch"]["dim"] if wanted.dim in (None, "auto") else wanted.dim
            return Sketcher(self.kernel, dim, wanted.seed, keep), SketchError(**held["error"])
        few = batches.part(looked_at(len(batches), every=wanted.dim == "auto"))
        with warnings.catch_warnings():  # what is unfit is told once, with its row in the store
            warnings.simplefilter("ignore", NonFiniteGradientWarning)
            warnings.simplefilter("ignore", SingularOutputWarning)
            exact = self.kernel.on(few).gram()
        dim = _DEFAULT if wanted.dim is None else wanted.dim
        if dim == "auto":
            dim = dimension_for(exact, _AUTO if wanted.error is None else wanted.error)
        sketcher = Sketcher(self.kernel, dim, wanted.seed, keep)
        pieces = [sketcher(piece) for piece in few.pieces(_FEW)]
        looked = Sketcher(self.kernel, dim, wanted.seed, keep)  # its notes are those of the data
        phi = torch.cat([p.phi for p in pieces]).half().float()
        return looked, measured(exact, phi, torch.cat([p.sketch_norm for p in pieces]))

    def _segment(self, folder: StoreFolder, batches: Batches) -> Segment:
        mark = data_mark(batches, int(folder.head["plan"]["micro_batch"]), self.given)
        for segment in folder.segments[:-1]:
            if (segment.rows, segment.data) == (len(batches), mark) and folder.finished:
                return segment  # added before others were
        if folder.segments and not self.wanted.append:
            last = folder.segments[-1]
            if (last.rows, last.data) != (len(batches), mark):
                raise StoreError(
                    f"{self.out}: expected the {last.rows:,} samples that were added last, with "
                    f"the same ids, labels and columns, got {len(batches):,} of which some "
                    "differ; append=True (--append) puts new ones after those that are there, "
                    "another folder keeps them apart"
                )
        if folder.shards:
            labelled = labels_of(batches.take(range(1)), 1) is not None
            self.given.check_like(folder.samples(0).schema, labelled)
        return folder.begin(len(batches), mark)

    def _engine(self, folder: StoreFolder) -> Engine:
        """The engine with the threads that the store was begun with, unless others were asked."""
        engine = self.engine
        if isinstance(engine, Local | Ray) and engine.threads is None:
            return replace(engine, threads=int(folder.head["plan"]["threads"]))
        return engine

    def _tell(self, unfit: list[Unfit]) -> None:
        apart = sorted(row for found in unfit for row in found.non_finite)
        zero = sum(found.zero for found in unfit)
        singular = sum(found.singular for found in unfit)
        if apart:
            warnings.warn(
                f"{len(apart):,} of the samples have a NaN or infinite gradient; they are set "
                f"apart, their sketch is zero: rows {', '.join(map(str, apart[:10]))}"
                f"{' …' if len(apart) > 10 else ''} (column set_apart)",
                NonFiniteGradientWarning,
                stacklevel=4,
            )
        if zero or singular:
            warnings.warn(
                f"{zero:,} samples have no gradient at all, {singular:,} a singular K(x,x), whose "
                "pseudo-inverse is used; the column rank names them",
                SingularOutputWarning,
                stacklevel=4,
            )


def _gone_on_with(
    head: dict[str, Any], held: dict[str, Any], wanted: Wanted, engine: Engine
) -> dict[str, Any]:
    """The head of a store that is there if only what was not asked for differs; warns of bits."""
    plan = dict(held["plan"])
    for name in ("shard_rows", "micro_batch"):
        if getattr(wanted, name) is not None:
            plan[name] = head["plan"][name]
    threads = engine.threads if isinstance(engine, Local | Ray) else engine.thread_count
    other = [name for name in ("versions", "processor") if head[name] != held[name]]
    other += ["threads"] if threads not in (None, plan["threads"]) else []
    other += ["device"] if head["plan"]["device"] != plan["device"] else []
    if other:
        warnings.warn(
            f"the store was begun with other {', '.join(other)} than now; shards that are made "
            "now may differ from those by rounding",
            StoreWarning,
            stacklevel=6,
        )
    return head | {"plan": plan, "versions": held["versions"], "processor": held["processor"]}


def _as_they_are(kernel: TangentKernel, data: Any) -> tuple[TangentKernel, Any]:
    return kernel, data
