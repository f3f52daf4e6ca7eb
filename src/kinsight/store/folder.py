"""The folder of a store of sketches, written shard by shard by many, read meanwhile by others.

RUN/run.json                               what it is, and the table of its shards
RUN/sketch/shard-000000.arrow  .json       sketches of a shard; the sidecar that commits it
RUN/samples/shard-000000.parquet           columns of the same rows
RUN/columns/NAME/shard-000000.parquet .json  further columns of the same rows
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.fs import FileSystem
from torch import Tensor

from kinsight.errors import StoreError
from kinsight.store import arrow, claim, tables
from kinsight.store.columns import Columns
from kinsight.store.entries import Entry, Mark
from kinsight.store.layout import RECORD, Segment, Shard
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place
from kinsight.store.record import digest_of, text


class StoreFolder:
    """N rows of sketches with their columns, in shards that are committed one by one.

    Any number of processes may ``write`` and ``write_columns`` at once, each with an object of
    its own (it can be pickled). ``create`` where nothing is, ``begin``, ``finish`` and what begins
    or finishes columns are for one process at a time: they write run.json.

    Raises:
        StoreError: everything that goes wrong with a store, also a full disk.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._columns = Columns(ledger)
        self._shards: list[Shard] | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        head: dict[str, Any],
        *,
        filesystem: FileSystem | None = None,
        fresh: bool = False,
    ) -> "StoreFolder":
        """A new store, or the one that is there if it was begun with the same head.

        What describes the data (``identity.data``, ``error``, ``merged``) may differ, so that a
        store can grow; the head that is there stays.

        Args:
            path: a local folder, or a URI such as ``s3://bucket/folder``.
            head: what the store is, kept for ever. The room reads ``sketch.dim`` S,
                ``sketch.outputs`` D (1 if absent) and ``plan.shard_rows``.
            filesystem: the file system ``path`` is in, instead of a URI.
            fresh: remove a store that is there, by the names of its files, and begin anew.

        Raises:
            StoreError: another head is there, with every field that differs; a damaged or foreign
                run.json; a folder with files of something else.
        """
        return cls(claim.create(Place(path, filesystem), head, fresh))

    @classmethod
    def open(cls, path: str | Path, *, filesystem: FileSystem | None = None) -> "StoreFolder":
        """A store to read: the shards committed by now, without a gap; ``refresh`` sees more.

        Raises:
            StoreError: there is no store, or run.json is damaged.
        """
        place = Place(path, filesystem)
        if place.size(RECORD) is None:
            raise StoreError(
                f"{place}: expected a store of sketches, found no {RECORD}; ks.sketch (kinsight "
                "sketch) makes one"
            )
        folder = cls(Ledger.load(place))
        folder._shards = folder._find()
        return folder

    @property
    def path(self) -> str:
        """The folder, as its file system names it."""
        return str(self._ledger.place)

    @property
    def place(self) -> Place:
        """The folder's files."""
        return self._ledger.place

    @property
    def head(self) -> dict[str, Any]:
        """What the store is; not to be changed."""
        return self._ledger.contents.head

    @property
    def segments(self) -> list[Segment]:
        """The rows of each call of ``begin``."""
        return list(self._ledger.contents.segments)

    @property
    def finished(self) -> bool:
        """Whether all segments are."""
        return self._ledger.contents.finished

    @property
    def shards(self) -> list[Shard]:
        """The committed shards that follow each other from row 0 without a gap."""
        if self._shards is None:
            self._shards = self._find()
        return list(self._shards)

    @property
    def groups(self) -> dict[str, bool]:
        """The further groups of columns by name, and whether they cover all rows."""
        return self._columns.groups()

    def __len__(self) -> int:
        shards = self.shards
        return shards[-1].stop if shards else 0

    def refresh(self) -> None:
        """See what others have committed since."""
        self._ledger.reload()
        self._shards = None

    def begin(self, rows: int, data: str) -> Segment:
        """A new segment of ``rows`` rows after the last, or the last if it is of the same data.

        ``data`` marks the data, such as a digest: an unfinished segment with the same rows and
        mark is gone on with, a finished one is returned as it is, so that nothing is kept twice.

        Raises:
            StoreError: an unfinished segment of other data.
        """
        segment = self._ledger.begin(rows, data)
        self._shards = None
        return segment

    def missing(self, segment: Segment) -> list[Shard]:
        """The shards of a segment that are not committed, or whose files are absent or cut."""
        return self._ledger.missing(segment)

    def write(
        self,
        shard: Shard,
        *,
        sketch: np.ndarray,
        samples: pa.Table,
        data: str,
        rows: np.ndarray | None = None,
        whitening: np.ndarray | None = None,
    ) -> None:
        """Keep a shard; it is on disk when this returns. The same shard again changes nothing.

        Args:
            sketch: (n, S) float16, finite.
            samples: n rows with ``sample``, the global number of each row (int64), and any others.
            data: a digest of the data of the shard, at most 1000 letters.
            rows: (n, D, S) float16, the sketch of each output.
            whitening: (n, D, D) float32.

        Memory: one copy of all that. Cost: one write of it and its SHA-256.

        Raises:
            StoreError: other shapes or types, the shard is committed with another content, the
                disk is full: free some room and call again.
        """
        ledger, form, n = self._ledger, self._ledger.form, shard.rows
        ledger.check(shard)
        given = {"sketch": sketch, "rows": rows, "whitening": whitening}
        shapes = {
            "sketch": (n, form.dim),
            "rows": (n, form.outputs, form.dim),
            "whitening": (n, form.outputs, form.outputs),
        }
        arrays = arrow.checked(given, shapes, ledger.place.at(shard.sketch))
        table = tables.checked(samples, shard, ledger.place.at(shard.samples))
        first = arrow.encode(shard, ledger.contents.head, arrays)
        second = tables.encode(table, ledger.place.at(shard.samples))
        entry = Entry(shard, text(data, "data of a shard"), Mark.of(first), Mark.of(second))
        ledger.commit(entry, tables.column_types(second), first, second)
        self._shards = None

    def finish(self) -> None:
        """Put the whole table of shards into run.json; nothing to do when it is there.

        Raises:
            StoreError: shards are missing, or the columns of their samples differ.
        """
        self._ledger.finish()
        self._shards = None

    def read(self, shard: Shard | int) -> Tensor:
        """The sketches of a shard: (n, S) float16, a view of the file on a local disk.

        Not to be written to: on a local disk the memory is the file's and read-only.

        Raises:
            StoreError: the shard is not committed, or its file is not as the store says.
        """
        return self._tensor(shard, "sketch")

    def rows(self, shard: Shard | int) -> Tensor:
        """The sketch of each output: (n, D, S) float16, as :meth:`read`, if they were kept."""
        form = self._ledger.form
        return self._tensor(shard, "rows").reshape(-1, form.outputs, form.dim)

    def whitening(self, shard: Shard | int) -> Tensor:
        """The whitening factors: (n, D, D) float32, as :meth:`read`, if they were kept."""
        outputs = self._ledger.form.outputs
        return self._tensor(shard, "whitening").reshape(-1, outputs, outputs)

    def digest(self) -> str:
        """Of the head and all committed sketches, by their checksums: what an index belongs to."""
        marks = [entry.sketch.sha256 for entry in self._ledger.committed()]
        return digest_of({"head": self._ledger.head_digest, "sketches": marks})

    def data_of(self, shard: Shard | int) -> str:
        """The digest of the data that a committed shard was made from."""
        return self._ledger.known(shard).data

    def samples(self, shard: Shard | int, columns: Sequence[str] | None = None) -> pa.Table:
        """The columns of the rows of a shard, or some of them."""
        entry = self._ledger.known(shard)
        chosen, file = None if columns is None else list(columns), entry.shard.samples
        return tables.read(self._ledger.place, file, entry.samples, entry.shard, chosen)

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of all rows, of the samples or of a further group.

        Raises:
            StoreError: no such column, or its group does not cover all rows.
        """
        return self._columns.read(name, self.shards)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some of them, faster than one by one."""
        return self._columns.read_together(names, self.shards)

    def identity_of(self, group: str) -> dict[str, Any]:
        """What a group of columns was computed with; empty if there is no such group."""
        found = self._ledger.contents.groups.get(group)
        return {} if found is None else found.identity

    def begin_columns(self, group: str, identity: dict[str, Any], replace: bool = False) -> None:
        """Begin a further group of columns, or go on with it if its identity is the same.

        ``identity``: what the columns are computed with.

        Raises:
            StoreError: the group is there with another identity and ``replace`` is not given.
        """
        self._columns.begin(group, identity, replace)

    def missing_columns(self, group: str) -> list[Shard]:
        """The shards whose columns of a group are not committed."""
        return self._columns.missing(group, self.shards)

    def write_columns(self, group: str, shard: Shard, table: pa.Table) -> None:
        """Keep the columns of one shard; ``sample`` is put in front if it is not there."""
        self._columns.write(group, shard, table)

    def finish_columns(self, group: str) -> None:
        """Put the table of a group's files into run.json.

        Raises:
            StoreError: some are missing, or their columns differ.
        """
        self._columns.finish(group, self.shards)

    def add_column(self, name: str, values: Any, replace: bool = False) -> None:
        """Keep a column of N values, one a row: an array, a tensor or a list.

        Raises:
            StoreError: not N values; a column of that name with other values is there and
                ``replace`` is not given.
        """
        self._columns.add(name, values, self.shards, replace)

    def _find(self) -> list[Shard]:
        return [entry.shard for entry in self._ledger.committed()]

    def _tensor(self, shard: Shard | int, name: str) -> Tensor:
        ledger, entry = self._ledger, self._ledger.known(shard)
        where = ledger.place.at(entry.shard.sketch)
        tables.check_size(ledger.place, entry.shard.sketch, entry.sketch)
        most = arrow.largest(entry.shard, ledger.form, ledger.head_bytes)
        if entry.sketch.size > most:
            raise StoreError(f"{where}: expected at most {most:,} bytes; verify() it")
        with ledger.place.open(entry.shard.sketch) as source:
            return arrow.read(source, name, entry.shard, ledger.form, where)
