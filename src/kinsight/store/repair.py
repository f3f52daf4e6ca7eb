"""A damaged store made whole: run.json and sidecars from each other, shards from the data."""

from collections.abc import Callable
from pathlib import Path

from pyarrow.fs import FileSystem

from kinsight.errors import StoreError
from kinsight.store.check import SURPLUS, Damage, verify
from kinsight.store.entries import GroupSidecar, Sidecar
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import ANY_FILE, COLUMNS, RECORD, SKETCH, Shard, cut
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place, is_aside_of
from kinsight.store.rebuild import gather

Remake = Callable[[StoreFolder, Shard], None]
RemakeColumns = Callable[[StoreFolder, str, Shard], None]


def repair(
    path: str | Path,
    remake: Remake | None = None,
    *,
    remake_columns: RemakeColumns | None = None,
    filesystem: FileSystem | None = None,
) -> list[Damage]:
    """Restore what :func:`kinsight.store.check.verify` finds; nothing whole is touched.

    run.json is made from the sidecars and a shard, sidecars from run.json, both byte for byte.
    A damaged shard is made again by ``remake(folder, shard)``, which calls ``folder.write``, and
    columns by ``remake_columns(folder, group, shard)``, which calls ``folder.write_columns``;
    they must come out with the checksum they had. Files that do not belong to the store are left
    alone and returned.

    Cost: reads all bytes twice, and computes the damaged shards.

    Raises:
        StoreError: something is left that could not be restored; all else was.
    """
    place = Place(path, filesystem)
    found = verify(path, filesystem=filesystem)
    if not found:
        return []
    without_record = any(damage.file == RECORD for damage in found)
    if without_record:
        _save(place)
    folder = StoreFolder.open(path, filesystem=filesystem)
    _sidecars(Ledger.load(place), found)
    _shards(folder, found, remake)
    folder.refresh()
    _columns(folder, found, remake_columns)
    if without_record:
        _save(place)  # with what was made again
    _tidy(place, found)
    return _left(verify(path, filesystem=filesystem), place)


def _save(place: Place) -> None:
    contents = gather(place)
    if contents is None:
        raise StoreError(
            f"{place}: run.json is damaged and so are the shards or sidecars it could be made "
            "from; write the store again with fresh=True"
        )
    Ledger(place, contents).save(contents)


def _sidecars(ledger: Ledger, found: list[Damage]) -> None:
    """Write the sidecars of what run.json lists."""
    contents, files = ledger.contents, {damage.file for damage in found}
    for entry in contents.entries:
        if entry.shard.sidecar in files:
            segment = contents.segments[entry.shard.segment]
            sidecar = Sidecar(entry, segment, contents.samples, ledger.head_digest)
            ledger.place.write(entry.shard.sidecar, sidecar.encode())
    for name, group in contents.groups.items():
        for entry, mark in zip(contents.entries, group.files, strict=False):
            if entry.shard.columns_sidecar(name) in files:
                side = GroupSidecar(entry.shard, mark, group.columns, group.identity)
                ledger.place.write(entry.shard.columns_sidecar(name), side.encode())


def _shards(folder: StoreFolder, found: list[Damage], remake: Remake | None) -> None:
    files = {damage.file for damage in found}
    ledger = Ledger.load(folder.place)
    for shard in cut(tuple(folder.segments), ledger.form):
        tabled = shard.index < len(ledger.contents.entries)
        data = {shard.sketch, shard.samples} if tabled else {
            shard.sketch, shard.samples, shard.sidecar}  # fmt: skip
        if not data & files or remake is None:
            continue
        before = ledger.entry(shard)
        remake(folder, shard)
        after = Ledger.load(folder.place).entry(shard)
        if before is not None and after != before:
            raise StoreError(
                f"{folder.path}: shard {shard.index} was made again and is another than it was: "
                "expected the checksum it had. It takes the same data, network, settings and "
                "versions as the head and the sidecar say"
            )


def _columns(folder: StoreFolder, found: list[Damage], remake: RemakeColumns | None) -> None:
    files = {damage.file for damage in found}
    for shard in folder.shards:
        for name, group in Ledger.load(folder.place).contents.groups.items():
            tabled = shard.index < len(group.files)
            lost = {shard.columns(name)} | (set() if tabled else {shard.columns_sidecar(name)})
            if lost & files and remake is not None:
                remake(folder, name, shard)


def _tidy(place: Place, found: list[Damage]) -> None:
    """Remove the unfinished copies that killed writers left: verify() names those of no use."""
    for damage in found:
        if damage.what == SURPLUS and is_aside_of(damage.file.rsplit("/", 1)[1], ANY_FILE):
            place.remove(damage.file)


def _left(found: list[Damage], place: Place) -> list[Damage]:
    lost = [damage for damage in found if damage.what != SURPLUS]
    if lost:
        listed = "; ".join(f"{damage.file}: {damage.what}" for damage in lost[:5])
        raise StoreError(
            f"{place}: {len(lost)} files are still damaged, the rest is restored: {listed:.900}. "
            f"Files in {SKETCH}/ and samples/ take remake=, those in {COLUMNS}/ remake_columns="
        )
    return found
