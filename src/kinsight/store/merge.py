"""Several stores made with the same network and settings become one; nothing of them is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.fs import FileSystem

from kinsight.errors import StoreError
from kinsight.store import arrow, tables
from kinsight.store.check import shard_damages
from kinsight.store.claim import data_free
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Segment, Shard
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place
from kinsight.store.record import differences


@dataclass(frozen=True)
class _Part:
    """A segment of one of the stores, as it will be a segment of the whole."""

    ledger: Ledger
    folder: StoreFolder
    segment: Segment


def merge(
    paths: Sequence[str | Path], out: str | Path, *, filesystem: FileSystem | None = None
) -> StoreFolder:
    """One store with the rows of all, those of the second after those of the first.

    ``sample`` is numbered through, all other columns and the numbers stay as they are. The head
    is the first's; what describes the data of each (``identity.data``, ``error``) is listed under
    ``merged``. Columns that ``add_column`` put into each of the stores are put together; other
    groups of columns say something about one store and stay behind. A merge that was killed goes
    on when it is called again.

    Cost: all bytes are read twice (once to see that they are whole) and written once; memory for
    two shards and the longest added column.

    Raises:
        StoreError: heads that differ in anything else, with every field; a store that is not
            finished or is damaged; ``out`` holds something else.
    """
    if not paths:
        raise StoreError("merge: expected the paths of stores, got none")
    ledgers = [Ledger.load(Place(path, filesystem)) for path in paths]
    folders = [StoreFolder.open(path, filesystem=filesystem) for path in paths]
    _check(ledgers)
    head = {**ledgers[0].contents.head, "merged": [m for one in ledgers for m in _merged(one)]}
    place = Place(out, filesystem)
    if any(str(ledger.place) == str(place) for ledger in ledgers):
        raise StoreError(
            f"{place}: expected a folder of its own for the whole, got one of its parts"
        )
    whole = StoreFolder.create(out, head, filesystem=filesystem)
    if whole.head != head:
        raise StoreError(f"{place}: another store is there; choose a new folder")
    parts = [
        _Part(ledger, folder, segment)
        for ledger, folder in zip(ledgers, folders, strict=True)
        for segment in folder.segments
    ]
    for index, part in enumerate(parts):
        _segment(whole, place, index, part)
    _added(whole, ledgers, folders)
    return whole


def _check(ledgers: list[Ledger]) -> None:
    first = ledgers[0].contents
    for ledger in ledgers:
        if not ledger.contents.finished:
            raise StoreError(f"{ledger.place}: expected a finished store; finish() it first")
        said = list(differences(data_free(first.head), data_free(ledger.contents.head)))
        said += differences(first.samples, ledger.contents.samples, "samples")
        if said:
            raise StoreError(
                f"{ledgers[0].place} and {ledger.place} cannot become one store: "
                f"{'; '.join(said)}; make them with the same network, settings and versions"
            )


def _merged(ledger: Ledger) -> list[dict[str, Any]]:
    head = ledger.contents.head
    identity = head.get("identity")
    data = identity.get("data") if isinstance(identity, dict) else None
    return head.get("merged", [{"data": data, "error": head.get("error")}])


def _segment(whole: StoreFolder, place: Place, index: int, part: _Part) -> None:
    """Copy one segment, or the shards of it that are not there yet."""
    if index < len(whole.segments):
        segment = whole.segments[index]
        if (segment.rows, segment.data) != (part.segment.rows, part.segment.data):
            raise StoreError(f"{place}: segment {index} is of other data; choose a new folder")
    else:
        segment = Ledger.load(place).append(part.segment.rows, part.segment.data)
        whole.refresh()
    for shard in whole.missing(segment):
        start = shard.start - segment.start + part.segment.start
        _copy(whole, shard, part, next(s for s in part.folder.shards if s.start == start))
    whole.finish()


def _copy(whole: StoreFolder, shard: Shard, part: _Part, source: Shard) -> None:
    ledger, folder = part.ledger, part.folder
    entry = ledger.known(source)
    for damage in shard_damages(ledger, entry, ledger.contents.samples):
        raise StoreError(f"{ledger.place}: {damage.file}: {damage.what}; repair() it first")
    table = folder.samples(source)
    numbers = pa.array(range(shard.start, shard.stop), pa.int64())
    at = table.schema.get_field_index(tables.SAMPLE)
    table = table.set_column(at, table.schema.field(at), numbers)
    whole.write(shard, samples=table, data=entry.data, **dict(_arrays(folder, source)))


def _arrays(folder: StoreFolder, shard: Shard) -> Iterator[tuple[str, np.ndarray]]:
    with folder.place.open(shard.sketch) as source:
        names = arrow.schema_of(source, folder.place.at(shard.sketch))[0].names
    read = {"sketch": folder.read, "rows": folder.rows, "whitening": folder.whitening}
    for name in names:
        yield name, read[name](shard).numpy()


def _added(whole: StoreFolder, ledgers: list[Ledger], folders: list[StoreFolder]) -> None:
    """Put together the columns that add_column put into each."""
    for name, group in ledgers[0].contents.groups.items():
        alike = [ledger.contents.groups.get(name) for ledger in ledgers]
        whole_in_each = all(folder.groups.get(name) for folder in folders)
        same = all(other is not None and other.columns == group.columns for other in alike)
        if "values" in group.identity and whole_in_each and same:
            chunks = [chunk for folder in folders for chunk in folder.column(name).chunks]
            whole.add_column(name, pa.chunked_array(chunks))
