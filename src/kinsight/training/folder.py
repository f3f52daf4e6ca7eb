"""The folder of a monitor: whole files alone, so that a kill loses at most the look under way.

FOLDER/monitor.json            what was looked at and how it was asked
FOLDER/looks.parquet           one row a look; a look is there once its row is
FOLDER/samples/000012.parquet  one row a sample, a file a look
FOLDER/kernels/000012.npy      Gram matrices of the first and the last look, float32
FOLDER/tensorboard/            event files, where asked for

A look writes its samples, then its Gram matrix, then the table with its row in one step. What a
killed process left beyond the table is removed when the folder is opened again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kinsight.errors import RunFolderError
from kinsight.files import is_aside, write_json, write_table, write_whole
from kinsight.training.schema import LOOKS, looks_table

SCHEMA = 1
RECORD, TABLE = "monitor.json", "looks.parquet"


class Folder:
    """Looks on disk: the record, and one row a look."""

    def __init__(self, path: Path, record: Mapping[str, Any], rows: list[dict[str, Any]]):
        self.path, self.record, self.rows = path, record, rows

    @classmethod
    def read(cls, path: str | Path) -> "Folder":
        """What is there.

        Raises:
            RunFolderError: no monitor.json, another version, or a table that cannot be read.
        """
        place = Path(path)
        record = _read_record(place / RECORD)
        if not (place / TABLE).exists():
            return cls(place, record, [])
        table = read_parquet(place / TABLE)
        if table.schema.names != LOOKS.names:
            raise RunFolderError(
                f"{place / TABLE}: expected the columns of this version, got "
                f"{', '.join(table.schema.names[:5])} …; choose another folder"
            )
        return cls(place, record, table.to_pylist())

    @classmethod
    def open(cls, path: str | Path, said: Mapping[str, Any]) -> "Folder":
        """A new folder, or the one of the same probe and question, ready to go on.

        Raises:
            RunFolderError: it holds something else, or looks at other things.
        """
        place = Path(path)
        if not (place / RECORD).exists():
            strangers = [p.name for p in place.iterdir()] if place.is_dir() else []
            strangers = [name for name in strangers if not is_aside(name, RECORD)]
            if strangers or (place.exists() and not place.is_dir()):
                raise RunFolderError(
                    f"{place}: expected a new or empty folder, or one of a monitor, got "
                    f"{', '.join(sorted(strangers)[:3]) or 'a file'}; choose another"
                )
            write_json(place / RECORD, {"kind": "kinsight monitor", "schema": SCHEMA, **said})
        folder = cls.read(place)
        other = [name for name in said if folder.record.get(name) != said[name]]
        if other and folder.rows:
            raise RunFolderError(
                f"{place}: expected looks at the same {', '.join(other)} as before, got others; "
                "choose another folder, or remove this one"
            )
        if other:  # the first look failed, and is tried again with other settings
            folder.record = {**folder.record, **said}
            write_json(place / RECORD, folder.record)
        folder._clean()
        return folder

    def add(self, row: dict[str, Any], samples: pa.Table, gram: Tensor) -> None:
        """One more look; it is there when this returns, and not at all if it does not."""
        number = len(self.rows)
        write_table(self._samples(number), samples)
        write_whole(self._kernel(number), lambda aside: _save(aside, gram))
        table = looks_table([*self.rows, row])
        write_table(self.path / TABLE, table)
        self.rows = table.to_pylist()
        if number > 1:
            self._kernel(number - 1).unlink(missing_ok=True)

    def back_to(self, step: int) -> None:
        """Take back the looks after ``step``: training goes on from an earlier checkpoint.

        At step 0 it begins anew, with other weights perhaps: nothing is kept.
        """
        kept = [row for row in self.rows if 0 < step >= row["step"]]
        if len(kept) < len(self.rows):
            write_table(self.path / TABLE, looks_table(kept))
            self.rows = kept
            self._clean()

    def samples(self, number: int) -> pa.Table:
        """The samples at a look.

        Raises:
            RunFolderError: the file is missing or damaged.
        """
        return read_parquet(self._samples(number))

    def kernel(self, number: int, count: int) -> Tensor | None:
        """The Gram matrix of a look, (N, N), as far as it was kept.

        Raises:
            RunFolderError: it is damaged or of other samples.
        """
        path = self._kernel(number)
        if not path.exists():
            return None
        try:
            found = np.lib.format.open_memmap(path, mode="r")  # no pickle, nothing read
            if found.shape != (count, count) or found.dtype != np.float32:
                raise ValueError(f"{found.dtype} of shape {found.shape}")
            return torch.from_numpy(np.array(found))
        except (OSError, ValueError, EOFError) as error:
            raise RunFolderError(
                f"{path}: expected float32 of shape ({count}, {count}): {error}; choose another "
                "folder"
            ) from error

    def _clean(self) -> None:
        """Remove what a killed look, or one that was taken back, left."""
        last = len(self.rows) - 1
        kept = {self._samples(i).name for i in range(last + 1)}
        kept |= {self._kernel(i).name for i in (0, last) if i >= 0 and last >= 0}
        for place in ("samples", "kernels"):
            for path in (self.path / place).glob("*"):
                known = path.name[:6].isdigit() or path.suffix == ".tmp"
                if path.name not in kept and known:
                    path.unlink()
        for path in self.path.glob(".*.tmp"):
            if is_aside(path.name, TABLE) or is_aside(path.name, RECORD):
                path.unlink()

    def _samples(self, number: int) -> Path:
        return self.path / "samples" / f"{number:06d}.parquet"

    def _kernel(self, number: int) -> Path:
        return self.path / "kernels" / f"{number:06d}.npy"


def read_parquet(path: Path) -> pa.Table:
    """A table of a folder.

    Raises:
        RunFolderError: it is missing or damaged.
    """
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise RunFolderError(
            f"{path}: expected a Parquet file of a monitor: {error}; choose another folder"
        ) from error


def _save(path: Path, gram: Tensor) -> None:
    with open(path, "wb") as file:  # np.save appends .npy to names
        np.save(file, gram.numpy().astype(np.float32), allow_pickle=False)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path}: expected the record of a monitor: {error}; name the folder that "
            "ks.training.Monitor wrote"
        ) from error
    if not isinstance(record, dict) or record.get("kind") != "kinsight monitor":
        raise RunFolderError(f"{path}: expected the record of a monitor, got something else")
    if record.get("schema") != SCHEMA:
        raise RunFolderError(
            f"{path}: expected version {SCHEMA}, got {record.get('schema')!r}; use the kinsight "
            "that wrote it"
        )
    return record
