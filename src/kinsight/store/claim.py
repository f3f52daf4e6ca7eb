"""Whose folder it is: a new store, the one that is there, or something that is left alone."""

from typing import Any

from kinsight.errors import StoreError
from kinsight.store.contents import LARGEST_HEAD, LARGEST_RECORD, Contents
from kinsight.store.layout import (
    COLUMNS,
    COLUMNS_FILE,
    RECORD,
    RECORD_FILE,
    SAMPLES,
    SAMPLES_FILE,
    SKETCH,
    SKETCH_FILE,
    Form,
)
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place, is_aside_of
from kinsight.store.record import compact, differences, normalized, parse


def create(place: Place, head: dict[str, Any], fresh: bool) -> Ledger:
    """The ledger of a new store, or of the one that is there.

    Raises:
        StoreError: as :meth:`kinsight.store.folder.StoreFolder.create` says.
    """
    head = normalized("head", head)
    Form.of(head)
    if len(compact(head)) > LARGEST_HEAD:
        raise StoreError(f"head: expected at most {LARGEST_HEAD:,} bytes of JSON")
    if place.local is not None and place.local.exists() and not place.local.is_dir():
        raise StoreError(f"{place}: expected a folder, found a file; choose another name")
    if _is_there(place):
        if not fresh:
            return _same(Ledger.load(place), head)
        clear(place)
    ledger = Ledger(place, Contents(head))
    ledger.save(ledger.contents)
    return ledger


def data_free(head: dict[str, Any]) -> dict[str, Any]:
    """A head without what describes the data: stores that share the rest can become one."""
    kept = {name: value for name, value in head.items() if name not in ("error", "merged")}
    if isinstance(kept.get("identity"), dict):
        kept["identity"] = {n: v for n, v in kept["identity"].items() if n != "data"}
    return kept


def clear(place: Place) -> None:
    """Remove the files of a store by their names, run.json last; others stay where they are."""
    groups = [f"{COLUMNS}/{name}" for name in place.folders(COLUMNS)]
    folders = [*((name, COLUMNS_FILE) for name in groups)]
    folders += [(SKETCH, SKETCH_FILE), (SAMPLES, SAMPLES_FILE)]
    for folder, ours in folders:
        _check_no_link(place, folder)
        place.clear_asides(folder, ours)
        # Sidecars first: what is left of a removal that was killed is not committed.
        names = sorted(place.files(folder), key=lambda name: (not name.endswith(".json"), name))
        for name in names:
            if ours.fullmatch(name):
                place.remove(f"{folder}/{name}")
        place.remove_folder(folder)
    place.remove_folder(COLUMNS)
    place.clear_asides("", RECORD_FILE)
    place.remove(RECORD)


def _is_there(place: Place) -> bool:
    """Whether a store is there; False for an empty place, an error for something else."""
    there = place.files()
    if RECORD in there:
        _check_ours(place)
        return True
    if place.folders(SKETCH) or any(SKETCH_FILE.fullmatch(n) for n in place.files(SKETCH)):
        raise StoreError(
            f"{place}: {RECORD} is missing, the shards of a store are there; repair() makes it "
            "again from them, or choose an empty or a new folder"
        )
    if place.folders() or any(not is_aside_of(name, RECORD_FILE) for name in there):
        raise StoreError(
            f"{place} holds files that are not of a store, which are left alone; choose an empty "
            "or a new folder"
        )
    return False


def _check_ours(place: Place) -> None:
    """Refuse a run.json of another program; a damaged one of a store is one of ours."""
    where = place.at(RECORD)
    try:
        Contents.decode(place.read(RECORD, LARGEST_RECORD), where)
    except StoreError as error:
        try:
            ours = parse(place.read(RECORD, LARGEST_RECORD), where).get("kind") == "sketch"
        except StoreError:
            ours = any(SKETCH_FILE.fullmatch(name) for name in place.files(SKETCH))
        if not ours:
            raise StoreError(
                f"{where}: expected the run.json of a store, got a file of something else, which "
                "is left alone; choose an empty or a new folder"
            ) from error


def _check_no_link(place: Place, folder: str) -> None:
    if place.local is not None and (place.local / folder).is_symlink():
        raise StoreError(
            f"{place.at(folder)}: expected a folder, found a link; nothing behind it is removed"
        )


def _same(ledger: Ledger, head: dict[str, Any]) -> Ledger:
    found = list(differences(data_free(ledger.contents.head), data_free(head)))
    if found:
        raise StoreError(
            f"{ledger.place}: the store was begun with something else: {'; '.join(found)}. Use "
            "the same network, settings and versions, another folder, or fresh=True to begin anew"
        )
    return ledger
