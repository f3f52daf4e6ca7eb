"""What a run shows but does not compute with: names, texts, pictures, own columns, the title."""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.files import storable
from kinsight.provenance.digest import Digest, described
from kinsight.subject.labels import Labels
from kinsight.subject.pictures import Painter, painter, write_pictures
from kinsight.subject.subject import Subject

DISPLAYED = ("name", "text", "planted_label")  # columns told by the person, whatever their own
_LOOKED_AT = 256  # pictures of a lazy collection that enter the digest


@dataclass(frozen=True)
class Display:
    """Everything that only shows, checked and ready to be written; it may change between runs."""

    columns: dict[str, pa.Array]  # of samples.parquet
    paint: Painter | None
    title: str | None
    planted: int
    digest: str

    def write_pictures(self, out: Path, count: int) -> dict[str, Any]:
        """Write media/pictures.parquet if there are any; its entry for run.json."""
        if self.paint is None:
            return {}
        write_pictures(out / "media" / "pictures.parquet", self.paint, count)
        return {"pictures": {"file": "media/pictures.parquet", "rows": count}}


def read_display(subject: Subject, count: int, taken: Collection[str]) -> Display:
    """What a subject shows, before anything is computed. One picture is painted to see that it can.

    ``taken``: names of columns that are computed.

    Raises:
        SubjectError: a column with a name of ours or of values that cannot be stored, a picture
            that cannot be painted.
    """
    columns = {
        name: pa.array([storable(v) for v in values], pa.string())
        for name, values in (("name", subject.names), ("text", subject.texts))
        if values is not None
    }
    own = {storable(name): values for name, values in (subject.columns or {}).items()}
    for name in own:
        if name in taken or name in DISPLAYED:
            raise SubjectError(f"columns: {name!r} is a name kinsight uses itself; choose another")
    columns |= {name: _own_column(name, values) for name, values in own.items()}
    paint = painter(subject.pictures, subject.data)
    if paint is not None and count:
        paint(0)
    digest = Digest(
        _stream(columns), subject.planted, subject.title, _pictures_digest(subject.pictures)
    )
    title = None if subject.title is None else storable(subject.title)
    return Display(columns, paint, title, len(subject.planted or {}), digest.hex())


def with_planted(display: Display, subject: Subject, labels: Labels | None, count: int) -> Display:
    """The display with the right labels of those that were changed on purpose, named as classes."""
    right = subject.planted
    if not right:
        return display
    said = [_named(labels, right[i]) if i in right else None for i in range(count)]
    named = {"planted_label": pa.array(said, pa.string())}
    return replace(display, columns=named | display.columns)


def _named(labels: Labels | None, label: object) -> str:
    whole = isinstance(label, (int, np.integer)) and labels is not None and labels.index is not None
    if whole and labels is not None and labels.numbered:
        return labels.name(int(label))  # type: ignore[arg-type]
    return storable(label)


def _own_column(name: str, values: Any) -> pa.Array:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
    try:
        try:
            column = pa.array(values.numpy() if isinstance(values, Tensor) else values)
        except UnicodeEncodeError:
            column = pa.array([storable(v) if isinstance(v, str) else v for v in values])
        # Some types are Arrow's but not Parquet's: seen on no row as well as on all of them.
        pq.write_table(pa.table({name: column[:0]}), io.BytesIO())
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SubjectError(
            f"columns: expected numbers, texts or dates in {name!r}, one a sample, got what "
            f"cannot be stored: {error}; convert it, for example with str"
        ) from error
    return column


def _stream(columns: dict[str, pa.Array]) -> bytes:
    """All that is in the columns, element by element."""
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _pictures_digest(pictures: Any) -> Any:
    """What tells other pictures apart without painting all: content, or paths with their times."""
    if pictures is None or isinstance(pictures, (Tensor, np.ndarray)):
        return pictures
    if callable(pictures):
        return described(pictures)
    count = len(pictures)
    step = 1 if isinstance(pictures, (list, tuple)) else max(1, count // _LOOKED_AT)
    return [count, *(_picture_digest(pictures, i) for i in range(0, count, step))]


def _picture_digest(pictures: Sequence[Any], position: int) -> Any:
    picture = pictures[position]
    try:
        if not isinstance(picture, (str, Path)):
            return Digest(picture).hex()
        state = Path(picture).stat()
    except (OSError, SyntaxError, ValueError):  # painting will say what is wrong
        return str(picture)
    return str(picture), state.st_size, state.st_mtime_ns
