"""Finished ranges of rows on disk, so that a run that was stopped or killed goes on from there."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kinsight.analysis.gather import Gathered
from kinsight.run.files import write_table

_NAME = re.compile(r"rows-(\d{12})-(\d{12})\.parquet")


class Parts:
    """The ranges of rows of one run, each a Parquet file of its own."""

    def __init__(self, folder: Path, k: int, thresholds: Sequence[float]):
        self.folder = folder
        self._k = k
        self._thresholds = len(thresholds)

    def save(self, part: Gathered) -> None:
        """Keep a finished range; it is on disk when this returns."""
        name = f"rows-{part.rows.start:012d}-{part.rows.stop:012d}.parquet"
        table = pa.table(
            {
                "similarity": fixed_lists(part.similarity),
                "neighbours": fixed_lists(part.neighbours),
                "density": part.density.numpy(),
                "counts": fixed_lists(part.counts),
            }
        )
        write_table(self.folder / name, table)

    def load(self) -> list[Gathered]:
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
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) or path.name.endswith(".tmp"):
                path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _files(self) -> list[tuple[int, int, Path]]:
        if not self.folder.is_dir():
            return []
        matches = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(m[1]), int(m[2]), path) for m, path in matches if m)

    def _read(self, start: int, stop: int, path: Path) -> Gathered | None:
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError):
            return None
        if table.num_rows != stop - start:
            return None
        return Gathered(
            slice(start, stop),
            _matrix(table["similarity"], self._k),
            _matrix(table["neighbours"], self._k),
            torch.from_numpy(table["density"].to_numpy().copy()),
            _matrix(table["counts"], self._thresholds),
        )


def joined(parts: Sequence[Gathered]) -> Gathered:
    """Ranges that follow each other as one."""
    return Gathered(
        slice(parts[0].rows.start, parts[-1].rows.stop),
        torch.cat([p.similarity for p in parts]),
        torch.cat([p.neighbours for p in parts]),
        torch.cat([p.density for p in parts]),
        torch.cat([p.counts for p in parts]),
    )


def fixed_lists(matrix: Tensor) -> pa.FixedSizeListArray:
    """(N, K) as a column whose every entry is a list of K numbers."""
    flat = pa.array(np.ascontiguousarray(matrix.numpy()).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def _matrix(column: pa.ChunkedArray, width: int) -> Tensor:
    flat = column.combine_chunks().flatten().to_numpy()
    return torch.from_numpy(flat.copy()).reshape(-1, width)
