"""A store of sketches, opened: similarity, nearest samples, and a source for every analysis."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.checks import positive
from kinsight.errors import ArgumentError, StoreError
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import check_neighbours
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.search.index import Index, IndexRecord
from kinsight.search.tiles import gathered
from kinsight.sketching import indexed
from kinsight.sketching.head import identity_of
from kinsight.sketching.law import SketchError
from kinsight.sketching.sketcher import Sketcher
from kinsight.store.source import StoreSource

_BATCH = 64


class Store(StoreSource):
    """What ``ks.sketch`` left in a folder: a source, as exact as its sketches.

    Similarities are cosines of sketches: for every sample 1 with itself, elsewhere off by about
    (1 − k²)/√S (``store.error``). Soft and square densities are sums of them, the square
    corrected for what chance adds; products and influences use the exact norms besides.

    Example:
        >>> import torch, tempfile, kinsight as ks
        >>> kernel = ks.TangentKernel(torch.nn.Linear(3, 1))
        >>> store = ks.sketch(kernel, torch.eye(3), tempfile.mkdtemp() + "/run", dim=64)
        >>> store.similarity(0, 0)
        1.0
        >>> len(store), store.finished
        (3, True)
    """

    @property
    def finished(self) -> bool:
        """Whether every shard is there."""
        return self.folder.finished

    @property
    def error(self) -> SketchError:
        """The error of similarities, measured against the exact kernel on some samples."""
        return SketchError(**self.head["error"])

    def similarity(self, i: int | Sequence[int] | Tensor, j: int | Sequence[int] | Tensor) -> Any:
        """k(x_i, x_j) of stored samples by number: a float, or (len(i), len(j)) for lists."""
        rows, columns = self._positions(i), self._positions(j)
        value = (self.take(rows) @ self.take(columns).T).clamp_(-1, 1)
        apart = self._bad[rows, None] | self._bad[columns]
        value = value.masked_fill(apart, torch.nan)
        single = not isinstance(i, (Sequence, Tensor)) and not isinstance(j, (Sequence, Tensor))
        return round(float(value), 7) if single else value

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
            queries: numbers of stored samples, (Q,); inputs for the network, with ``kernel`` or
                ``rerank``; ``None`` for all samples of the store.
            rerank: take the ``candidates`` best by sketch and order them by the exact kernel:
                ``kernel.on(data)``, or a kernel with the stored ``data`` beside it.
            index: ask the index (:meth:`build_index`), which may miss some.

        Cost: 2·Q·N·S operations and one reading of the store; re-ranking the exact features of
        the queries and of all candidates.

        Raises:
            StoreError: the kernel is not the one that the store was made with.
            ArgumentError: inputs without a kernel, re-ranking without the stored data.
        """
        exact, numbers = self._exact(rerank, data), _as_numbers(queries)
        if queries is None:
            numbers = torch.arange(len(self))
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
        return indexed.make(self.folder, self.rows, kind, recall, seed)

    def take(self, numbers: Tensor) -> Tensor:
        """The sketches of some samples: (len, S) float32."""
        return gathered(self.rows, numbers)

    def check_kernel(self, kernel: TangentKernel) -> None:
        """Refuse a kernel whose similarities are others than those of the store.

        Raises:
            StoreError: names what differs.
        """
        held, now = self.head["identity"], identity_of(kernel)
        now["outputs"] = kernel.engine.outputs or held["outputs"]
        other = [name for name in now if held.get(name) != now[name]]
        if other:
            raise StoreError(
                f"{self.folder.path}: was sketched with another {', '.join(other)} than this "
                "kernel has; use the same network, output, parameters and normalization"
            )

    def _by_index(self, asked: Tensor, numbers: Tensor | None, k: int) -> Neighbours:
        if numbers is not None:
            asked = self.take(numbers).masked_fill(self._bad[numbers, None], torch.nan)
        return self._index.nearest(asked, k, numbers)

    @functools.cached_property
    def _index(self) -> Index:
        return indexed.opened(self.folder, self.rows)

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
        parts = [sketcher(piece) for piece in batches.pieces(_BATCH)]
        phi = torch.cat([part.phi for part in parts])
        bad = torch.cat([part.norm.isnan() for part in parts])
        return phi.masked_fill(bad[:, None], torch.nan)

    def _exact(self, rerank: Any, data: Any) -> ExactSource | None:
        if rerank is None:
            return None
        if isinstance(rerank, TangentKernel):
            if data is None:
                raise ArgumentError(
                    "rerank: expected the stored data beside a kernel, data=…, or kernel.on(data)"
                )
            self.check_kernel(rerank)
            rerank = rerank.on(data)
        if not isinstance(rerank, ExactSource):
            raise ArgumentError(
                f"rerank: expected a kernel or kernel.on(data), got {type(rerank).__name__}"
            )
        if len(rerank) != len(self):
            raise ArgumentError(
                f"rerank: expected the {len(self):,} samples of the store, got {len(rerank):,}"
            )
        return rerank

    def _positions(self, value: Any) -> Tensor:
        found = torch.as_tensor(value).reshape(-1)
        if found.is_floating_point() or bool(((found < 0) | (found >= len(self))).any()):
            raise ArgumentError(
                f"expected numbers of samples from 0 to {len(self) - 1:,}, got {value!r:.60}"
            )
        return found.long()


def _as_numbers(queries: Any) -> Tensor | None:
    """Numbers of stored samples, if that is what they are."""
    if isinstance(queries, Batches) or queries is None:
        return None
    if isinstance(queries, (list, range, tuple)) and all(isinstance(q, int) for q in queries):
        return torch.tensor(list(queries), dtype=torch.long)
    value = torch.as_tensor(queries) if hasattr(queries, "dtype") else None
    whole = value is not None and value.dim() == 1 and not value.is_floating_point()
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
