"""What is committed in a store: run.json for finished segments, sidecars for the one under way."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from kinsight.errors import StoreError
from kinsight.store.contents import LARGEST_RECORD, Contents
from kinsight.store.entries import Entry, Sidecar, read_sidecar
from kinsight.store.layout import (
    MOST_ROWS,
    RECORD,
    RECORD_FILE,
    SAMPLES,
    SAMPLES_FILE,
    SKETCH,
    SKETCH_FILE,
    Segment,
    Shard,
    cut,
    cut_one,
)
from kinsight.store.place import Place
from kinsight.store.record import compact, differences, digest_of, text, whole


class Ledger:
    """The one place that reads and writes run.json and the sidecars of sketches.

    A shard is committed when its sidecar is there, whole and of this head. What was found
    committed is kept in memory: nothing committed is ever taken back.
    """

    def __init__(self, place: Place, contents: Contents):
        self.place = place
        self.contents = contents
        self.form = contents.form
        self.head_bytes = len(compact(contents.head))
        self.head_digest = digest_of(contents.head)
        self._seen: dict[int, Sidecar] = {}
        self._looked = False

    @classmethod
    def load(cls, place: Place) -> "Ledger":
        """The ledger of a store that is there."""
        content, seen = place.read(RECORD, LARGEST_RECORD), None
        while True:
            try:
                return cls(place, Contents.decode(content, place.at(RECORD)))
            except StoreError:
                # Where a file is read in several requests, a writer may have come between them.
                content, seen = place.read(RECORD, LARGEST_RECORD), content
                if content == seen:
                    raise

    def save(self, contents: Contents) -> None:
        """Put run.json there in one step, and go on with what it says."""
        self.place.write(RECORD, contents.encode())
        self.contents = contents

    def reload(self) -> None:
        """Read run.json again: others may have written it.

        Raises:
            StoreError: another store was begun in this place.
        """
        found = Ledger.load(self.place)
        if found.head_digest != self.head_digest:
            raise StoreError(f"{self.place}: another store was begun here meanwhile; open it anew")
        self.contents, self._seen, self._looked = found.contents, {}, False

    def shards(self, segment: Segment | None) -> Iterator[Shard]:
        """The shards a segment is cut into; none of None."""
        if segment is None:
            return iter(())
        return cut_one(self.contents.segments, segment.index, self.form)

    def committed(self) -> list[Entry]:
        """The committed shards that follow each other from row 0 without a gap."""
        found = list(self.contents.entries)
        for shard in self.shards(self.contents.unfinished):
            sidecar = self.sidecar(shard)
            if sidecar is None:
                break
            found.append(sidecar.entry)
        return found

    def sidecar(self, shard: Shard) -> Sidecar | None:
        """The sidecar of a shard of the segment under way; None if it is absent or damaged."""
        if shard.index not in self._seen:
            found = read_sidecar(self.place, shard.sidecar, Sidecar)
            key = (shard, self.contents.segments[shard.segment], self.head_digest)
            if found is None or (found.entry.shard, found.segment, found.head) != key:
                return None
            self._seen[shard.index] = found
        return self._seen[shard.index]

    def missing(self, segment: Segment) -> list[Shard]:
        """Shards of a segment that are not committed, or whose files are absent or cut short."""
        sketches, samples = self.place.files(SKETCH), self.place.files(SAMPLES)
        missing = []
        for shard in self.shards(segment):
            sketch, sidecar = shard.sketch.split("/")[1], shard.sidecar.split("/")[1]
            entry = self.entry(shard) if sidecar in sketches else None
            sizes = (sketches.get(sketch), samples.get(shard.samples.split("/")[1]))
            if entry is None or sizes != (entry.sketch.size, entry.samples.size):
                missing.append(shard)
        return missing

    def entry(self, shard: Shard) -> Entry | None:
        """What is known of a committed shard, None if it is not committed."""
        if shard.index < len(self.contents.entries):
            return self.contents.entries[shard.index]
        sidecar = self.sidecar(shard)
        return None if sidecar is None else sidecar.entry

    def commit(
        self, entry: Entry, columns: dict[str, str], sketch: pa.Buffer, samples: pa.Buffer
    ) -> None:
        """Write the files of a shard, then the sidecar that commits it.

        Raises:
            StoreError: the shard was committed before with another content, or its samples have
                other columns than those of the store.
        """
        shard = entry.shard
        self._check_columns(columns, shard)
        before = self.entry(shard)
        if before is not None and before != entry:
            self._check_may_change(shard, before)
            self.place.remove(shard.sidecar)
            self._seen.pop(shard.index, None)
        segment = self.contents.segments[shard.segment]
        sidecar = Sidecar(entry, segment, columns, self.head_digest)
        write_anew(self.place, shard.sketch, sketch)
        write_anew(self.place, shard.samples, samples)
        write_anew(self.place, shard.sidecar, sidecar.encode())
        self._seen[shard.index] = sidecar

    def begin(self, rows: int, data: str) -> Segment:
        """The segment of these data, as :meth:`kinsight.store.folder.StoreFolder.begin` says."""
        self.reload()
        contents = self.contents
        last = contents.segments[-1] if contents.segments else None
        if last is not None and (last.rows, last.data) == (rows, data):
            return last
        if contents.unfinished is not None:
            raise StoreError(
                f"{self.place}: {contents.unfinished.rows:,} rows of data "
                f"{contents.unfinished.data:.80} are being written, asked to begin {rows:,} rows "
                f"of {data:.80}; finish those first, or begin anew with fresh=True"
            )
        return self.append(rows, data)

    def append(self, rows: int, data: str) -> Segment:
        """A new segment after the last, which is finished."""
        contents = self.contents
        start = contents.segments[-1].stop if contents.segments else 0
        whole(rows, 1, MOST_ROWS - start, "rows of a segment")
        segment = Segment(len(contents.segments), start, rows, text(data, "data of a segment"))
        grown = replace(contents, segments=(*contents.segments, segment))
        cut(grown.segments, self.form)  # so many shards have names
        self.save(grown)
        return segment

    def finish(self) -> None:
        """Put all shards into run.json; nothing to do when they are."""
        self.reload()
        segment = self.contents.unfinished
        if not self.contents.segments:
            raise StoreError(f"{self.place}: expected a segment to finish; begin() and write() one")
        if segment is not None:
            missing = self.missing(segment)
            if missing:
                raise StoreError(
                    f"{self.place}: {len(missing)} shards are not written, the first is shard "
                    f"{missing[0].index}; missing() lists them, write() them and finish again"
                )
            self.save(self._complete(segment))
        self.place.clear_asides("", RECORD_FILE)
        self.place.clear_asides(SKETCH, SKETCH_FILE)
        self.place.clear_asides(SAMPLES, SAMPLES_FILE)

    def known(self, shard: Shard | int) -> Entry:
        """What is known of a committed shard, by itself or its index.

        Raises:
            StoreError: it is not of this store, or not committed.
        """
        index = shard if isinstance(shard, int) else shard.index
        entry = None
        if 0 <= index < len(self.contents.entries):
            entry = self.contents.entries[index]
        elif self.contents.unfinished is not None:
            found = self._shard(self.contents.unfinished, index)
            entry = self.entry(found) if found is not None else None
        if entry is None or shard not in (index, entry.shard):
            raise StoreError(f"{self.place}: expected a committed shard, got {shard!r:.120}")
        return entry

    def columns_under_way(self) -> dict[str, str]:
        """The columns of the samples of committed shards while the first segment is written."""
        first = next(self.shards(self.contents.unfinished), None)
        sidecar = None if first is None else self.sidecar(first)
        return {} if sidecar is None else sidecar.columns

    def check(self, shard: Shard) -> None:
        """Refuse a shard that is not one of this store's."""
        segments = self.contents.segments
        inside = 0 <= shard.segment < len(segments)
        if not inside or self._shard(segments[shard.segment], shard.index) != shard:
            raise StoreError(
                f"{self.place}: expected one of the shards that missing() lists, got {shard!r:.120}"
            )

    def _shard(self, segment: Segment, index: int) -> Shard | None:
        """The shard of a segment with that index, without making all of them."""
        counts = [self.form.count(s.rows) for s in self.contents.segments[: segment.index + 1]]
        first, step = sum(counts[:-1]), self.form.shard_rows
        start = segment.start + (index - first) * step
        if not segment.start <= start < segment.stop:
            return None
        return Shard(index, start, min(step, segment.stop - start), segment.index)

    def _complete(self, segment: Segment) -> Contents:
        sidecars = [self._seen[shard.index] for shard in self.shards(segment)]
        for sidecar in sidecars:
            self._check_columns(sidecar.columns, sidecar.entry.shard, sidecars[0].columns)
        entries = (*self.contents.entries, *(sidecar.entry for sidecar in sidecars))
        return replace(self.contents, entries=entries, samples=sidecars[0].columns)

    def _check_columns(
        self, columns: dict[str, str], shard: Shard, among: dict[str, str] | None = None
    ) -> None:
        """One table of all samples files needs the same columns in each, in the same order."""
        expected = self.contents.samples or among or self._columns_of_any() or columns
        if list(columns.items()) != list(expected.items()):
            said = "; ".join(differences(expected, columns)) or "their order is another"
            raise StoreError(
                f"{self.place.at(shard.samples)}: expected the columns of the other shards: {said}"
            )

    def _columns_of_any(self) -> dict[str, str] | None:
        """The columns of some committed shard; looked for once, what this process wrote counts."""
        if not self._seen and not self._looked:
            self._looked = True
            there = self.place.files(SKETCH)
            shards = self.shards(self.contents.unfinished)
            listed = (s for s in shards if s.sidecar.split("/")[1] in there)
            next((s for s in listed if self.sidecar(s) is not None), None)
        return next((sidecar.columns for sidecar in self._seen.values()), None)

    def _check_may_change(self, shard: Shard, before: Entry) -> None:
        """A shard may come out another way only where nothing was lost of the first."""
        sizes = (self.place.size(shard.sketch), self.place.size(shard.samples))
        intact = sizes == (before.sketch.size, before.samples.size)
        if intact or shard.index < len(self.contents.entries):
            raise StoreError(
                f"{self.place}: shard {shard.index} was committed with other data or came out "
                "differently than before: the checksum of its files is another. Make it from the "
                "same data with the same network, settings and versions, or begin anew with "
                "fresh=True"
            )


def write_anew(place: Place, name: str, content: bytes | pa.Buffer) -> None:
    """Write a file, after what killed processes left of it was removed to make room."""
    folder, _, bare = name.rpartition("/")
    place.clear_asides(folder, re.compile(re.escape(bare)))
    place.write(name, content)
