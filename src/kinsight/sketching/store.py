"""A store of sketches, opened: similarity, nearest samples, and a source for every analysis."""

from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.checks import one_of, positive
from kinsight.errors import ArgumentError, StoreError
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import check_neighbours
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.provenance.data import DataDigest
from kinsight.search.index import Index, IndexRecord
from kinsight.search.maps import principal_map, umap_map
from kinsight.search.tiles import gathered
from kinsight.sketching import indexed
from kinsight.sketching.head import identity_of
from kinsight.sketching.law import SketchError
from kinsight.sketching.sketcher import Sketcher
from kinsight.store.source import StoreSource

_CHECKED = 4  # shards whose data are compared before re-ranking
_MAPPED = 15  # neighbours of each sample for UMAP


class Store(StoreSource):
    """What ``ks.sketch`` left in a folder: a source, as exact as its sketches.

    Similarities are cosines of sketches: 1 for a sample with itself, elsewhere off by about
    (1 − k²)/√S (``store.error``). Soft and square densities are sums of them, the square
    corrected for what chance adds; products and influences use the exact norms besides.

    Example:
        >>> import torch, tempfile, kinsight as ks
        >>> kernel = ks.TangentKernel(torch.nn.Linear(3, 1))
        >>> store = ks.sketch(kernel, torch.eye(3), tempfile.mkdtemp() + "/run", dim=64)
        >>> round(store.similarity(0, 0), 6)
        1.0
        >>> len(store), store.finished
        (3, True)
    """

    _opened: Index | None = None

    @property
    def finished(self) -> bool:
        """Whether every shard is there."""
        return self.folder.finished

    @property
    def error(self) -> SketchError:
        """The error of similarities, measured against the exact kernel on some samples."""
        return SketchError(**self.head["error"])

    def similarity(self, i: Any, j: Any) -> Any:
        """k(x_i, x_j) of stored samples by number: a float, or (len(i), len(j)) for lists."""
        rows, columns = self._positions(i), self._positions(j)
        value = (_unit(self.take(rows)) @ _unit(self.take(columns)).T).clamp_(-1, 1)
        apart = self._bad[rows, None] | self._bad[columns]
        value = value.masked_fill(apart, torch.nan)
        return float(value) if not hasattr(i, "__len__") and not hasattr(j, "__len__") else value

    def nearest(
        self,
        queries: Any = None,
        k: int = 10,
        *,
        kernel: TangentKernel | None = None,
        rerank: TangentKernel | ExactSource | None = None,
        data: Any = None,
        candidates: int = 50,
        index: bool = False,
    ) -> Neighbours:
        """The k most similar samples of the store, most similar first, itself excluded.

        Args:
            queries: numbers of stored samples, (Q,), ``None`` for all; with ``kernel``, or where
                they are not whole numbers, inputs for the network.
            rerank: take the ``candidates`` best by sketch and order them by the exact kernel:
                ``kernel.on(data)``, or a kernel with the stored ``data`` beside it.
            index: ask the index (:meth:`build_index`), which may miss some.

        Cost: 2·Q·N·S operations, one reading of the store; exact features of all candidates.

        Raises:
            StoreError: the kernel is not the one that the store was made with, the data are
                not those of the store.
            ArgumentError: inputs without a kernel, re-ranking without the stored data.
        """
        exact, numbers = self._exact(rerank, data), self._asked_numbers(queries, kernel)
        check_neighbours(k, len(self), themselves=numbers is not None)
        wanted = k if exact is None else max(positive("candidates", candidates), k)
        wanted = min(wanted, len(self) - (numbers is not None))
        asked = numbers if numbers is not None else self._sketches_of(queries, kernel, rerank)
        if index:
            found = self._by_index(asked, numbers, wanted)
        else:
            found = super().nearest(None if queries is None else asked, wanted)
        if exact is None:
            return found
        check_stored(self, exact.samples, found.indices)
        ours = exact.other(queries) if numbers is None else exact.part(numbers)
        return _reranked(found, ours, exact, k)

    def build_index(
        self, kind: Literal["auto", "flat", "sq8"] = "auto", recall: float = 0.95, seed: int = 0
    ) -> IndexRecord:
        """An index in the store's folder, with the recall that it reached on a sample.

        Raises:
            MissingExtraError: ``pip install 'kinsight[faiss]'``.
            StoreError: the store is not on a local disk.
        """
        self.folder.refresh()
        if not self.finished or len(self.folder) != len(self):
            raise StoreError(
                f"{self.folder.path}: expected a finished store with the {len(self):,} rows it had "
                "when it was opened; finish it, and open it anew"
            )
        self._opened = None
        return indexed.make(self.folder, self.rows, kind, recall, seed)

    def map(self, kind: Literal["principal", "umap"] = "principal", seed: int = 0) -> Tensor:
        """Places in the plane: (N, 2), NaN for samples without gradient.

        ``"principal"``: components of most variance. ``"umap"``: UMAP on the 15 nearest of each
        sample, which takes all pairs.

        Raises:
            MissingExtraError: ``pip install 'kinsight[map]'``.
        """
        start = principal_map(self.rows).points
        if one_of("kind", kind, ("principal", "umap")) == "principal":
            return start
        nearest = super().nearest(None, min(_MAPPED, len(self) - 1))
        return umap_map(nearest, start, seed)

    def take(self, numbers: Tensor) -> Tensor:
        """The sketches of some samples: (len, S) float32."""
        return gathered(self.rows, numbers)

    def check_kernel(self, kernel: TangentKernel | ExactSource) -> None:
        """Refuse a kernel whose similarities are others than those of the store.

        Raises:
            StoreError: names what differs.
        """
        held, now = self.head["identity"], identity_of(kernel)
        now["outputs"] = now["outputs"] or held["outputs"]
        other = [name for name in now if held.get(name) != now[name]]
        if other:
            raise StoreError(
                f"{self.folder.path}: was sketched with another {', '.join(other)} than this "
                "kernel has; use the same network, output, parameters and normalization"
            )

    def _asked_numbers(self, queries: Any, kernel: TangentKernel | None) -> Tensor | None:
        """Numbers of stored samples, if that is what queries are."""
        if queries is None:
            return torch.arange(len(self))
        numbers = None if kernel is not None else _as_numbers(queries)
        return None if numbers is None else self._positions(numbers)

    def _by_index(self, asked: Tensor, numbers: Tensor | None, k: int) -> Neighbours:
        if numbers is not None:
            asked = self.take(numbers).masked_fill(self._bad[numbers, None], torch.nan)
        if self._opened is None:
            self._opened = indexed.opened(self.folder, self.rows)
        return self._opened.nearest(asked, k, numbers)

    def _sketches_of(self, inputs: Any, kernel: TangentKernel | None, rerank: Any) -> Tensor:
        if kernel is None and isinstance(rerank, TangentKernel):
            kernel = rerank
        if kernel is None:
            raise ArgumentError(
                "queries: expected numbers of stored samples, or inputs together with kernel=, "
                "the kernel that the store was made with"
            )
        self.check_kernel(kernel)
        batches = kernel.engine.read(inputs)
        form = self.head["sketch"]
        sketcher = Sketcher(kernel, form["dim"], form["seed"])
        parts = [sketcher(piece) for piece in batches.pieces(int(self.head["plan"]["micro_batch"]))]
        phi = torch.cat([part.phi for part in parts])
        bad = torch.cat([part.norm.isnan() for part in parts])
        return phi.masked_fill(bad[:, None], torch.nan)

    def _exact(self, rerank: Any, data: Any) -> ExactSource | None:
        if rerank is None:
            if data is not None:
                raise ArgumentError("data: expected rerank=kernel beside it, got none")
            return None
        if isinstance(rerank, TangentKernel):
            if data is None:
                raise ArgumentError(
                    "rerank: expected the stored data beside a kernel, data=…, or kernel.on(data)"
                )
            rerank = rerank.on(data)
        if not isinstance(rerank, ExactSource):
            raise ArgumentError(
                f"rerank: expected a kernel or kernel.on(data), got {type(rerank).__name__}"
            )
        self.check_kernel(rerank)
        if len(rerank) != len(self):
            raise ArgumentError(
                f"rerank: expected the {len(self):,} samples of the store, got {len(rerank):,}"
            )
        return rerank

    def _positions(self, value: Any) -> Tensor:
        found = torch.as_tensor(value).reshape(-1)
        whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
        if not whole or bool(((found < 0) | (found >= len(self))).any()):
            raise ArgumentError(
                f"expected numbers of samples from 0 to {len(self) - 1:,}, got {value!r:.60}"
            )
        return found.long()


