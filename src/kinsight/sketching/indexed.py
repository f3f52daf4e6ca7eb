"""The index of a store: where it lies, what it belongs to, made and opened."""

from pathlib import Path
from typing import Literal

from kinsight.errors import StoreError
from kinsight.search.build import build_index
from kinsight.search.index import Index, IndexRecord, open_index
from kinsight.search.rows import Rows
from kinsight.store.folder import StoreFolder


def make(
    folder: StoreFolder, rows: Rows, kind: Literal["auto", "flat", "sq8"], recall: float, seed: int
) -> IndexRecord:
    """Build RUN/index from all rows; what it is, with the recall that was measured."""
    return build_index(
        rows, local_folder(folder), folder.digest(), kind=kind, recall=recall, seed=seed
    ).record


def opened(folder: StoreFolder, rows: Rows) -> Index:
    """RUN/index, after it was found to be whole and of these rows."""
    return open_index(local_folder(folder), folder.digest(), rows)


def local_folder(folder: StoreFolder) -> Path:
    """Where the index of a store lies.

    Raises:
        StoreError: not on a local disk.
    """
    if folder.place.local is None:
        raise StoreError(
            f"{folder.path}: expected a store on a local disk, whose index can be mapped; copy it "
            "to one, or search without index"
        )
    return folder.place.local
