"""A Parquet file with one row a sample, written some rows at a time: columns, media, features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.exports.material import Material
from kinsight.exports.place import in_metadata

Values = Callable[[range, np.ndarray | None], Any]  # rows, their features -> values of the column
FEATURES = "tangent_features"


@dataclass(frozen=True)
class Extra:
    """A column that is made while the file is written, because all of it may not fit in memory."""

    name: str
    type: pa.DataType
    values: Values


def write_rows(
    path: Path, material: Material, table: pa.Table, extras: Sequence[Extra], record: dict[str, Any]
) -> None:
    """The columns of ``table``, then the extras; ``record`` goes into the file's metadata.

    Memory: the table and one block of rows.
    """
    fields = [*table.schema, *(pa.field(extra.name, extra.type) for extra in extras)]
    schema = pa.schema(fields, in_metadata(record))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows, features in material.blocks():
            some = table.slice(rows.start, len(rows)).columns
            made = [pa.array(extra.values(rows, features), extra.type) for extra in extras]
            writer.write_table(pa.table([*some, *made], schema=schema))


def pictures(material: Material, name: str, kind: pa.DataType, dress: Callable[[bytes], Any]):
    """The pictures as a column; ``dress`` makes the value of a PNG."""

    def values(rows: range, _: Any) -> list[Any]:
        found = (material.picture(row) for row in rows)
        return [None if png is None else dress(png) for png in found]

    return Extra(name, kind, values)


def features(name: str = FEATURES) -> Extra:
    """The tangent features as a column of lists."""

    def values(_: range, found: np.ndarray | None) -> Any:
        if found is None:
            return []
        flat = pa.array(found.reshape(-1).copy())
        return pa.ListArray.from_arrays(
            np.arange(0, found.size + 1, found.shape[1], dtype=np.int32), flat
        )

    return Extra(name, pa.list_(pa.float32()), values)


def outputs(material: Material, name: str = "output") -> Extra:
    """f(x) as a column of lists."""
    kept = material.outputs

    def values(rows: range, _: Any) -> list[Any]:
        return [] if kept is None else list(kept[rows.start : rows.stop])

    return Extra(name, pa.list_(pa.float32()), values)
