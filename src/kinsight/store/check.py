"""Whether a store is as it was written: every byte of every file is summed up and compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyarrow.fs import FileSystem

from kinsight.errors import StoreError
from kinsight.store import arrow, tables
from kinsight.store.contents import Contents
from kinsight.store.entries import Entry, GroupSidecar, Mark, Sidecar, read_sidecar
from kinsight.store.layout import (
    ANY_FILE,
    COLUMNS,
    RECORD,
    SAMPLES,
    SKETCH,
    SKETCH_FILE,
    Shard,
    cut,
)
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place, is_aside_of
from kinsight.store.rebuild import gather
from kinsight.store.record import normalized

SURPLUS = "it does not belong to the store"


@dataclass(frozen=True)
class Damage:
    """A file that is not as it was written, what is wrong with it, and the shard it belongs to."""

    file: str
    what: str
    shard: int | None = None


def verify(path: str | Path, *, filesystem: FileSystem | None = None) -> list[Damage]:
    """All damage of a store; an empty list if every kept byte is as it was written.

    Sizes and SHA-256 of all files against run.json, or the sidecars of a segment under way; the
    sidecars, byte by byte; run.json itself; what the files hold: head, rows, types, ``sample``;
    files that are missing, and in the folders of the store files that do not belong there
    (but not the unfinished copies of what is being written).

    Cost: every byte is read once, a file at a time; memory for 8 MiB and the largest ``sample``.

    Raises:
        StoreError: no store is there, or nothing of it is left to go by.
    """
    place = Place(path, filesystem)
    try:
        ledger, found = Ledger.load(place), []
    except StoreError as error:
        found = [Damage(RECORD, str(error)), *_undecodable(place)]
        contents = gather(place)
        if contents is None:
            if RECORD not in place.files() and len(found) == 1:
                raise
            return found
        ledger, found = Ledger(place, contents), found[:1]
    return [*found, *_damages(ledger)]


def _undecodable(place: Place) -> Iterator[Damage]:
    for name in sorted(place.files(SKETCH)):
        match, path = SKETCH_FILE.fullmatch(name), f"{SKETCH}/{name}"
        if not match or not name.endswith(".json"):
            continue
        if read_sidecar(place, path, Sidecar) is None:
            yield Damage(path, "its checksum is another", int(match[1]))


def _damages(ledger: Ledger) -> Iterator[Damage]:
    contents, place = ledger.contents, ledger.place
    kept = set()
    for entry in contents.entries:
        kept |= {entry.shard.sketch, entry.shard.samples, entry.shard.sidecar}
        yield from shard_damages(ledger, entry, contents.samples)
        segment = contents.segments[entry.shard.segment]
        sidecar = Sidecar(entry, segment, contents.samples, ledger.head_digest)
        yield from _sidecar(place, entry.shard.sidecar, sidecar.encode(), entry.shard)
    yield from _under_way(ledger, kept)
    for name in contents.groups:
        yield from _group(ledger, name, kept)
    yield from _surplus(place, kept, contents)


def _under_way(ledger: Ledger, kept: set[str]) -> Iterator[Damage]:
    """The shards of a segment that is not finished: only their sidecars know of them."""
    there = {f"{SKETCH}/{name}" for name in ledger.place.files(SKETCH)}
    there |= {f"{SAMPLES}/{name}" for name in ledger.place.files(SAMPLES)}
    for shard in ledger.shards(ledger.contents.unfinished):
        kept |= {shard.sketch, shard.samples, shard.sidecar} & there
        if shard.sidecar not in there:
            continue
        sidecar = ledger.sidecar(shard)
        if sidecar is None:
            yield Damage(shard.sidecar, "its checksum is another, or it is of another store",
                         shard.index)  # fmt: skip
        else:
            yield from shard_damages(ledger, sidecar.entry, sidecar.columns)


def shard_damages(ledger: Ledger, entry: Entry, columns: dict[str, str]) -> Iterator[Damage]:
    """What is wrong with the two files of a committed shard."""
    shard, place = entry.shard, ledger.place
    wrong = _bytes(place, shard.sketch, entry.sketch) or _sketch(ledger, shard)
    if wrong:
        yield Damage(shard.sketch, wrong, shard.index)
    wrong = _bytes(place, shard.samples, entry.samples)
    wrong = wrong or _table(place, shard.samples, entry.samples, shard, columns)
    if wrong:
        yield Damage(shard.samples, wrong, shard.index)


def _group(ledger: Ledger, name: str, kept: set[str]) -> Iterator[Damage]:
    group, place = ledger.contents.groups[name], ledger.place
    there = {f"{COLUMNS}/{name}/{file}" for file in place.files(f"{COLUMNS}/{name}")}
    for shard in cut(ledger.contents.segments, ledger.form):
        file, side = shard.columns(name), shard.columns_sidecar(name)
        kept |= {file, side} & there
        if shard.index < len(group.files):
            mark, columns = group.files[shard.index], group.columns
            expected = GroupSidecar(shard, mark, columns, group.identity).encode()
            yield from _sidecar(place, side, expected, shard)
        elif side in there:
            found = read_sidecar(place, side, GroupSidecar)
            if found is None:
                yield Damage(side, "its checksum is another", shard.index)
            if found is None or found.identity != group.identity:
                continue  # what is left of another identity is written over
            mark, columns = found.file, found.columns
        else:
            continue
        wrong = _bytes(place, file, mark) or _table(place, file, mark, shard, columns)
        if wrong:
            yield Damage(file, wrong, shard.index)


def _bytes(place: Place, name: str, mark: Mark) -> str | None:
    """What is wrong with the bytes of a file."""
    size = place.size(name)
    if size is None:
        return "missing"
    if size != mark.size:
        return f"expected {mark.size:,} bytes, got {size:,}"
    if place.digest(name) != (mark.size, mark.sha256):
        return "its bytes are not those that were written (SHA-256)"
    return None


def _sidecar(place: Place, name: str, expected: bytes, shard: Shard) -> Iterator[Damage]:
    size = place.size(name)
    content = place.read(name, len(expected)) if size == len(expected) else None
    if content != expected:
        what = "missing" if size is None else "it does not say what run.json says"
        yield Damage(name, what, shard.index)


def _sketch(ledger: Ledger, shard: Shard) -> str | None:
    """What is wrong with the content of an Arrow file whose bytes are as they were written."""
    where = ledger.place.at(shard.sketch)
    said = {"head": ledger.contents.head, "shard": shard.index}
    said |= {"start": shard.start, "rows": shard.rows}
    try:
        with ledger.place.open(shard.sketch) as source:
            schema, found = arrow.schema_of(source, where)
            if normalized("", found) != normalized("", said):
                return "it is a shard of other rows or of another store"
            for name in schema.names:
                arrow.read(source, name, shard, ledger.form, where)
    except StoreError as error:
        return str(error)
    return None


def _table(
    place: Place, name: str, mark: Mark, shard: Shard, columns: dict[str, str]
) -> str | None:
    """What is wrong with the content of a Parquet file."""
    try:
        table = tables.read(place, name, mark, shard, [tables.SAMPLE])
        with place.open(name) as source:
            types = tables.column_types(source)
    except StoreError as error:
        return str(error)
    if not tables.counts(table[tables.SAMPLE], shard):
        return f"{tables.SAMPLE!r} does not count rows {shard.start} to {shard.stop - 1}"
    return None if types == columns else "its columns are not those that run.json lists"


def _surplus(place: Place, kept: set[str], contents: Contents) -> Iterator[Damage]:
    finished = {f"{COLUMNS}/{name}": group.finished for name, group in contents.groups.items()}
    folders = [SKETCH, SAMPLES, *(f"{COLUMNS}/{name}" for name in place.folders(COLUMNS))]
    for folder in folders:
        under_way = contents.unfinished is not None or not finished.get(folder, True)
        for name in sorted(place.files(folder)):
            aside = is_aside_of(name, ANY_FILE)
            if f"{folder}/{name}" not in kept and not (aside and under_way):
                yield Damage(f"{folder}/{name}", SURPLUS)
