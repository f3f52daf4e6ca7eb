"""The columns of a store as the page reads them: labels by the names of their classes."""

from typing import Any

import pyarrow as pa
import pyarrow.compute

from kinsight.explorer.described import is_ours
from kinsight.explorer.kept import Kept
from kinsight.store.contents import LARGEST_RECORD, Contents
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import RECORD

compute: Any = pyarrow.compute  # its functions are made at run time
_CLASS = "class"  # names of class indices, beside ``label``
_LABELS = ("label", "proposed_label")
_NESTED = ("fixed_size_list", "list", "large_list", "struct", "map", "binary", "null")


class StoreTable:
    """The columns beside the sketches, and those of the groups that cover all rows.

    ``label`` and ``proposed_label`` are class indices in a store; here they are the names of
    classes, and null where the label is missing (negative). Real labels stay numbers.
    """

    def __init__(self, folder: StoreFolder):
        self._folder = folder
        contents = Contents.decode(folder.place.read(RECORD, LARGEST_RECORD), folder.path)
        first = folder.samples(folder.shards[0])
        self._types = {f.name: f.type for f in first.schema}
        for name, done in folder.groups.items():
            if done:
                columns = contents.groups[name].columns
                self._types |= {n: self._parsed(n, t) for n, t in columns.items() if n != "sample"}
        self._kept = Kept()

    def names(self) -> list[str]:
        """Names of all columns."""
        return list(self._types)

    def type(self, name: str) -> pa.DataType:
        """Type of a column; that of labels as they are shown."""
        kind = self._types[name]
        return pa.string() if name in _LABELS and pa.types.is_integer(kind) else kind

    def read(self, name: str) -> pa.ChunkedArray:
        """A column of all rows."""
        column = self._column(name)
        if name not in _LABELS or not pa.types.is_integer(column.type):
            return column
        names = self._kept.get("classes", self._classes)
        encoded = column.combine_chunks().dictionary_encode()
        words = [
            None if v is None or v < 0 else names.get(v, str(v))
            for v in encoded.dictionary.to_pylist()
        ]
        return pa.chunked_array([compute.take(pa.array(words, pa.string()), encoded.indices)])

    def ours(self, name: str) -> bool:
        """Whether kinsight wrote the column."""
        return is_ours(name)

    def _column(self, name: str) -> pa.ChunkedArray:
        """As it is stored. Flat columns are read together, each file opened once, and kept."""
        flat = [n for n, kind in self._types.items() if not _nested(kind)]
        if name not in flat:
            return self._folder.column(name)
        return self._kept.get("flat", lambda: self._folder.columns(flat))[name]

    def _classes(self) -> dict[int, str]:
        """Class index → its name, from the rows that have both."""
        if _CLASS not in self._types or not pa.types.is_integer(self._types["label"]):
            return {}
        pairs = pa.table({n: self._column(n) for n in ("label", _CLASS)})
        rows = pairs.group_by(["label", _CLASS]).aggregate([]).to_pylist()
        return {row["label"]: str(row[_CLASS]) for row in rows if row[_CLASS] is not None}

    def _parsed(self, name: str, said: str) -> pa.DataType:
        try:
            return pa.type_for_alias(said)
        except ValueError:
            return pa.null() if said.startswith(_NESTED) else self._folder.column(name).type


def _nested(kind: pa.DataType) -> bool:
    """Lists and what is not known before it is read: not kept together with the others."""
    return pa.types.is_nested(kind) or pa.types.is_null(kind) or pa.types.is_binary(kind)
