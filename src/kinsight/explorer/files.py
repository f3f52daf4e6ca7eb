"""The Parquet files of a run, column by column or row by row, as untrusted as the run itself."""

from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.errors import RunFolderError
from kinsight.explorer.kept import Kept
from kinsight.run.folder import RunFolder

_LARGEST_GROUP = 2 << 30  # bytes of a row group once unpacked
_GROUPS = 8  # row groups kept in memory


class File:
    """A table of a run: columns of all rows, or single rows out of their row group.

    Raises:
        RunFolderError: no such table or file, another number of rows than run.json says, or bytes
            that are not Parquet.
    """

    def __init__(self, run: RunFolder, table: str):
        entry = run.record["tables"].get(table)
        if entry is None:
            raise RunFolderError(f"{run.path}: there is no table {table!r} in this run")
        self.path = run.path / entry["file"]
        inside = self.path.resolve().is_relative_to(run.path.resolve())
        if not inside or not self.path.is_file():
            raise RunFolderError(f"{self.path}: expected a file of this folder, found none")
        self._file = self._tried(lambda: pq.ParquetFile(self.path))
        told = self._file.metadata
        sizes = [told.row_group(i).total_byte_size for i in range(told.num_row_groups)]
        if told.num_rows != entry["rows"] or max(sizes, default=0) > _LARGEST_GROUP:
            raise RunFolderError(
                f"{self.path}: expected {entry['rows']:,} rows, got {told.num_rows:,}; the folder "
                "was changed, run it again with --fresh"
            )
        self._starts = np.cumsum([0, *(told.row_group(i).num_rows for i in range(len(sizes)))])
        self._lock = Lock()
        self._groups = Kept(_GROUPS)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._file.schema_arrow

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, names: Iterable[str]) -> pa.Table:
        """Some columns of all rows."""
        with self._lock:
            return self._tried(lambda: self._file.read(columns=list(names)))

    def row(self, position: int) -> dict[str, Any]:
        """One row. Cost: its row group is read, and kept for the next."""
        group = int(np.searchsorted(self._starts, position, "right")) - 1
        table = self._groups.get(group, lambda: self._group(group))
        return table.slice(position - int(self._starts[group]), 1).to_pylist()[0]

    def _group(self, group: int) -> pa.Table:
        with self._lock:
            return self._tried(lambda: self._file.read_row_group(group))

    def _tried(self, job: Any) -> Any:
        try:
            return job()
        except (OSError, pa.ArrowException, MemoryError, ValueError) as error:
            raise RunFolderError(
                f"{self.path}: cannot be read as Parquet ({error}); run it again with --fresh"
            ) from error
