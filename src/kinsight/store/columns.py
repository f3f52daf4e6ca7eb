"""Further groups of columns beside the samples: committed shard by shard like the sketches."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from kinsight.errors import StoreError
from kinsight.store import tables
from kinsight.store.arrow import fixed_lists
from kinsight.store.entries import LARGEST_SIDECAR, Group, GroupSidecar, Mark, read_sidecar
from kinsight.store.layout import COLUMNS, COLUMNS_FILE, Shard, group_name
from kinsight.store.ledger import Ledger, write_anew
from kinsight.store.record import compact, differences, normalized


class Columns:
    """The groups of columns of one store: begun, written by many, finished."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._place = ledger.place

    def groups(self) -> dict[str, bool]:
        """The groups by name, and whether they are finished and cover every shard of the table."""
        contents = self._ledger.contents
        count = len(contents.entries)
        return {n: g.finished and len(g.files) == count for n, g in contents.groups.items()}

    def begin(self, name: str, identity: dict[str, Any], anew: bool) -> None:
        """Begin a group, go on with it, or with ``anew`` replace one of another identity."""
        self._ledger.reload()
        contents, identity = self._ledger.contents, normalized("identity of columns", identity)
        if len(compact(identity)) > LARGEST_SIDECAR // 2:
            raise StoreError("identity of columns: expected less than half a MiB of JSON")
        alike = [other for other in contents.groups if other.lower() == group_name(name).lower()]
        if alike and alike != [name]:
            raise StoreError(f"columns {name}: {alike[0]} is there; a disk may not tell them apart")
        there = contents.groups.get(name)
        if there is not None and there.identity == identity:
            return None
        if there is not None and not anew:
            said = "; ".join(differences(there.identity, identity, "identity"))
            raise StoreError(
                f"columns {name}: computed with something else: {said}. Choose another name, or "
                "replace them with replace=True"
            )
        self._ledger.save(contents.with_group(name, Group(identity)))
        # Files of the old identity are not committed from here on, whenever this is killed.
        self._clear(name)

    def missing(self, name: str, shards: list[Shard]) -> list[Shard]:
        """The shards whose columns are not committed, or whose file is absent or cut short."""
        group = self._group(name)
        there = self._place.files(f"{COLUMNS}/{name}")
        missing = []
        for shard in shards:
            file = shard.columns(name).rsplit("/", 1)[1]
            listed = file.replace(".parquet", ".json") in there
            sidecar = self.sidecar(name, group, shard) if listed else None
            if sidecar is None or there.get(file) != sidecar.file.size:
                missing.append(shard)
        return missing

    def write(self, name: str, shard: Shard, table: pa.Table) -> None:
        """Keep the columns of one shard."""
        self._ledger.known(shard)
        group, file = self._group(name), shard.columns(name)
        if tables.SAMPLE not in table.column_names:
            numbers = pa.array(range(shard.start, shard.stop), pa.int64())
            table = table.add_column(0, tables.SAMPLE, numbers)
        table = tables.checked(table, shard, self._place.at(file))
        self._check_names(name, table)
        content = tables.encode(table, self._place.at(file))
        mark = Mark.of(content)
        if shard.index < len(group.files) and group.files[shard.index] != mark:
            raise StoreError(
                f"{self._place.at(file)}: came out differently than before; begin the columns "
                "again with another identity and replace=True"
            )
        columns = tables.column_types(content)
        sidecar = GroupSidecar(shard, mark, columns, group.identity)
        self._remove_other(name, group, sidecar)
        write_anew(self._place, file, content)
        write_anew(self._place, shard.columns_sidecar(name), sidecar.encode())

    def finish(self, name: str, shards: list[Shard]) -> None:
        """Put the table of the group's files into run.json."""
        self._ledger.reload()
        group, missing = self._group(name), self.missing(name, shards)
        if missing or not shards or self._ledger.contents.unfinished is not None:
            raise StoreError(
                f"columns {name}: {len(missing)} of {len(shards)} shards are not written, or the "
                "store is not finished; missing_columns() lists them"
            )
        sidecars = [self.sidecar(name, group, shard) for shard in shards]
        found = [sidecar for sidecar in sidecars if sidecar is not None]
        for sidecar in found:
            if sidecar.columns != found[0].columns:
                said = "; ".join(differences(found[0].columns, sidecar.columns))
                raise StoreError(f"columns {name}: shard {sidecar.shard.index} differs: {said}")
        files = tuple(sidecar.file for sidecar in found)
        done = Group(group.identity, found[0].columns, files, True)
        if done != group:
            self._ledger.save(self._ledger.contents.with_group(name, done))
        self._place.clear_asides(f"{COLUMNS}/{name}", COLUMNS_FILE)

    def sidecar(self, name: str, group: Group, shard: Shard) -> GroupSidecar | None:
        """The sidecar of one shard of a group; None if absent, damaged or of another identity."""
        found = read_sidecar(self._place, shard.columns_sidecar(name), GroupSidecar)
        if found is None or (found.shard, found.identity) != (shard, group.identity):
            return None
        return found

    def read(self, name: str, shards: list[Shard]) -> pa.ChunkedArray:
        """A column of all rows."""
        return self.read_together([name], shards)[name]

    def read_together(self, names: Sequence[str], shards: list[Shard]) -> pa.Table:
        """Some columns of all rows; each file is opened once for all it has of them."""
        if not shards:
            raise StoreError(f"{self._place}: expected rows to read {names} of, there are none")
        groups: dict[str | None, list[str]] = {}
        for name in names:
            groups.setdefault(self._of(name), []).append(name)
        found = {}
        for group, own in groups.items():
            pieces = [self._piece(group, shard, own) for shard in shards]
            whole = pa.concat_tables(pieces)
            found |= {name: whole[name] for name in own}
        return pa.table({name: found[name] for name in names})

    def _piece(self, group: str | None, shard: Shard, names: list[str]) -> pa.Table:
        if group is None:
            file, mark = shard.samples, self._ledger.known(shard).samples
        else:
            file, mark = shard.columns(group), self._mark(group, shard)
        return tables.read(self._place, file, mark, shard, names)

    def add(self, name: str, values: Any, shards: list[Shard], anew: bool) -> None:
        """A group of one column whose values are all there."""
        column = _array(name, values)
        count = shards[-1].stop if shards else 0
        if len(column) != count:
            raise StoreError(f"{name}: expected {count} values, one a row, got {len(column)}")
        self.begin(name, {"values": _digest(column), "kind": str(column.type)}, anew)
        for shard in self.missing(name, shards):
            self.write(name, shard, pa.table({name: column.slice(shard.start, shard.rows)}))
        self.finish(name, shards)

    def _group(self, name: str) -> Group:
        group = self._ledger.contents.groups.get(group_name(name))
        if group is None:
            raise StoreError(f"{self._place}: no columns {name!r} were begun; begin_columns() does")
        return group

    def _of(self, name: str) -> str | None:
        """The group that has a column; None for the samples."""
        contents = self._ledger.contents
        known = contents.samples or self._ledger.columns_under_way()
        if name in known:
            return None
        for group, found in contents.groups.items():
            if name in found.columns:
                return group
        listed = sorted({*known, *(n for g in contents.groups.values() for n in g.columns)})
        raise StoreError(
            f"{self._place}: expected one of the columns {', '.join(listed):.500}, got {name!r:.80}"
        )

    def _mark(self, name: str, shard: Shard) -> Mark:
        files = self._group(name).files
        if shard.index >= len(files):
            raise StoreError(
                f"columns {name}: cover the first {len(files)} shards only; go on with "
                "begin_columns(), missing_columns() and finish_columns()"
            )
        return files[shard.index]

    def _check_names(self, name: str, table: pa.Table) -> None:
        """A column has one home."""
        contents = self._ledger.contents
        homes = {"the samples": contents.samples or self._ledger.columns_under_way()}
        homes |= {f"columns {n}": g.columns for n, g in contents.groups.items() if n != name}
        for home, columns in homes.items():
            twice = [n for n in table.column_names if n in columns and n != tables.SAMPLE]
            if twice:
                raise StoreError(f"columns {name}: {', '.join(twice):.200} is there, in {home}")

    def _remove_other(self, name: str, group: Group, sidecar: GroupSidecar) -> None:
        """Take back what another identity or content committed, before its file is written over."""
        there = self.sidecar(name, group, sidecar.shard)
        if there is None or there != sidecar:
            self._place.remove(sidecar.shard.columns_sidecar(name))

    def _clear(self, name: str) -> None:
        folder = f"{COLUMNS}/{name}"
        self._place.clear_asides(folder, COLUMNS_FILE)
        for file in sorted(self._place.files(folder), key=lambda n: not n.endswith(".json")):
            if COLUMNS_FILE.fullmatch(file):
                self._place.remove(f"{folder}/{file}")


def _array(name: str, values: Any) -> pa.Array:
    """(N,) values, or (N, K) as lists of K."""
    try:
        if isinstance(values, pa.ChunkedArray):
            return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([])
        numbers = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        if isinstance(numbers, np.ndarray) and numbers.ndim == 2:
            return fixed_lists(numbers)
        return numbers if isinstance(numbers, pa.Array) else pa.array(numbers)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"{name}: expected an array of values, one a row: {error}") from error


def _digest(column: pa.Array) -> str:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([column], names=["values"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return hashlib.sha256(sink.getvalue()).hexdigest()
