"""The rows of a store within reach: a click finds its nearest with one look at each of them."""

from threading import Lock

import torch
from torch import Tensor

from kinsight.errors import StoreError
from kinsight.kernel.budget import memory_budget
from kinsight.kernel.neighbours import Neighbours
from kinsight.search.rescore import rescored
from kinsight.search.tiles import gathered, one_thread
from kinsight.sketching.store import Store

_MOST_SHARDS = 16_384  # files kept open, each mapped once
_ROUNDING = 1e-4  # of similarities in float32, generously
_MOST_CANDIDATES = 4096


class Reach:
    """The nearest samples of one, by its sketch; as exact as ``Store.nearest``.

    The shards of a store on this disk are mapped: memory is that of the system's cache, which it
    takes back when it needs it. Those of a store elsewhere are kept in memory as float16 up to a
    quarter of the machine's; beyond that an index answers, if one is there, or the store is read
    again for every click.

    Cost of a click: N S multiplications on one core, one reading of N S float16.
    """

    def __init__(self, store: Store):
        self.store = store
        self._lock = Lock()
        self._shards: list[Tensor] | None = None
        local = store.folder.place.local is not None
        fits = 2 * len(store) * store.rows.dim <= memory_budget(None, torch.device("cpu"))
        self._keep = (local or fits) and len(store.rows.shards) <= _MOST_SHARDS
        self._index: bool | None = None

    def nearest(self, sample: int, k: int) -> list[tuple[int, float]]:
        """The k most similar samples, most similar first; none where it is set apart."""
        if not self._keep:
            return _listed(self._elsewhere(sample, k))
        with self._lock:
            query = gathered(self.store.rows, torch.tensor([sample]))
            if not bool(query.any()):
                return []
            similarity = self._products(query[0])
        similarity[sample] = -torch.inf
        return self._best(query, similarity, k)

    def warm(self) -> None:
        """Open all shards, so that the first click is as fast as the others."""
        if self._keep:
            with self._lock:
                self._opened()

    def _opened(self) -> list[Tensor]:
        if self._shards is None:
            rows = self.store.rows
            self._shards = [rows.read(shard) for shard in range(len(rows.shards))]
        return self._shards

    def _products(self, query: Tensor) -> Tensor:
        """Similarity with all rows: (N,) float32."""
        shards = self._opened()
        found = torch.empty(len(self.store))
        buffer = torch.empty(max(len(shard) for shard in shards), len(query))
        start = 0
        with one_thread():  # memory limits it, not the cores
            for shard in shards:
                tile = buffer[: len(shard)].copy_(shard)
                torch.mv(tile, query, out=found[start : start + len(shard)])
                start += len(shard)
        return found

    def _best(self, query: Tensor, similarity: Tensor, k: int) -> list[tuple[int, float]]:
        """The k best, compared once more in float64, so that equal rows tie."""
        similarity[self.store.norms().isnan() | (self.store.norms() == 0)] = -torch.inf
        least = similarity.topk(min(k, len(similarity))).values[-1]
        candidates = (similarity >= least - _ROUNDING).nonzero()[:, 0]
        candidates = candidates[similarity[candidates] > -torch.inf]
        if len(candidates) > _MOST_CANDIDATES:  # hardly anything tells them apart
            order = similarity[candidates].argsort(descending=True, stable=True)
            candidates = candidates[order[:_MOST_CANDIDATES]]
        return _listed(rescored(self.store.rows, query, candidates[None], k))

    def _elsewhere(self, sample: int, k: int) -> Neighbours:
        with self._lock:
            if self._index is not False:
                try:
                    found = self.store.nearest([sample], k, index=True)
                    self._index = True
                    return found
                except StoreError:  # there is none
                    self._index = False
            return self.store.nearest([sample], k)


def _listed(found: Neighbours) -> list[tuple[int, float]]:
    pairs = zip(found.indices[0].tolist(), found.values[0].tolist(), strict=True)
    return [(i, v) for i, v in pairs if i >= 0]
