"""The columns of N samples as the page reads them: categories, numbers, flags, each made once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute

from kinsight.explorer.described import CATEGORIES, UNLISTED, known
from kinsight.explorer.kept import Kept

compute: Any = pyarrow.compute  # its functions are made at run time
MOST_CATEGORIES = 4096
_FEW = 64  # different texts that are categories however few samples there are
_ROWS = 1 << 16  # of a batch


class Table(Protocol):
    """N rows of columns that are read one by one."""

    def names(self) -> list[str]:
        """Names of all columns."""
        ...

    def type(self, name: str) -> pa.DataType:
        """Type of a column, known without reading it."""
        ...

    def read(self, name: str) -> pa.ChunkedArray:
        """A column of all rows."""
        ...

    def ours(self, name: str) -> bool:
        """Whether kinsight wrote the column, and not the person."""
        ...


@dataclass(frozen=True)
class Column:
    """What the page knows of a column before it has the values."""

    name: str
    title: str
    kind: str  # "category", "number", "flag" or "text"
    categories: list[str] | None
    low: float | None  # 1st and 99th percentile of the finite numbers
    high: float | None
    group: str
    explains: str


class Columns:
    """The columns of a view. Lists and bytes are no columns; a column of nothing is none either.

    Cost: a column is read when it is first asked for, and kept as 4 bytes a sample.
    """

    def __init__(self, table: Table, count: int):
        self.table = table
        self.count = count
        self._kept = Kept()

    def listed(self) -> list[Column]:
        """All of them, described; reads each once."""
        return self._kept.get("listed", lambda: [self._described(name) for name in self.names()])

    def names(self) -> list[str]:
        """Names of the columns that can be shown."""
        return [
            name
            for name in self.table.names()
            if name not in UNLISTED and _shown(self.table.type(name))
        ]

    def kind(self, name: str) -> str:
        """``category``, ``number``, ``flag`` or ``text``."""
        kind = self.table.type(name)
        if pa.types.is_boolean(kind):
            return "flag"
        if not _texts(kind) and not (name in CATEGORIES and pa.types.is_integer(kind)):
            return "number"
        return "text" if self._category(name) is None else "category"

    def arrow(self, name: str) -> pa.Array:
        """Values for the page: dictionary<int32, string>, bool or float32 (NaN = none)."""
        kind = self.kind(name)
        if kind == "category":
            return self._category(name)  # type: ignore[return-value]
        if kind == "flag":
            return self._kept.get(("flag", name), lambda: _whole(self.table.read(name)))
        return pa.array(self.numbers(name))

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers: (N,) float32, NaN where missing."""
        return self._kept.get(("number", name), lambda: _numbers(self.table.read(name)))

    def texts(self, name: str) -> pa.ChunkedArray:
        """A column as texts, null where missing."""
        return self._kept.get(("text", name), lambda: as_texts(self.table.read(name)))

    def has(self, name: str) -> bool:
        """Whether there is such a column, listed or not."""
        return name in self.table.names()

    def value(self, name: str, position: int) -> Any:
        """One entry as it is stored; None where there is no such column."""
        if not self.has(name):
            return None
        return self._kept.get(("raw", name), lambda: self.table.read(name))[position].as_py()

    def label(self, name: str, position: int) -> str | None:
        """One entry of a column of categories or numbers as a person reads it."""
        if not self.has(name):
            return None
        return self.texts(name)[position].as_py()

    def percentile(self, name: str, position: int) -> float | None:
        """Share of the samples below one, those of the same value counted half; None for NaN.

        Cost: the column is sorted once, and kept; then a binary search.
        """
        own = self.numbers(name)[position]
        if not np.isfinite(own):
            return None
        ordered = self._kept.get(("ordered", name), lambda: _ordered(self.numbers(name)))
        below, upto = (int(np.searchsorted(ordered, own, side)) for side in ("left", "right"))
        return (below + upto) / 2 / len(ordered)

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, in order, a piece at a time."""
        arrays = [self.arrow(name) for name in names]
        for start in range(0, max(self.count, 1), _ROWS):
            yield pa.record_batch([array.slice(start, _ROWS) for array in arrays], list(names))

    def _category(self, name: str) -> pa.DictionaryArray | None:
        return self._kept.get(("category", name), lambda: self._encoded(name))

    def _encoded(self, name: str) -> pa.DictionaryArray | None:
        """Indices into the different texts in natural order; None where there are too many."""
        encoded = _whole(self.texts(name).dictionary_encode())
        found = len(encoded.dictionary)
        most = MOST_CATEGORIES if name in CATEGORIES else max(_FEW, self.count // 2)
        if found > min(most, MOST_CATEGORIES):
            return None
        words = encoded.dictionary.to_pylist()
        order = sorted(range(found), key=lambda i: natural(words[i]))
        place = np.empty(found, np.int32)
        place[order] = np.arange(found, dtype=np.int32)
        indices = compute.take(pa.array(place), encoded.indices)
        sorted_words = pa.array([words[i] for i in order], pa.string())
        return pa.DictionaryArray.from_arrays(indices, sorted_words)

    def _described(self, name: str) -> Column:
        told, kind = known(name, self.table.ours(name)), self.kind(name)
        categories = low = high = None
        if kind == "category":
            categories = self._category(name).dictionary.to_pylist()  # type: ignore[union-attr]
        elif kind == "number":
            values = self.numbers(name)
            finite = values[np.isfinite(values)]
            if len(finite):
                low, high = (float(v) for v in np.percentile(finite, (1, 99)))
        return Column(name, told.title, kind, categories, low, high, told.group, told.explains)


def _ordered(values: np.ndarray) -> np.ndarray:
    """The finite ones, smallest first."""
    return np.sort(values[np.isfinite(values)])


def natural(text: str) -> tuple:
    """Key that sorts numbers inside texts by their value: 2 before 10, b2 before b10."""
    parts = re.split(r"(\d{1,18})", text)
    return tuple((int(p), "") if i % 2 else (-1, p.casefold()) for i, p in enumerate(parts)), text


def as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts of anything: numbers as a person writes them, dates in ISO."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_floating(column.type):
        written = [None if v is None or v != v else f"{v:g}" for v in column.to_pylist()]
        return pa.chunked_array([pa.array(written, pa.string())])
    return column.cast(pa.string())


def _shown(kind: pa.DataType) -> bool:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return numbers or pa.types.is_boolean(kind) or _texts(kind)


def _texts(kind: pa.DataType) -> bool:
    """Types that are shown as texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_temporal(kind)
    )  # fmt: skip


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    kind = pa.float64() if pa.types.is_decimal(column.type) else column.type
    values = column.cast(kind).to_numpy()  # nulls of integers become NaN
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _whole(column: pa.ChunkedArray) -> Any:
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):  # of no chunk
        return found.chunk(0) if found.num_chunks else pa.array([], column.type)
    return found
