"""run.json made again from what the shards and their sidecars say of themselves."""

from collections.abc import Iterator
from typing import Any

from kinsight.errors import StoreError
from kinsight.store import arrow
from kinsight.store.contents import Contents
from kinsight.store.entries import Group, GroupSidecar, Sidecar, read_sidecar
from kinsight.store.layout import (
    COLUMNS,
    COLUMNS_FILE,
    SKETCH,
    SKETCH_FILE,
    Form,
    Segment,
    cut,
    group_name,
)
from kinsight.store.place import Place
from kinsight.store.record import digest_of, normalized


def gather(place: Place) -> Contents | None:
    """The contents that run.json had, byte for byte if all sidecars and one shard are whole.

    A segment whose sidecars are not all there is under way; so is a group of columns that does
    not end where a segment ends. None if no shard and sidecar agree
    on a head, or a sidecar of a segment before the last is damaged too.
    """
    sidecars = dict(_sidecars(place))
    for digest in sorted({sidecar.head for sidecar in sidecars.values()}):
        ours = {i: sidecar for i, sidecar in sidecars.items() if sidecar.head == digest}
        head = _head(place, ours, digest)
        if head is not None:
            return _contents(place, head, ours)
    return None


def _contents(place: Place, head: dict[str, Any], sidecars: dict[int, Sidecar]) -> Contents | None:
    segments = _segments(sidecars)
    form = Form.of(head)
    found = []
    for shard in cut(segments, form):
        sidecar = sidecars.get(shard.index)
        if sidecar is None or (sidecar.entry.shard, sidecar.segment) != (
            shard,
            segments[shard.segment],
        ):
            break
        found.append(sidecar)
    counts = [form.count(segment.rows) for segment in segments]
    if len(found) < sum(counts):  # the last segment is under way
        if len(found) < sum(counts[:-1]):
            return None  # of a finished segment, run.json and a sidecar are damaged together
        found = found[: sum(counts[:-1])]
    samples = found[0].columns if found else {}
    contents = Contents(head, segments, tuple(s.entry for s in found), samples)
    for name in place.folders(COLUMNS):
        contents = contents.with_group(group_name(name), _group(place, name, contents))
    return contents


def _sidecars(place: Place) -> Iterator[tuple[int, Sidecar]]:
    for name in sorted(place.files(SKETCH)):
        match = SKETCH_FILE.fullmatch(name)
        if match is None or not name.endswith(".json"):
            continue
        path = f"{SKETCH}/{name}"
        sidecar = read_sidecar(place, path, Sidecar)
        if sidecar is not None and sidecar.entry.shard.index == int(match[1]):
            yield int(match[1]), sidecar


def _head(place: Place, sidecars: dict[int, Sidecar], digest: str) -> dict[str, Any] | None:
    """The head that an Arrow file of these sidecars says, if it has the digest they say."""
    for sidecar in sidecars.values():
        name = sidecar.entry.shard.sketch
        try:
            if place.digest(name) != (sidecar.entry.sketch.size, sidecar.entry.sketch.sha256):
                continue
            with place.open(name) as source:
                head = normalized("head", arrow.schema_of(source, place.at(name))[1]["head"])
            Form.of(head)
        except StoreError:
            continue
        if digest_of(head) == digest:
            return head
    return None


def _segments(sidecars: dict[int, Sidecar]) -> tuple[Segment, ...]:
    """The segments that sidecars name, as far as they follow each other."""
    named = {s.segment.index: s.segment for s in sidecars.values()}
    found, row = [], 0
    for index in range(len(named)):
        segment = named.get(index)
        if segment is None or segment.start != row:
            break
        found.append(segment)
        row = segment.stop
    return tuple(found)


def _group(place: Place, name: str, contents: Contents) -> Group | None:
    """A group of columns from its sidecars: finished if they end where a segment ends."""
    folder, found = f"{COLUMNS}/{name}", []
    there = [n for n in place.files(folder) if COLUMNS_FILE.fullmatch(n) and n.endswith(".json")]
    for shard in cut(contents.segments, contents.form):
        path = shard.columns_sidecar(name)
        if path.rsplit("/", 1)[1] not in there:
            break
        sidecar = read_sidecar(place, path, GroupSidecar)
        if sidecar is None or sidecar.shard != shard:
            break
        if found and sidecar.identity != found[0].identity:
            break
        found.append(sidecar)
    if not found:
        return None
    tabled = found[-1].shard.stop <= contents.tabled and len(there) == len(found)
    if not tabled or found[-1].shard.stop not in {s.stop for s in contents.segments}:
        return Group(found[0].identity)
    return Group(found[0].identity, found[0].columns, tuple(s.file for s in found), True)
