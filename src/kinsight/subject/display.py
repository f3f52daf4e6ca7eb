"""What a run shows but does not compute with: names, texts, pictures, waveforms, own columns."""

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.files import storable
from kinsight.provenance.digest import Digest, described
from kinsight.subject.inputs import read_inputs
from kinsight.subject.labels import Labels
from kinsight.subject.pictures import painter, write_pictures
from kinsight.subject.signals import read_signals
from kinsight.subject.subject import Subject

DISPLAYED = ("name", "text", "planted_label")  # columns told by the person, whatever their own
MEDIA = {
    "pictures": "media/pictures.parquet",
    "signals": "media/signals.parquet",
    "inputs": "inputs.parquet",
}
Writer = Callable[[Path, int], None]  # where to, number of samples
_LOOKED_AT = 256  # pictures or waveforms of a lazy collection that enter the digest


@dataclass(frozen=True)
class Display:
    """Everything that only shows, checked and ready to be written; it may change between runs."""

    columns: dict[str, pa.Array]  # of samples.parquet
    media: dict[str, Writer]  # a table for each way in which samples are shown
    record: dict[str, Any]  # what run.json says of all this

    @property
    def digest(self) -> str:
        """Tells apart what is shown."""
        return self.record["shown"]

    def write(self, out: Path, count: int) -> dict[str, Any]:
        """Write the tables of pictures, waveforms, rows; their entries for run.json."""
        for name, fill in self.media.items():
            fill(out / MEDIA[name], count)
        return {name: {"file": MEDIA[name], "rows": count} for name in self.media}


def read_display(subject: Subject, taken: Collection[str]) -> Display:
    """What a subject shows, before anything is computed. The first picture is painted to see.

    ``taken``: names of columns that are computed.

    Raises:
        SubjectError: a column with a name of ours or of values that cannot be stored, a picture
            that cannot be painted, no waveform, names of columns that do not fit.
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
    media, said = _media(subject)
    digest = Digest(_stream(columns), subject.planted, subject.title, _digest(subject.pictures))
    if subject.signals is not None:  # where absent, the digest is that of runs of before
        digest.add(("signals", _digest(subject.signals)))
    if subject.features is not None:
        digest.add(("features", [storable(name) for name in subject.features]))
    title = None if subject.title is None else storable(subject.title)
    told = {"title": title, "planted": len(subject.planted or {}), "shown": digest.hex()}
    return Display(columns, media, told | said)


def _media(subject: Subject) -> tuple[dict[str, Writer], dict[str, Any]]:
    """The tables that show samples, and the fields of run.json that describe them."""
    media: dict[str, Writer] = {}
    paint = painter(subject.pictures, subject.data)
    if paint is not None:
        paint(0)
        media["pictures"] = partial(write_pictures, paint=paint)
    found = read_signals(subject.signals, None if paint else subject.data)
    if found is not None:
        found.kept(0)
        media["signals"] = found.write
    rows = read_inputs(subject.features, subject.data, shown=bool(media))
    if rows is not None:
        media["inputs"] = rows.write
    return media, {
        "signals": None if found is None else found.record,
        "features": None if rows is None else list(rows.names),
    }


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


def _digest(shown: Any) -> Any:
    """What tells others apart without looking at all: content, or paths with their times."""
    if shown is None or isinstance(shown, (Tensor, np.ndarray)):
        return shown
    if callable(shown):
        return described(shown)
    count = len(shown)
    step = 1 if isinstance(shown, (list, tuple)) else max(1, count // _LOOKED_AT)
    return [count, *(_one_digest(shown, i) for i in range(0, count, step))]


def _one_digest(shown: Sequence[Any], position: int) -> Any:
    one = shown[position]
    try:
        if not isinstance(one, (str, Path)):
            return Digest(one).hex()
        state = Path(one).stat()
    except (OSError, SyntaxError, ValueError):  # painting will say what is wrong
        return str(one)
    return str(one), state.st_size, state.st_mtime_ns
