"""Which rows are in which file: segments, the shards they are cut into, and the names of files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kinsight.errors import StoreError
from kinsight.store.record import mapping, whole

RECORD = "run.json"
SKETCH, SAMPLES, COLUMNS = "sketch", "samples", "columns"
MOST_SHARDS = 1_000_000  # six digits name them
MOST_ROWS = 1 << 40
MOST_NUMBERS = 1 << 24  # in a row
_SHARD = r"shard-(\d{6})"
SKETCH_FILE = re.compile(_SHARD + r"\.(?:arrow|json)")
SAMPLES_FILE = re.compile(_SHARD + r"\.parquet")
COLUMNS_FILE = re.compile(_SHARD + r"\.(?:parquet|json)")
ANY_FILE = re.compile(_SHARD + r"\.(?:arrow|parquet|json)")
RECORD_FILE = re.compile(re.escape(RECORD))
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that were appended together: the first of them, how many, and a mark of their data."""

    index: int
    start: int
    rows: int
    data: str

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + self.rows


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows ``start`` to ``stop`` of the store, all of one segment, in files of their own."""

    index: int
    start: int
    rows: int
    segment: int

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + self.rows

    @property
    def sidecar(self) -> str:
        """The file whose presence commits the shard."""
        return f"{SKETCH}/shard-{self.index:06d}.json"

    @property
    def sketch(self) -> str:
        """The file of its sketches."""
        return f"{SKETCH}/shard-{self.index:06d}.arrow"

    @property
    def samples(self) -> str:
        """The file of its columns."""
        return f"{SAMPLES}/shard-{self.index:06d}.parquet"

    def columns(self, group: str) -> str:
        """The file of a further group of columns."""
        return f"{COLUMNS}/{group}/shard-{self.index:06d}.parquet"

    def columns_sidecar(self, group: str) -> str:
        """The file whose presence commits that."""
        return f"{COLUMNS}/{group}/shard-{self.index:06d}.json"


@dataclass(frozen=True, slots=True)
class Form:
    """What the head says of the shape of files: S numbers a row, D outputs, rows a shard."""

    dim: int
    outputs: int
    shard_rows: int

    @classmethod
    def of(cls, head: dict[str, Any], where: str = "head") -> "Form":
        """From ``sketch.dim``, ``sketch.outputs`` (1 if absent) and ``plan.shard_rows``."""
        sketch = mapping(head.get("sketch"), f"{where}: sketch")
        plan = mapping(head.get("plan"), f"{where}: plan")
        form = cls(
            whole(sketch.get("dim"), 1, MOST_NUMBERS, f"{where}: sketch.dim"),
            whole(sketch.get("outputs", 1), 1, MOST_NUMBERS, f"{where}: sketch.outputs"),
            whole(plan.get("shard_rows"), 1, 1 << 31, f"{where}: plan.shard_rows"),
        )
        whole(form.dim * form.outputs, 1, MOST_NUMBERS, f"{where}: sketch.dim × sketch.outputs")
        return form

    def count(self, rows: int) -> int:
        """Shards of a segment of so many rows."""
        return -(-rows // self.shard_rows)


def group_name(name: Any) -> str:
    """The name of a group of columns if it can be the name of a folder anywhere."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise StoreError(
            "name of columns: expected letters, digits, _ and -, at most 64 of them, beginning "
            f"with a letter or a digit, got {name!r:.80}"
        )
    return name


def cut(segments: tuple[Segment, ...], form: Form) -> Iterator[Shard]:
    """All shards of segments, numbered through: ``shard_rows`` rows each, a segment's last fewer.

    Raises:
        StoreError: more than a million.
    """
    total = sum(form.count(segment.rows) for segment in segments)
    if total > MOST_SHARDS:
        raise StoreError(
            f"expected at most {MOST_SHARDS:,} shards, got {total:,} of {form.shard_rows:,} rows; "
            "take a larger plan.shard_rows"
        )
    return (s for segment in segments for s in cut_one(segments, segment.index, form))


def cut_one(segments: tuple[Segment, ...], index: int, form: Form) -> Iterator[Shard]:
    """The shards of one of the segments."""
    segment, first = segments[index], sum(form.count(s.rows) for s in segments[:index])
    for number, start in enumerate(range(segment.start, segment.stop, form.shard_rows), first):
        yield Shard(number, start, min(form.shard_rows, segment.stop - start), index)
