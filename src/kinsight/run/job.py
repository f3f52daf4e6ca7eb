"""The main job: similarity, neighbours, density and suspected labels of a data set, on disk."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kinsight.errors import ArgumentError, KinsightWarning
from kinsight.files import write_json, write_table
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.progress import bar
from kinsight.run.claim import begin, check_folder
from kinsight.run.compute import Found, computed
from kinsight.run.folder import RECORD, RunFolder
from kinsight.run.identity import identity_of
from kinsight.run.place import usable_device
from kinsight.run.record import finish, shown_record
from kinsight.run.survey import Survey, survey
from kinsight.run.tables import COMPUTED, neighbours_table, samples_table, shown_anew
from kinsight.subject.display import Display, read_display, with_planted
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
        target: where the subject came from, for the record.
    """

    neighbours: int = 10
    fresh: bool = False
    dtype: torch.dtype | None = None
    device: str | None = None
    memory_budget: int | None = None
    batch_size: int | None = None
    progress: bool | None = None
    target: str | None = None


def kernel_for(subject: Subject, settings: Settings) -> TangentKernel:
    """The kernel that a subject and settings ask for."""
    return TangentKernel(
        subject.model,
        output=subject.output,
        parameters=subject.parameters,
        normalization=subject.normalization,
        forward=subject.forward,
        dtype=settings.dtype,
        device=usable_device(settings.device),
        memory_budget=settings.memory_budget,
        batch_size=settings.batch_size,
    )


def analyze(subject: Subject, out: str | Path, settings: Settings | None = None) -> RunFolder:
    """Compute everything about ``subject`` and leave it in the folder ``out``.

    A run that was stopped or killed goes on where it was when called again with the same
    subject; a finished one is returned as it is, with names, texts, pictures, own columns and
    the title replaced where they are others now.

    Cost: three sweeps over the data and N² products of features; memory within the budget.

    Raises:
        SubjectError: labels, names, columns or pictures do not fit the samples.
        RunFolderError: ``out`` holds something else, or a run of something else.
        KinsightError: whatever the kernel finds wrong with the network or the data.
    """
    settings, out = settings or Settings(), Path(out)
    count = _checked(subject, out, settings)
    display = read_display(subject, count, COMPUTED)
    kernel = kernel_for(subject, settings)
    with _collected() as told:
        source = kernel.on(subject.data)
        read = _survey(kernel, subject, count, settings)
        labels = _labels(subject, read)
        display = with_planted(display, subject, labels, count)
        identity = identity_of(
            subject, kernel, read.digest, read.answers, labels, settings.neighbours
        )
        begun = begin(out, identity, count, settings.fresh, settings.target)
        if begun.finished:
            return _shown_anew(begun, display)
        clock = time.perf_counter()
        tables = display.write_pictures(out, count)  # first: one may be damaged
        found = computed(source, out, labels, read, settings.neighbours, settings.progress)
        tables |= _written(out, display, found)
    seconds = time.perf_counter() - clock
    finish(out, display, kernel, found, tables, told, seconds, settings.target)
    return RunFolder(out)


def _checked(subject: Subject, out: Path, settings: Settings) -> int:
    """N, after everything was refused that can be before any work."""
    count = check_lengths(subject)
    if count < 2:
        raise ArgumentError("expected at least two samples to compare, got one")
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


def _written(out: Path, display: Display, found: Found) -> dict[str, Any]:
    """Write the tables; the table of them for run.json."""
    samples, nearest = samples_table(found, display.columns), neighbours_table(found.columns)
    write_table(out / "samples.parquet", samples)
    write_table(out / "neighbours.parquet", nearest)
    return {
        "samples": {"file": "samples.parquet", "rows": samples.num_rows},
        "neighbours": {"file": "neighbours.parquet", "rows": nearest.num_rows},
    }


def _shown_anew(run: RunFolder, display: Display) -> RunFolder:
    """A finished run with what it only shows as it is now; nothing is computed again."""
    if run.record.get("shown") == display.digest:
        return run
    out, count = run.path, run.record["samples"]
    write_table(out / "samples.parquet", shown_anew(run.table("samples"), display.columns))
    tables = {name: entry for name, entry in run.record["tables"].items() if name != "pictures"}
    tables |= display.write_pictures(out, count)
    write_json(out / RECORD, run.record | shown_record(display) | {"tables": tables})
    if "pictures" not in tables:
        (out / "media" / "pictures.parquet").unlink(missing_ok=True)
    (out / "report.html").unlink(missing_ok=True)  # it shows what was before
    return RunFolder(out)


@contextmanager
def _collected() -> Iterator[list[str]]:
    """The warnings of this package while the body runs, each once; they are issued at its end."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KinsightWarning)
        yield told
        unique = {str(w.message): w for w in caught if issubclass(w.category, KinsightWarning)}
        told += unique
    for other in caught:
        if not issubclass(other.category, KinsightWarning) or other is unique[str(other.message)]:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
