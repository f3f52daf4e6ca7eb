"""A shard of sketches as one Arrow IPC file, mapped into memory and never copied."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from kinsight.errors import StoreError
from kinsight.store.layout import Form, Shard
from kinsight.store.record import compact

_SLACK = 1 << 16  # bytes of an Arrow file beside its numbers and twice its head
_HEAD = b"kinsight"  # the key in the schema's metadata


def fixed_lists(matrix: np.ndarray | Tensor) -> pa.FixedSizeListArray:
    """(N, K) as a column whose every entry is a list of K numbers."""
    numbers = matrix.numpy() if isinstance(matrix, Tensor) else matrix
    flat = pa.array(np.ascontiguousarray(numbers).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def encode(shard: Shard, head: dict[str, Any], columns: dict[str, np.ndarray]) -> pa.Buffer:
    """One record batch of fixed-size lists; the schema says what the file is and which rows."""
    arrays = [fixed_lists(column) for column in columns.values()]
    # Without nulls in the schema, so that nobody has to look for any.
    fields = [pa.field(n, a.type, False) for n, a in zip(columns, arrays, strict=True)]
    said = {"head": head, "shard": shard.index, "start": shard.start, "rows": shard.rows}
    schema = pa.schema(fields, metadata={_HEAD: compact(said)})
    batch = pa.record_batch(arrays, schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def largest(shard: Shard, form: Form, head_bytes: int) -> int:
    """Bytes that the file of a shard can have at most, with rows and whitening."""
    numbers = 2 * form.dim * (1 + form.outputs) + 4 * form.outputs**2
    return shard.rows * numbers + 2 * head_bytes + _SLACK


def expected_columns(form: Form) -> dict[str, tuple[pa.DataType, int]]:
    """The columns a shard may have: type of a number, numbers a row."""
    return {
        "sketch": (pa.float16(), form.dim),
        "rows": (pa.float16(), form.dim * form.outputs),
        "whitening": (pa.float32(), form.outputs**2),
    }


def schema_of(source: pa.NativeFile, where: str) -> tuple[pa.Schema, dict[str, Any]]:
    """The schema of a file and what it says of itself: head, shard, start, rows.

    Raises:
        StoreError: it is not an Arrow file of a store.
    """
    reader = _reader(source, where)
    said = (reader.schema.metadata or {}).get(_HEAD)
    try:
        value = json.loads(said) if said is not None else None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: its metadata is not JSON: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("head"), dict):
        raise StoreError(f"{where}: expected the shard of a store, got another Arrow file")
    return reader.schema, value


def read(source: pa.NativeFile, name: str, shard: Shard, form: Form, where: str) -> Tensor:
    """A column of a shard as a tensor over the bytes of the file: (n, K), not to be written to.

    Raises:
        StoreError: not Arrow, another number of rows, another type or width, no such column.
    """
    reader = _reader(source, where)
    expected = expected_columns(form)
    if name not in expected:
        raise StoreError(f"{where}: expected columns {', '.join(expected)}, got {name!r:.60}")
    number, width = expected[name]
    if name not in reader.schema.names:
        raise StoreError(f"{where}: there is no column {name!r} in this store; it was not kept")
    kind = reader.schema.field(name).type
    fits = pa.types.is_fixed_size_list(kind) and kind.value_type == number
    if not fits or kind.list_size != width or reader.num_record_batches != 1:
        raise StoreError(f"{where}: expected one batch of lists of {width} {number}, got {kind}")
    try:
        batch = reader.get_batch(0)
        batch.validate()
    except (OSError, pa.ArrowException, MemoryError) as error:
        raise StoreError(f"{where}: cannot be read as Arrow ({error}); verify() it") from error
    column = batch.column(reader.schema.get_field_index(name))
    if len(column) != shard.rows or column.null_count or column.flatten().null_count:
        raise StoreError(f"{where}: expected {shard.rows} rows without nulls, got {len(column)}")
    # Through DLPack: no copy, and no warning although the map is read-only.
    return torch.from_dlpack(column.flatten()).reshape(shard.rows, width)


def _reader(source: pa.NativeFile, where: str) -> pa.RecordBatchFileReader:
    try:
        return pa.ipc.open_file(source)
    except (OSError, pa.ArrowException, MemoryError) as error:
        raise StoreError(f"{where}: cannot be read as Arrow ({error}); verify() it") from error


def checked(
    given: dict[str, np.ndarray | None], shapes: dict[str, tuple[int, ...]], where: str
) -> dict[str, np.ndarray]:
    """The columns that were given, each of its shape and type and finite, as (n, K).

    Raises:
        StoreError: another shape or type, a NaN or an infinite number.
    """
    found = {}
    for name, array in given.items():
        if array is None and name != "sketch":
            continue
        kind = np.dtype(np.float32 if name == "whitening" else np.float16)
        came = (getattr(array, "dtype", type(array)), getattr(array, "shape", ()))
        if not isinstance(array, np.ndarray) or came != (kind, shapes[name]):
            raise StoreError(f"{where}: {name}: expected {kind} {shapes[name]}, got {came}")
        if not _finite(array):
            raise StoreError(
                f"{where}: {name}: expected finite numbers; make the rows of samples that have "
                "none zero and set them apart in a column"
            )
        found[name] = array.reshape(len(array), -1)
    return found


def _finite(array: np.ndarray) -> bool:
    if array.dtype != np.float16:
        return bool(np.isfinite(array).all())
    exponent = np.ascontiguousarray(array).view(np.uint16) & 0x7C00  # float16 arithmetic is slow
    return bool((exponent != 0x7C00).all())
