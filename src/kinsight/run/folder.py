"""The folder a run leaves, read as untrusted input: everything is checked before it is used.

RUN/run.json            what was computed from what: schema version, digests, settings, tables
RUN/samples.parquet     one row a sample
RUN/neighbours.parquet  one row a neighbour
RUN/map.parquet         samples as points of the plane
RUN/beside.parquet      neighbours by other views
RUN/explanations.parquet  why suspects are like their nearest
RUN/inputs.parquet      rows of a table as the network reads them
RUN/media/              pictures and waveforms of the samples
RUN/figures/            figures of the report
RUN/report.html         the report
RUN/decisions.sqlite    what a person decided, never removed
RUN/parts/              finished ranges of rows while a run is under way
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.drawing.notebook import Shown, table_html
from kinsight.errors import RunFolderError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
RECORD = "run.json"
_STATES = ("running", "finished")
_LARGEST_RECORD = 64 << 20  # bytes
_LARGEST_TABLE = 16 << 30  # bytes once unpacked
_BARE_NAME = re.compile(r"(?:media/)?[A-Za-z0-9][A-Za-z0-9_-]*\.parquet")
_REQUIRED = {"schema": int, "status": str, "samples": int, "identity": dict, "tables": dict}


class RunFolder(Shown):
    """A run that can be read: its record, and its tables as pyarrow Tables.

    A notebook shows what was computed from what and :meth:`figure`.

    Raises:
        RunFolderError: no run.json, another schema version, a field that is missing or of the
            wrong type, a table whose name is not a bare file name or whose size is not as said.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.record = read_record(self.path)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.record["status"] == "finished"

    def table(self, name: str) -> pa.Table:
        """A table by its name, such as ``samples``: those of docs/run-format.md."""
        entry = self.record["tables"].get(name)
        if entry is None:
            raise RunFolderError(f"{self.path}: there is no table {name!r} in this run")
        file = self.path / entry["file"]
        if not file.resolve().is_relative_to(self.path.resolve()) or not file.is_file():
            raise RunFolderError(f"{file}: expected a file of this folder, found none")
        try:
            metadata = pq.read_metadata(file)
            unpacked = sum(
                metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)
            )
            if metadata.num_rows != entry["rows"] or unpacked > _LARGEST_TABLE:
                raise RunFolderError(
                    f"{file}: expected {entry['rows']} rows, got {metadata.num_rows} in "
                    f"{unpacked:,} bytes; the folder was changed, run it again with --fresh"
                )
            return pq.read_table(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise RunFolderError(
                f"{file}: cannot be read as Parquet ({error}); run it again with --fresh"
            ) from error

    def has(self, name: str) -> bool:
        """Whether there is such a table."""
        return name in self.record["tables"]

    def figure(self) -> "Figure":
        """Density and suspicion as histograms; ``kinsight.report.figures(run)`` has all figures.

        Raises:
            RunFolderError: the run is not finished, or its table is damaged.
        """
        from kinsight.run.notebook import figure_of

        return figure_of(self.table("samples"))

    def _numbers(self) -> list[tuple[str, str]]:
        from kinsight.run.notebook import numbers_of

        return numbers_of(self.record)

    def _repr_html_(self) -> str:
        """As every result; of a run that was not finished, the table alone."""
        if self.has("samples"):
            return super()._repr_html_()
        return table_html("RunFolder", self._numbers())


def is_record(path: Path) -> bool:
    """Whether a file is the record of a run of kinsight, of this version or another."""
    try:
        record = _read_json(path)
    except RunFolderError:
        return False
    version = record.get("schema")
    return (
        isinstance(version, int)
        and not isinstance(version, bool)
        and record.get("status") in _STATES
        and isinstance(record.get("identity"), dict)
        and isinstance(record.get("tables"), dict)
    )


def read_record(folder: Path) -> dict[str, Any]:
    """run.json after its fields were checked.

    Raises:
        RunFolderError: as for :class:`RunFolder`.
    """
    path = folder / RECORD
    if not path.is_file():
        raise RunFolderError(f"{folder}: expected the folder of a run, found no {RECORD} in it")
    record = _read_json(path)
    _check_fields(path, record)
    for name, entry in record["tables"].items():
        _check_table(path, name, entry)
    return record


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise RunFolderError(f"{path}: expected at most {_LARGEST_RECORD:,} bytes")
        record = json.loads(path.read_text(encoding="utf-8"))
    except RunFolderError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: expected JSON, got something else: {error}") from error
    if not isinstance(record, dict):
        raise RunFolderError(f"{path}: expected a JSON object, got {type(record).__name__}")
    return record


def _check_fields(path: Path, record: dict[str, Any]) -> None:
    if "schema" not in record:
        raise RunFolderError(
            f"{path}: expected the record of a run of kinsight, got a file of something else; "
            "name the folder that analyze left"
        )
    if record["schema"] != SCHEMA:
        raise RunFolderError(
            f"{path}: expected schema version {SCHEMA}, got {record['schema']!r:.60}; it was "
            "written by another version of kinsight, run it again with --fresh"
        )
    for name, kind in _REQUIRED.items():
        value = record.get(name)
        wrong = not isinstance(value, kind) or isinstance(value, bool)
        if wrong or (isinstance(value, int) and value < 0):
            raise RunFolderError(
                f"{path}: expected {name!r} of type {kind.__name__}, got {value!r:.60}"
            )


def _check_table(path: Path, name: str, entry: Any) -> None:
    file = entry.get("file") if isinstance(entry, dict) else None
    rows = entry.get("rows") if isinstance(entry, dict) else None
    if not isinstance(file, str) or not _BARE_NAME.fullmatch(file):
        raise RunFolderError(
            f"{path}: table {name!r:.60}: expected a bare file name, got {file!r:.60}"
        )
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise RunFolderError(
            f"{path}: table {name!r:.60}: expected a number of rows, got {rows!r:.60}"
        )
