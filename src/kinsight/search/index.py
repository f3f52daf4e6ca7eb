"""Nearly exact nearest rows from an index by faiss: candidates by the index, scores by the rows.

FOLDER/index/index.faiss   an inverted file: rows by the nearest of about √N centres
FOLDER/index/index.json    what it was made from, its size and checksum, the recall it reached

The index only proposes. Similarities are computed again from the rows, so that a neighbour may be
missed but is never misjudged.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from kinsight.checks import positive
from kinsight.errors import ArgumentError, StoreError
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import check_neighbours
from kinsight.search.extras import optional
from kinsight.search.rescore import rescored
from kinsight.search.rows import Rows

PLACE, FILE, RECORD = "index", "index.faiss", "index.json"
KINDS = ("flat", "sq8")
_SCHEMA = 1
_LARGEST_RECORD = 1 << 20  # bytes
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class IndexRecord:
    """What index.json says."""

    schema: int
    store: str  # digest of the store that it belongs to
    rows: int  # N of the store
    held: int  # rows in the index: those that are not zero
    dim: int  # S
    kind: str  # "flat": float32, "sq8": 8 bits a number
    lists: int
    nprobe: int  # lists that are searched
    wanted: float  # recall@10 that nprobe was chosen for
    recall: float  # and what was reached on ``sample`` rows, against exact search
    sample: int
    seed: int
    bytes: int
    sha256: str


class Index:
    """An index that was opened, with the rows it belongs to."""

    def __init__(self, inner: Any, rows: Rows, record: IndexRecord):
        self._inner, self._rows, self.record = inner, rows, record

    def nearest(
        self, queries: Tensor, k: int, own: Tensor | None = None, nprobe: int | None = None
    ) -> Neighbours:
        """The k best of the candidates, as :func:`~kinsight.search.nearest.nearest` gives them.

        Args:
            queries: (Q, S) of norm 1.
            own: (Q,) the row that is the query itself and not to be found, −1 for none.
            nprobe: lists to search, by default as many as reached the recall wanted.

        Cost: Q · N S · nprobe/lists.
        """
        check_neighbours(k, len(self._rows), themselves=False)
        if queries.dim() != 2 or queries.shape[1] != self._rows.dim:
            raise ArgumentError(
                f"queries: expected shape (Q, {self._rows.dim}), got {tuple(queries.shape)}"
            )
        asked = queries.float().contiguous()
        found = candidates(self._inner, asked, k, nprobe or self.record.nprobe)
        if own is not None:
            found = found.masked_fill(found == own[:, None], -1)
        return rescored(self._rows, asked, found, k)


def candidates(inner: Any, queries: Tensor, k: int, nprobe: int) -> Tensor:
    """Rows that may be among the k nearest, some more than k; −1 where there are fewer."""
    faiss = optional("faiss", "faiss", "an index")
    faiss.omp_set_num_threads(torch.get_num_threads())
    inner.nprobe = positive("nprobe", nprobe)
    finite = queries.isfinite().all(1)
    found = inner.search(queries.nan_to_num(0, 0, 0).numpy(), 2 * k + 8)[1]
    return torch.from_numpy(found).masked_fill(~finite[:, None], -1)


def open_index(folder: str | Path, digest: str, rows: Rows) -> Index:
    """The index in a folder, after it was found to be whole and of this store.

    Args:
        digest: of the store, as it was given to :func:`~kinsight.search.build.build_index`.
        rows: of the store.

    Raises:
        StoreError: no index, one of another store or version, of another size or checksum.
        MissingExtraError: faiss is not installed.
    """
    faiss = optional("faiss", "faiss", "an index")
    place = Path(folder) / PLACE
    record = read_record(place / RECORD)
    _check_belongs(place, record, digest, rows)
    file = place / FILE
    if not file.is_file() or file.stat().st_size != record.bytes:
        got = f"{file.stat().st_size:,} bytes" if file.is_file() else "no file"
        raise StoreError(f"{file}: expected {record.bytes:,} bytes, got {got}; {_AGAIN}")
    if sha256_of(file) != record.sha256:
        raise StoreError(f"{file}: expected the checksum of {RECORD}, got another; {_AGAIN}")
    inner = faiss.read_index(str(file))
    if inner.ntotal != record.held or inner.d != record.dim:
        raise StoreError(f"{file}: holds other rows than {RECORD} says; {_AGAIN}")
    return Index(inner, rows, record)


_AGAIN = "build the index again"


def read_record(path: Path) -> IndexRecord:
    """index.json after its fields were checked.

    Raises:
        StoreError: there is none, or it is not what build_index writes.
    """
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise StoreError(f"{path}: expected at most {_LARGEST_RECORD:,} bytes; {_AGAIN}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: expected an index, found none; build one") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: expected JSON, got something else: {error}; {_AGAIN}") from error
    names = get_type_hints(IndexRecord)
    if not isinstance(found, dict) or found.get("schema") != _SCHEMA or set(found) != set(names):
        raise StoreError(f"{path}: expected the fields of schema {_SCHEMA}; {_AGAIN}")
    for name, kind in names.items():
        if isinstance(found[name], bool) or not isinstance(found[name], kind):
            raise StoreError(
                f"{path}: expected {name!r} as {kind.__name__}, got {found[name]!r:.60}; {_AGAIN}"
            )
    record = IndexRecord(**found)
    if not _SHA.fullmatch(record.sha256) or record.kind not in KINDS or record.nprobe < 1:
        raise StoreError(f"{path}: expected values that build_index writes; {_AGAIN}")
    return record


def sha256_of(file: Path) -> str:
    """Checksum of a file, read a piece at a time."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_belongs(place: Path, record: IndexRecord, digest: str, rows: Rows) -> None:
    ours, theirs = (digest, len(rows), rows.dim), (record.store, record.rows, record.dim)
    if ours != theirs:
        raise StoreError(
            f"{place}: is the index of another store, of {record.rows:,} rows of {record.dim} "
            f"numbers, {record.store[:12]}…; expected {len(rows):,} of {rows.dim}, "
            f"{digest[:12]}…; {_AGAIN}"
        )
