"""RUN on the command line: the folder or URI of a store, and nothing that only looks like one."""

from typing import TYPE_CHECKING

from kinsight.errors import StoreError

if TYPE_CHECKING:  # else imported where used: these take seconds
    from kinsight.store.folder import StoreFolder
    from kinsight.store.place import Place


def place_of(run: str) -> "Place":
    """The place of a store, whole or damaged.

    Raises:
        StoreError: nothing of a store is there, or a run of analyze.
    """
    from kinsight.store.layout import RECORD, SKETCH, SKETCH_FILE
    from kinsight.store.place import Place

    place = refuse_analyzed(Place(run))
    if place.size(RECORD) is None and not any(
        SKETCH_FILE.fullmatch(name) for name in place.files(SKETCH)
    ):
        raise StoreError(
            f"{named(run)}: expected a store of sketches, found none there; `kinsight sketch "
            f"MODULE:CALLABLE --out {named(run)}` makes one"
        )
    return place


def refuse_analyzed(place: "Place") -> "Place":
    """The place, unless it is the folder of an analysis.

    Raises:
        StoreError: it is.
    """
    from kinsight.run.folder import is_record
    from kinsight.store.layout import RECORD

    if place.local is not None and is_record(place.local / RECORD):
        raise StoreError(
            f"{place}: expected a store of sketches, got a run of analyze; `kinsight report` "
            "reads that one, and `kinsight sketch` with another folder makes a store"
        )
    return place


def opened(run: str, finished: bool = False) -> "StoreFolder":
    """The store, to read.

    Raises:
        StoreError: there is none, it is damaged, or it is not ``finished`` where it must be.
    """
    from kinsight.store.folder import StoreFolder

    place_of(run)
    folder = StoreFolder.open(run)
    if finished and not folder.finished:
        raise StoreError(
            f"{named(run)}: expected a finished store, got one under way with {len(folder):,} rows "
            "so far; the `kinsight sketch` that began it goes on when it is typed again"
        )
    return folder


def named(run: str) -> str:
    """RUN as it can be shown: a URI without what may be a key in it."""
    if "://" not in run:
        return run
    scheme, rest = run.split("://", 1)
    bare = rest.split("?", 1)[0].rsplit("@", 1)[-1]
    return f"{scheme}://{bare}"
