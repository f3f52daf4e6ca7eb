"""Columns of the rows of a shard as one Parquet file: the same table is always the same bytes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.errors import StoreError
from kinsight.store.entries import Mark
from kinsight.store.layout import Shard
from kinsight.store.place import Place

SAMPLE = "sample"
_LARGEST = 16 << 30  # bytes once unpacked


def checked(table: pa.Table, shard: Shard, where: str) -> pa.Table:
    """A table of the rows of a shard whose ``sample`` counts them; its chunks made one.

    Raises:
        StoreError: other rows, ``sample`` absent or wrong, a name twice.
    """
    names = table.column_names
    if len(set(names)) != len(names) or SAMPLE not in names or table.num_rows != shard.rows:
        raise StoreError(
            f"{where}: expected {shard.rows} rows with a column {SAMPLE!r} and no name twice, got "
            f"{table.num_rows} rows with {', '.join(names):.200}"
        )
    if not counts(table[SAMPLE], shard):
        raise StoreError(
            f"{where}: expected {SAMPLE!r} to be the whole numbers (int64) {shard.start} to "
            f"{shard.stop - 1}: the global number of each row"
        )
    return table.combine_chunks()


def counts(column: pa.ChunkedArray, shard: Shard) -> bool:
    """Whether a column is the int64 numbers ``start`` to ``stop − 1`` of a shard."""
    if column.type != pa.int64() or column.null_count or len(column) != shard.rows:
        return False
    return np.array_equal(column.to_numpy(), np.arange(shard.start, shard.stop))


def encode(table: pa.Table, where: str) -> pa.Buffer:
    """The bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink, compression="zstd")
    except pa.ArrowException as error:
        raise StoreError(f"{where}: expected columns that Parquet can hold: {error}") from error
    return sink.getvalue()


def column_types(source: pa.Buffer | pa.NativeFile) -> dict[str, str]:
    """Names and types of the columns of a Parquet file, as run.json lists them."""
    reader = pa.BufferReader(source) if isinstance(source, pa.Buffer) else source
    return {field.name: str(field.type) for field in pq.read_schema(reader)}


def read(
    place: Place, name: str, mark: Mark, shard: Shard, columns: list[str] | None = None
) -> pa.Table:
    """The table of a shard, or some of its columns in the order asked for.

    Raises:
        StoreError: another size or number of rows than the store says, not Parquet.
    """
    where = place.at(name)
    check_size(place, name, mark)
    try:
        with place.open(name) as source:
            file = pq.ParquetFile(source)
            metadata = file.metadata
            groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
            unpacked = sum(group.total_byte_size for group in groups)
            if metadata.num_rows != shard.rows or not 0 <= unpacked <= _LARGEST:
                raise StoreError(
                    f"{where}: expected {shard.rows} rows, got {metadata.num_rows} in "
                    f"{unpacked:,} bytes; verify() tells what is damaged"
                )
            table = file.read(columns)
    except (OSError, pa.ArrowException, MemoryError, UnicodeDecodeError) as error:
        raise StoreError(f"{where}: cannot be read as Parquet ({error}); verify() it") from error
    absent = [name for name in columns or () if name not in table.column_names]
    if absent or table.num_rows != shard.rows:
        raise StoreError(f"{where}: expected columns {columns} of {shard.rows} rows")
    return table.select(columns) if columns is not None else table


def check_size(place: Place, name: str, mark: Mark) -> None:
    """Refuse a file that is not there or has another size than was written."""
    size = place.size(name)
    if size != mark.size:
        came = "no such file" if size is None else f"{size:,} bytes"
        raise StoreError(
            f"{place.at(name)}: expected {mark.size:,} bytes, got {came}; verify() tells what is "
            "damaged, repair() restores it"
        )
