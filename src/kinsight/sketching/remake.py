"""Shards of a damaged store made again from the data, with the very bytes they had."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.engines.engine import threads_set
from kinsight.errors import StoreError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.sketching.columns import Given
from kinsight.sketching.head import identity_of
from kinsight.sketching.worker import Making, ShardWorker, data_mark
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Segment, Shard
from kinsight.store.ledger import Ledger

Sources = tuple[TangentKernel, Any, Given]


class Remake:
    """``remake`` for :func:`kinsight.store.repair.repair`: sketches a shard again and writes it.

    Shards of samples that were appended from other data are left as they are and listed in
    ``others``, those that were made again in ``made``; ``failed`` tells that one raised.

    Args:
        load: called with the store's head when the first shard is to be made. Returns a kernel
            with the same network, output, parameters, normalization and precision; the data
            that one of the store's segments was made from; ids, labels and columns given then.

    Cost: that of sketching the shard.
    """

    def __init__(self, load: Callable[[dict[str, Any]], Sources]):
        self._load = load
        self._data: Batches | None = None  # nothing is loaded until a shard is to be made
        self._workers: dict[int, ShardWorker] = {}  # by segment
        self.made: list[Shard] = []
        self.others: list[Shard] = []
        self.failed = False

    def __call__(self, folder: StoreFolder, shard: Shard) -> None:
        """Write a shard of the folder again, or note that its data are others.

        Raises:
            StoreError: another kernel than the store's, or the shard came out otherwise.
        """
        if self._data is None:
            self._begin(folder)
        segment = folder.segments[shard.segment]
        if (segment.rows, segment.data) != self._mark:
            self.others.append(shard)
            return
        self.failed = True
        with threads_set(int(folder.head["plan"]["threads"])):
            self._worker(folder, segment)(shard)
        self.failed = False
        self.made.append(shard)

    def _begin(self, folder: StoreFolder) -> None:
        self._kernel, data, self._given = self._load(folder.head)
        batches = self._kernel.engine.read(data)
        self._given.check(len(batches))
        self._check_kernel(folder)
        self._mark = (
            len(batches),
            data_mark(batches, int(folder.head["plan"]["micro_batch"]), self._given),
        )
        self._data = batches

    def _worker(self, folder: StoreFolder, segment: Segment) -> ShardWorker:
        if segment.index not in self._workers:
            given = self._with_ids(folder, segment)
            merged = "merged" in folder.head
            into = _Merged(Ledger.load(folder.place)) if merged else folder
            making = Making(lambda: (self._kernel, self._data), lambda: into, given, segment.start)
            self._workers[segment.index] = making()
        return self._workers[segment.index]

    def _with_ids(self, folder: StoreFolder, segment: Segment) -> Given:
        """What was given; in a merged store without ids, the numbers that its part had counted."""
        if "id" in self._given.arrays or "merged" not in folder.head:
            return self._given
        first = 0
        for shard in (s for s in folder.shards if s.segment == segment.index):
            try:
                told = folder.samples(shard, ["id"])["id"][0].as_py()
            except StoreError:
                continue  # damaged itself: the next one may tell
            first = told - (shard.start - segment.start) if isinstance(told, int) else first
            break
        return self._given.with_ids(pa.array(range(first, first + segment.rows)))

    def _check_kernel(self, folder: StoreFolder) -> None:
        held, now = folder.head["identity"], identity_of(self._kernel)
        other = [name for name in now if name != "outputs" and held.get(name) != now[name]]
        if other:
            raise StoreError(
                f"{folder.path}: was sketched with another {', '.join(other)} than came now; a "
                "shard is made again with the same network, output, parameters and normalization"
            )


class _Merged(StoreFolder):
    """A merged store: its columns had been in a file already when they were written there.

    Parquet calls the values of a list by another name than Arrow does; the bytes tell.
    """

    def write(self, shard: Shard, *, samples: pa.Table, **more: Any) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(samples, sink)
        super().write(shard, samples=pq.read_table(pa.BufferReader(sink.getvalue())), **more)
