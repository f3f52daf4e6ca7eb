"""Arrow IPC streams, handed over piece by piece while they are made."""

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
from fastapi.responses import StreamingResponse

ARROW = "application/vnd.apache.arrow.stream"


def streamed(batches: Iterable[pa.RecordBatch]) -> StreamingResponse:
    """The answer of a route. The first batch is made at once, so that its errors are told."""
    pieces = _pieces(iter(batches))
    first = next(pieces)
    return StreamingResponse(_joined(first, pieces), media_type=ARROW)


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """The schema and the first batch, each further batch, the end. Memory: one batch."""
    first = next(batches)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, first.schema) as writer:
        writer.write_batch(first)
        yield _taken(sink)
        for batch in batches:
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    content = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return content
