"""The main job: similarity, neighbours, density and suspected labels of a data set, on disk."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, KinsightWarning
from kinsight.files import write_table
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.metric import Metric
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.progress import bar
from kinsight.run.claim import begin, check_folder
from kinsight.run.compute import computed
from kinsight.run.folder import RunFolder
from kinsight.run.further import Further
from kinsight.run.identity import identity_of
from kinsight.run.measured import MetricKind, check_metric, fitted, told_of
from kinsight.run.place import usable_device
from kinsight.run.placed import MapKind
from kinsight.run.record import computed_record, finish, put
from kinsight.run.survey import Survey, survey
from kinsight.run.tables import COMPUTED, neighbours_table, samples_table, shown_anew
from kinsight.search.extras import optional
from kinsight.subject.display import MEDIA, Display, read_display, with_planted
from kinsight.subject.labels import Labels, read_labels
from kinsight.subject.subject import Subject, check_lengths


@dataclass(frozen=True)
class Settings:
    """How to compute; what is computed is up to the Subject.

    Args:
        neighbours: kept for each sample; fewer where there are fewer samples.
        fresh: begin anew where the folder holds a run already.
        dtype, device, memory_budget, batch_size: as for ``kinsight.TangentKernel``.
        progress: show bars; ``None`` on a terminal only.
        map: how samples are placed in the plane: "principal" components of tangent features, or
            "umap" on the nearest samples. ``None``: as the run has it, of a new one "principal".
        target: where the subject came from, for the record.
        metric: on parameters: "diagonal", "neuron" or "kronecker" Fisher matrix, fitted to the
            samples of the run with its default damping; one of ``kinsight.metrics`` that was
            fitted; ``None``: Euclidean.
    """

    neighbours: int = 10
    fresh: bool = False
    dtype: torch.dtype | None = None
    device: str | None = None
    memory_budget: int | None = None
    batch_size: int | None = None
    progress: bool | None = None
    target: str | None = None
    map: MapKind | None = None
    metric: MetricKind | Metric | None = None


def kernel_for(subject: Subject, settings: Settings, metric: Metric | None = None) -> TangentKernel:
    """The kernel that a subject and settings ask for, with a metric that was fitted."""
    return TangentKernel(
        subject.model,
        output=subject.output,
        parameters=subject.parameters,
        normalization=subject.normalization,
        metric=metric,
        forward=subject.forward,
        dtype=settings.dtype,
        device=usable_device(settings.device),
        memory_budget=settings.memory_budget,
        batch_size=settings.batch_size,
    )


def analyze(subject: Subject, out: str | Path, settings: Settings | None = None) -> RunFolder:
    """Compute everything about ``subject`` and leave it in the folder ``out``.

    A run that was stopped or killed goes on where it was when called again with the same
    subject. A finished one gets the tables that it lacks, such as those that an earlier version
    did not write, and its names, texts, pictures, waveforms, own columns and title are replaced
    where they are others now; pairs are not compared again.

    Cost: four sweeps over the data and N² products of features, and as many of the last layer's
    and of the inputs; memory within the budget.

    Raises:
        SubjectError: labels, names, columns or pictures do not fit the samples.
        RunFolderError: ``out`` holds something else, or a run of something else.
        MetricError: a metric that is asked for would say nothing.
        MissingExtraError: a UMAP map is asked for and umap-learn is not installed, or Kronecker
            factors without curvlinops.
        KinsightError: whatever the kernel finds wrong with the network or the data.
    """
    settings, out = settings or Settings(), Path(out)
    count = _checked(subject, out, settings)
    display = read_display(subject, COMPUTED)
    kernel = kernel_for(subject, settings)
    with _collected() as told:
        source = kernel.on(subject.data)
        read = _survey(kernel, subject, count, settings)
        labels = _labels(subject, read)
        display = with_planted(display, subject, labels, count)
        identity = identity_of(
            subject, kernel, read.digest, read.answers, labels, settings.neighbours
        ) | {"metric": told_of(settings.metric)}
        run = begin(out, identity, count, settings.fresh, settings.target)
        if settings.metric is not None:
            kernel = kernel_for(subject, settings, fitted(kernel, settings.metric, subject.data))
            source = kernel.on(subject.data)
        if not run.has("neighbours"):
            run = _compared(run, source, kernel, display, labels, read, settings, told)
        return _completed(_shown_anew(run, display), source, kernel, settings, told)


def _checked(subject: Subject, out: Path, settings: Settings) -> int:
    """N, after everything was refused that can be before any work."""
    count = check_lengths(subject)
    if count < 2:
        raise ArgumentError("expected at least two samples to compare, got one")
    if one_of("map", settings.map, (None, "principal", "umap")) == "umap":
        optional("umap", "map", "a UMAP map")
    check_metric(settings.metric)
    if subject.normalization is None:
        raise ArgumentError("normalization: expected 'whitened' or 'trace', got None")
    if subject.labels is not None:
        read_labels(subject.labels, subject.classes)
    check_folder(out, settings.fresh)
    return count


def _survey(kernel: TangentKernel, subject: Subject, count: int, settings: Settings) -> Survey:
    with bar("reading the data", count, "samples", settings.progress) as shown:
        return survey(kernel.function, subject.data, settings.batch_size, shown.advance)


def _labels(subject: Subject, read: Survey) -> Labels | None:
    given = subject.labels if subject.labels is not None else read.labels
    return None if given is None else read_labels(given, subject.classes)


def _compared(
    run: RunFolder,
    source: ExactSource,
    kernel: TangentKernel,
    display: Display,
    labels: Labels | None,
    read: Survey,
    settings: Settings,
    told: Callable[[], list[str]],
) -> RunFolder:
    """All pairs compared and what follows from them, with the tables of both."""
    clock, out, count = time.perf_counter(), run.path, len(source)
    tables = display.write(out, count)  # first: a picture may be damaged
    found = computed(source, out, labels, read, settings.neighbours, settings.progress)
    written = {
        "samples": samples_table(found, display.columns),
        "neighbours": neighbours_table(
            Neighbours(found.columns["similarity"], found.columns["neighbours"])
        ),
    }
    for name, table in written.items():
        write_table(out / f"{name}.parquet", table)
        tables[name] = {"file": f"{name}.parquet", "rows": table.num_rows}
    seconds = time.perf_counter() - clock
    record = computed_record(display, kernel, found, told(), seconds, settings.target)
    return put(out, tables=tables, **record)


def _shown_anew(run: RunFolder, display: Display) -> RunFolder:
    """A run with what it only shows as it is now; nothing is computed again."""
    held = run.record["tables"]
    if run.record.get("shown") == display.digest and display.media.keys() <= held.keys():
        return run
    out, count = run.path, run.record["samples"]
    write_table(out / "samples.parquet", shown_anew(run.table("samples"), display.columns))
    tables = {name: entry for name, entry in held.items() if name not in MEDIA}
    tables |= display.write(out, count)
    run = put(out, tables=tables, **display.record)
    for name in MEDIA.keys() - tables.keys():
        (out / MEDIA[name]).unlink(missing_ok=True)
    (out / "report.html").unlink(missing_ok=True)  # it shows what was before
    return run


def _completed(
    run: RunFolder,
    source: ExactSource,
    kernel: TangentKernel,
    settings: Settings,
    told: Callable[[], list[str]],
) -> RunFolder:
    """The run with the tables that it lacked, finished."""
    clock = time.perf_counter()
    further = Further(run, kernel, source, settings.map, settings.progress)
    added = further.add_missing()
    if added is run and run.finished:
        return run
    return finish(added, told(), time.perf_counter() - clock)


@contextmanager
def _collected() -> Iterator[Callable[[], list[str]]]:
    """The warnings of this package while the body runs, each once; they are issued at its end.

    What is given tells those so far.
    """
    caught: list[warnings.WarningMessage] = []

    def unique() -> dict[str, warnings.WarningMessage]:
        return {str(w.message): w for w in caught if issubclass(w.category, KinsightWarning)}

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", KinsightWarning)
            yield lambda: list(unique())
    finally:
        last = unique()
        for other in caught:
            ours = issubclass(other.category, KinsightWarning)
            if not ours or other is last[str(other.message)]:
                warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
