"""Finished ranges of rows on disk, so that a run that was stopped or killed goes on from there."""

import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kinsight.analysis.walk import Range
from kinsight.files import write_table
from kinsight.store.arrow import fixed_lists

_NAME = re.compile(r"rows-(\d{12})-(\d{12})\.parquet")
_ASIDE = re.compile(rf"\.{_NAME.pattern}\.\d+\.tmp")  # left by a process that was killed


class Parts:
    """The ranges of rows of one run, each a Parquet file of its own.

    ``widths``: the columns that a range must have, 0 for one number a sample, K for a row of K.
    """

    def __init__(self, folder: Path, widths: Mapping[str, int] | None = None):
        self.folder = folder
        self._widths = dict(widths or {})

    def save(self, part: Range) -> None:
        """Keep a finished range; it is on disk when this returns."""
        name = f"rows-{part.rows.start:012d}-{part.rows.stop:012d}.parquet"
        columns = {n: as_column(v, self._widths[n]) for n, v in part.columns.items()}
        write_table(self.folder / name, pa.table(columns))

    def load(self) -> list[Range]:
        """The ranges that follow each other from row 0 without a gap; damaged ones end them."""
        found, row = [], 0
        for start, stop, path in self._files():
            part = self._read(start, stop, path) if start == row else None
            if part is None:
                break
            found.append(part)
            row = stop
        return found

    def clear(self) -> None:
        """Remove all of them."""
        if not self.folder.is_dir() or self.folder.is_symlink():
            return
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) or _ASIDE.fullmatch(path.name):
                path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _files(self) -> list[tuple[int, int, Path]]:
        if not self.folder.is_dir():
            return []
        matches = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(m[1]), int(m[2]), path) for m, path in matches if m)

    def _read(self, start: int, stop: int, path: Path) -> Range | None:
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError):
            return None
        if table.num_rows != stop - start or set(table.column_names) != set(self._widths):
            return None
        columns = {name: _tensor(table[name], width) for name, width in self._widths.items()}
        fit = all(v is not None and len(v) == stop - start for v in columns.values())
        if not fit:
            return None
        return Range(slice(start, stop), {n: v for n, v in columns.items() if v is not None})


def as_column(value: Tensor, width: int) -> pa.Array:
    """(N,) as numbers; (N, K) as lists of K."""
    return pa.array(value.numpy()) if width == 0 else fixed_lists(value)


def _tensor(column: pa.ChunkedArray, width: int) -> Tensor | None:
    """What :func:`as_column` wrote; None if it is something else."""
    kind = column.type
    if pa.types.is_fixed_size_list(kind) != (width > 0) or (width and kind.list_size != width):
        return None
    flat = column.combine_chunks()
    numbers = (flat.flatten() if width else flat).to_numpy()
    if numbers.dtype.kind not in "iuf":
        return None
    value = torch.from_numpy(numbers.copy())
    return value.reshape(-1, width) if width else value
