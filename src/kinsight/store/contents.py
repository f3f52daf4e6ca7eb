"""run.json of a store: what it is, its segments, the table of its shards, its groups of columns."""

from dataclasses import dataclass, field, replace
from typing import Any

from kinsight.errors import StoreError
from kinsight.store.entries import (
    SCHEMA,
    Entry,
    Group,
    Mark,
    check_kind,
    read_columns,
    read_segment,
    segment_fields,
)
from kinsight.store.layout import MOST_ROWS, Form, Segment, cut, group_name
from kinsight.store.record import decode, encode, mapping, sequence

LARGEST_RECORD = 64 << 20  # bytes
LARGEST_HEAD = 4 << 20
_STATES = ("running", "finished")


@dataclass(frozen=True)
class Contents:
    """What run.json says; shards of the unfinished segment, if there is one, are not in it.

    ``samples``: names and types of the columns of every samples file.
    """

    head: dict[str, Any]
    segments: tuple[Segment, ...] = ()
    entries: tuple[Entry, ...] = ()
    samples: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    @property
    def form(self) -> Form:
        """What the head says of the shape of files."""
        return Form.of(self.head)

    @property
    def finished(self) -> bool:
        """Whether there are segments and all of their shards are in the table."""
        return bool(self.segments) and self.tabled == self.segments[-1].stop

    @property
    def tabled(self) -> int:
        """Rows of the shards in the table."""
        return self.entries[-1].shard.stop if self.entries else 0

    @property
    def unfinished(self) -> Segment | None:
        """The segment under way."""
        return None if self.finished or not self.segments else self.segments[-1]

    def with_group(self, name: str, group: Group | None) -> "Contents":
        """These contents with one group of columns put in, replaced or (None) taken out."""
        groups = {n: g for n, g in self.groups.items() if n != name}
        if group is not None:
            groups[name] = group
        return replace(self, groups=dict(sorted(groups.items())))

    def encode(self) -> bytes:
        """The bytes of run.json.

        Raises:
            StoreError: more than 64 MiB.
        """
        content = encode(
            {
                "schema": SCHEMA,
                "kind": "sketch",
                "status": _STATES[self.finished],
                "rows": self.tabled,
                "head": self.head,
                "segments": [segment_fields(segment) for segment in self.segments],
                "samples": self.samples,
                "columns": {name: _group_fields(group) for name, group in self.groups.items()},
                "shards": [entry.fields() for entry in self.entries],
            }
        )
        if len(content) > LARGEST_RECORD:
            raise StoreError(
                f"run.json: expected at most {LARGEST_RECORD:,} bytes, got {len(content):,}; take "
                "a larger plan.shard_rows"
            )
        return content

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Contents":
        """What :meth:`encode` wrote.

        Raises:
            StoreError: a byte is altered, a field is missing, of the wrong type or out of range,
                shards that do not follow each other.
        """
        found = decode(content, where)
        check_kind(found, "sketch", where)
        head = mapping(found.get("head"), f"{where}: head")
        form = Form.of(head, where)
        segments = _read_segments(found.get("segments"), where)
        entries = _read_entries(found.get("shards"), segments, form, where)
        groups = mapping(found.get("columns"), f"{where}: columns").items()
        contents = cls(
            head,
            segments,
            entries,
            read_columns(found.get("samples"), where),
            {group_name(n): _read_group(g, len(entries), f"{where}: {n}") for n, g in groups},
        )
        said = (found.get("status"), found.get("rows"))
        if said != (_STATES[contents.finished], contents.tabled):
            raise StoreError(f"{where}: status and rows {said!r:.60} are not those of its shards")
        return contents


def _read_segments(value: Any, where: str) -> tuple[Segment, ...]:
    found, row = [], 0
    for index, fields in enumerate(sequence(value, f"{where}: segments")):
        segment = read_segment(fields, index, where)
        if segment.start != row or segment.stop > MOST_ROWS:
            raise StoreError(f"{where}: segment {index} does not begin where the last one ends")
        found.append(segment)
        row = segment.stop
    return tuple(found)


def _read_entries(
    value: Any, segments: tuple[Segment, ...], form: Form, where: str
) -> tuple[Entry, ...]:
    """The table: all shards of all segments, or of all but the last."""
    found, shards = sequence(value, f"{where}: shards"), cut(segments, form)
    counts = [form.count(segment.rows) for segment in segments]
    if len(found) not in (sum(counts), sum(counts[:-1])):
        raise StoreError(
            f"{where}: expected {sum(counts)} shards, or {sum(counts[:-1])} while the last segment "
            f"is written, got {len(found)}"
        )
    pairs = zip(found, shards, strict=False)
    return tuple(Entry.read(v, s, f"{where}: shard {s.index}") for v, s in pairs)


def _group_fields(group: Group) -> dict[str, Any]:
    return {
        "status": _STATES[group.finished],
        "identity": group.identity,
        "columns": group.columns,
        "files": [mark.fields() for mark in group.files],
    }


def _read_group(value: Any, most: int, where: str) -> Group:
    found = mapping(value, where)
    files = sequence(found.get("files"), f"{where}: files")
    status = found.get("status")
    if len(files) > most or status not in _STATES or (status == "running" and files):
        raise StoreError(
            f"{where}: expected at most {most} files, all of them or none, or a status"
        )
    return Group(
        mapping(found.get("identity"), f"{where}: identity"),
        read_columns(found.get("columns"), where),
        tuple(Mark.read(v, f"{where}: file {i}") for i, v in enumerate(files)),
        status == "finished",
    )