def check_stored(store: Store, data: Batches, indices: Tensor) -> None:
    """Refuse data that are not those of the store, where candidates lie: up to four shards.

    Raises:
        StoreError: they are not.
    """
    folder, micro = store.folder, int(store.head["plan"]["micro_batch"])
    hit = [
        shard for shard in folder.shards
        if bool(((indices >= shard.start) & (indices < shard.stop)).any())
    ]  # fmt: skip
    for shard in hit[:: max(1, -(-len(hit) // _CHECKED))]:
        digest = DataDigest()
        for piece in data.pieces(micro, shard.start, shard.stop):
            digest.add(piece.batch)
        if digest.hex() != folder.data_of(shard):
            raise StoreError(
                f"{folder.path}: rows {shard.start:,} to {shard.stop - 1:,} were sketched from "
                "other samples than data= has; pass the stored data, in their order, with the "
                "labels that were in their batches"
            )


def _unit(rows: Tensor) -> Tensor:
    """Rows of norm 1, which float16 had changed a little; zero rows stay."""
    return torch.nn.functional.normalize(rows, dim=1)


def _as_numbers(queries: Any) -> Tensor | None:
    """Numbers of stored samples, if that is what they are."""
    if isinstance(queries, Batches) or queries is None:
        return None
    if isinstance(queries, (list, range, tuple)) and all(type(q) is int for q in queries):
        return torch.tensor(list(queries), dtype=torch.long)
    value = torch.as_tensor(queries) if hasattr(queries, "dtype") else None
    kinds = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
    whole = value is not None and value.dim() == 1 and value.dtype in kinds
    return value.long() if whole and value is not None else None


def _reranked(found: Neighbours, ours: ExactSource, stored: ExactSource, k: int) -> Neighbours:
    """The candidates in the order of their exact similarity."""
    union = found.indices[found.indices >= 0].unique()
    place = torch.searchsorted(union, found.indices.clamp_min(0))
    values = torch.full(found.values.shape, -torch.inf)
    for block in ours.blocks(reference=stored.samples.part(union.tolist())):
        rows, columns = block.rows, block.columns
        inside = (place[rows] >= columns.start) & (place[rows] < columns.stop)
        where = (place[rows] - columns.start).clamp(0, block.values.shape[1] - 1)
        values[rows] = torch.where(inside, block.values.gather(1, where).float(), values[rows])
    values = values.masked_fill(values.isnan() | (found.indices < 0), -torch.inf)
    # Ties go to the smaller index, as everywhere: candidates in the order of their numbers first.
    order = found.indices.argsort(1)
    values, indices = values.gather(1, order), found.indices.gather(1, order)
    best = values.sort(dim=1, descending=True, stable=True).indices[:, :k]
    values, indices = values.gather(1, best), indices.gather(1, best)
    return Neighbours(values, torch.where(values == -torch.inf, -1, indices))
