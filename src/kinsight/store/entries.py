"""What run.json and the sidecars say, as checked objects: both can be written from either."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa

from kinsight.errors import StoreError
from kinsight.store.layout import MOST_ROWS, MOST_SHARDS, Segment, Shard
from kinsight.store.place import Place
from kinsight.store.record import decode, encode, is_digest, mapping, text, whole

SCHEMA = 1
LARGEST_SIDECAR = 1 << 20
_LARGEST_FILE = 1 << 44  # bytes
_MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class Mark:
    """Bytes and SHA-256 of a file."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes | pa.Buffer) -> "Mark":
        """The mark of a file that holds ``content``."""
        return cls(len(memoryview(content)), hashlib.sha256(content).hexdigest())

    @classmethod
    def read(cls, value: Any, where: str) -> "Mark":
        """From the object :meth:`fields` makes."""
        found = mapping(value, where)
        size = whole(found.get("bytes"), 0, _LARGEST_FILE, f"{where}: bytes")
        return cls(size, digest(found.get("sha256"), f"{where}: sha256"))

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {"bytes": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class Entry:
    """A committed shard: its rows, the mark of its data, the marks of its two files."""

    shard: Shard
    data: str
    sketch: Mark
    samples: Mark

    @classmethod
    def read(cls, value: Any, shard: Shard, where: str) -> "Entry":
        """From the object :meth:`fields` makes; it must be about ``shard``."""
        found = mapping(value, where)
        said = tuple(found.get(name) for name in ("start", "rows", "segment"))
        if said != (shard.start, shard.rows, shard.segment) or bool in map(type, said):
            raise StoreError(
                f"{where}: expected rows {shard.start} to {shard.stop} of segment {shard.segment}, "
                f"got start, rows, segment {said!r:.80}"
            )
        return cls(
            shard,
            text(found.get("data"), f"{where}: data"),
            Mark.read(found.get("sketch"), f"{where}: sketch"),
            Mark.read(found.get("samples"), f"{where}: samples"),
        )

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        shard = self.shard
        return {
            "start": shard.start,
            "rows": shard.rows,
            "segment": shard.segment,
            "data": self.data,
            "sketch": self.sketch.fields(),
            "samples": self.samples.fields(),
        }


@dataclass(frozen=True)
class Sidecar:
    """The file that commits a shard: all that run.json will say of it, and of its segment."""

    entry: Entry
    segment: Segment
    columns: dict[str, str]
    head: str

    def encode(self) -> bytes:
        """The bytes of the file."""
        fields = {"schema": SCHEMA, "kind": "shard", "shard": self.entry.shard.index}
        fields |= self.entry.fields()
        fields |= {"of": segment_fields(self.segment), "columns": self.columns, "head": self.head}
        return encode(fields)

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Sidecar":
        """Raises: StoreError: a byte is altered, a field is missing or out of range."""
        found = decode(content, where)
        check_kind(found, "shard", where)
        index = whole(found.get("segment"), 0, MOST_SHARDS, f"{where}: segment")
        segment = read_segment(found.get("of"), index, where)
        shard = read_shard(found, index, where)
        if not segment.start <= shard.start < shard.stop <= segment.stop:
            raise StoreError(f"{where}: expected rows inside its segment")
        return cls(
            Entry.read(found, shard, where),
            segment,
            read_columns(found.get("columns"), where),
            digest(found.get("head"), f"{where}: head"),
        )


@dataclass(frozen=True)
class Group:
    """A further group of columns: what it was computed with and the marks of its files."""

    identity: dict[str, Any]
    columns: dict[str, str] = field(default_factory=dict)
    files: tuple[Mark, ...] = ()  # of shards 0, 1, …; none while it is written
    finished: bool = False


@dataclass(frozen=True)
class GroupSidecar:
    """The file that commits one shard of a group of columns."""

    shard: Shard
    file: Mark
    columns: dict[str, str]
    identity: dict[str, Any]

    def encode(self) -> bytes:
        """The bytes of the file."""
        fields = {"schema": SCHEMA, "kind": "columns", "shard": self.shard.index}
        fields |= {"start": self.shard.start, "rows": self.shard.rows}
        fields |= {"segment": self.shard.segment, "file": self.file.fields()}
        return encode(fields | {"columns": self.columns, "identity": self.identity})

    @classmethod
    def decode(cls, content: bytes, where: str) -> "GroupSidecar":
        """Raises: StoreError: a byte is altered, a field is missing or out of range."""
        found = decode(content, where)
        check_kind(found, "columns", where)
        index = whole(found.get("segment"), 0, MOST_SHARDS, f"{where}: segment")
        return cls(
            read_shard(found, index, where),
            Mark.read(found.get("file"), f"{where}: file"),
            read_columns(found.get("columns"), where),
            mapping(found.get("identity"), f"{where}: identity"),
        )


Kind = TypeVar("Kind", Sidecar, GroupSidecar)


def read_sidecar(place: Place, name: str, kind: type[Kind]) -> Kind | None:
    """A sidecar; None if it is not there or a byte of it is altered.

    Raises:
        StoreError: the file system does not answer, which is no sign that nothing is there.
    """
    size = place.size(name)
    if size is None or size > LARGEST_SIDECAR:
        return None
    content = place.read(name, LARGEST_SIDECAR)
    try:
        return kind.decode(content, place.at(name))
    except StoreError:
        return None


def check_kind(found: dict[str, Any], kind: str, where: str) -> None:
    """Refuse another schema version or kind of file."""
    if found.get("schema") != SCHEMA or found.get("kind") != kind:
        raise StoreError(
            f"{where}: expected kind {kind!r} of schema version {SCHEMA}, got "
            f"{found.get('kind')!r:.60} of {found.get('schema')!r:.60}; another version of "
            "kinsight or another program wrote it"
        )


def digest(value: Any, where: str) -> str:
    """``value`` if it is a SHA-256, else a StoreError."""
    if not is_digest(value):
        raise StoreError(f"{where}: expected a SHA-256 of 64 hexadecimal digits, got {value!r:.80}")
    return value


def read_shard(found: dict[str, Any], segment: int, where: str) -> Shard:
    """The shard that a sidecar is about."""
    return Shard(
        whole(found.get("shard"), 0, MOST_SHARDS - 1, f"{where}: shard"),
        whole(found.get("start"), 0, MOST_ROWS, f"{where}: start"),
        whole(found.get("rows"), 1, 1 << 31, f"{where}: rows"),
        segment,
    )


def segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment as JSON."""
    return {"start": segment.start, "rows": segment.rows, "data": segment.data}


def read_segment(value: Any, index: int, where: str) -> Segment:
    """From the object :func:`segment_fields` makes."""
    found = mapping(value, f"{where}: segment")
    return Segment(
        index,
        whole(found.get("start"), 0, MOST_ROWS, f"{where}: start of segment {index}"),
        whole(found.get("rows"), 1, MOST_ROWS, f"{where}: rows of segment {index}"),
        text(found.get("data"), f"{where}: data of segment {index}"),
    )


def read_columns(value: Any, where: str) -> dict[str, str]:
    """Names and types of the columns of a table."""
    found = mapping(value, f"{where}: columns")
    whole(len(found), 0, _MOST_COLUMNS, f"{where}: number of columns")
    return {name: text(kind, f"{where}: type of {name:.60}") for name, kind in found.items()}
