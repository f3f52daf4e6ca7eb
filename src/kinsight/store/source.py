"""A store as a source: its rows, norms and outputs, and D×D kernels where they were kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow.fs import FileSystem
from torch import Tensor

from kinsight.errors import ArgumentError, StoreError
from kinsight.kernel.stream import Block
from kinsight.search.moments import square
from kinsight.search.source import RowsSource
from kinsight.store.folder import StoreFolder


class StoreRows:
    """The sketches of a store as rows in shards."""

    def __init__(self, folder: StoreFolder):
        self.folder = folder
        self._shards = folder.shards

    def __len__(self) -> int:
        return self._shards[-1].stop

    @property
    def dim(self) -> int:
        """S: numbers a row."""
        return int(self.folder.head["sketch"]["dim"])

    @property
    def shards(self) -> Sequence[range]:
        """The rows of each shard."""
        return [range(shard.start, shard.stop) for shard in self._shards]

    def read(self, shard: int) -> Tensor:
        """(n, S) float16, mapped."""
        return self.folder.read(self._shards[shard])


class StoreSource(RowsSource):
    """The shards of a store that are committed when it is opened.

    Args:
        path: the folder of the store, or a URI.
        filesystem: of pyarrow, where ``path`` is no URI.
        memory_budget: bytes for results and blocks; default a quarter of the machine's.

    Raises:
        StoreError: no store, a damaged one, or none of its shards is there yet.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        filesystem: FileSystem | None = None,
        memory_budget: int | None = None,
    ):
        self.folder = StoreFolder.open(path, filesystem=filesystem)
        if not len(self.folder):
            raise StoreError(f"{path}: expected a store with rows, none of its shards is there yet")
        super().__init__(
            StoreRows(self.folder),
            norms=self.numbers("norm"),
            sketch_norms=self.numbers("sketch_norm"),
            ranks=self.numbers("rank"),
            sketched=True,
            memory_budget=memory_budget,
        )
        self.normalization = self.head["identity"]["normalization"]

    @property
    def head(self) -> dict[str, Any]:
        """What the store was made with."""
        return self.folder.head

    @property
    def keeps_outputs(self) -> bool:
        """Whether a sketch for each output is there."""
        return self.head["sketch"]["keep"] == "outputs"

    @property
    def dimension(self) -> int:
        """D where a sketch for each output was kept, else 1: a sketch stands for all together."""
        return int(self.head["identity"]["outputs"]) if self.keeps_outputs else 1

    def numbers(self, name: str) -> Tensor:
        """A column of numbers over all rows: (N,).

        Raises:
            StoreError: no such column, or one of something else.
        """
        column = self.folder.column(name)
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise StoreError(
                f"column {name}: expected numbers, got {kind}; folder.column({name!r}) reads it"
            )
        return torch.from_numpy(np.array(column.to_numpy()))  # a copy: the file is read-only

    def outputs(self) -> Tensor:
        """f(x): (N, D).

        Raises:
            ArgumentError: D numbers stand beside sketches of all outputs together; or they were
                too many to be kept.
        """
        width = int(self.head["identity"]["outputs"])
        if width > 1 and not self.keeps_outputs:
            raise ArgumentError(
                f"this analysis compares {width} outputs with labels one by one, and this store "
                "has one sketch for all of them; sketch with keep='outputs' (--keep outputs)"
            )
        flat = self.folder.column("output").combine_chunks()
        value = np.array(flat.flatten().to_numpy(zero_copy_only=False))
        return torch.from_numpy(value).reshape(-1, width)

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2: (N,) float64. Two readings; no pairs.

        What chance adds to squares is taken off as far as the error that was measured goes:
        in small networks few entries meet in a bucket, and sketches are better than their law.
        """
        if order != 2:
            return super().moments(order)
        return self._apart(square(self.rows, alive=self.norms() > 0, dim=self.chance))

    @property
    def chance(self) -> float:
        """S as it would have to be for the error that was measured to be that of the law."""
        error, dim = self.head.get("error") or {}, float(self.rows.dim)
        law, rms = float(error.get("law", 0)), float(error.get("rms", 0))
        return dim * min(max((law / rms) ** 2, 1.0), 1e12) if law > 0 and rms > 0 else dim

    def products(self) -> Iterator[Block]:
        """K(x_i, x_j) ≈ ‖g_i‖ ‖g_j‖ ψ_i ψ_jᵀ of all pairs: values (B, C, D, D)."""
        if self.dimension == 1:
            yield from super().products()
            return
        norms = self.norms().nan_to_num()
        for start, ours in self._row_blocks_of_outputs():
            rows = slice(start, start + len(ours))
            for first, theirs in self._row_blocks_of_outputs():
                columns = slice(first, first + len(theirs))
                value = torch.einsum("bds,ces->bcde", ours, theirs)
                scale = norms[rows, None] * norms[columns]
                value = value * scale[..., None, None].to(value)
                yield Block(rows, columns, self._apart_pairs(value, rows, columns))

    def influences(self, queries: Any = None) -> Iterator[Block]:
        """K(x_j, q) K(q, q)⁺ for queries q among the samples: values (B, C, D, D).

        With whitening W (K(q,q)⁺ = r ‖g‖⁻² W²) where a sketch for each output was kept.

        Raises:
            ArgumentError: other queries than samples of the store.
        """
        if queries is not None and not isinstance(queries, RowsSource):
            kind = torch.as_tensor(queries).dtype
            if kind.is_floating_point or kind == torch.bool:
                raise ArgumentError(
                    "queries: expected numbers of stored samples or another store; the exact "
                    "kernel answers for other inputs: kernel.on(data) in place of the store"
                )
        if self.dimension == 1:
            yield from super().influences(queries)
            return
        if queries is not None:
            raise ArgumentError(
                "queries: expected None, the samples themselves, for D×D influences of a store; "
                "kernel.influence compares other inputs exactly"
            )
        inverses = self._inverses()
        for block in self.products():
            inverse = inverses[block.rows].to(block.values)
            yield Block(block.rows, block.columns, block.values.mT @ inverse[:, None])

    def _inverses(self) -> Tensor:
        """K(x,x)⁺: (N, D, D) float64."""
        whitening = torch.cat([self.folder.whitening(s).double() for s in self.folder.shards])
        norms = self.norms().double().nan_to_num()
        scale = torch.where(norms > 0, self.ranks().double() / norms.square(), 0.0)
        return scale[:, None, None] * (whitening @ whitening)

    def _row_blocks_of_outputs(self) -> Iterator[tuple[int, Tensor]]:
        """ψ in pieces that fit: (first row, (n, D, S) float32)."""
        numbers = self.dimension * self.rows.dim
        step = max(1, min(256, self.memory_budget // (64 * numbers)))
        for shard in self.folder.shards:
            kept = self.folder.rows(shard)
            for start in range(0, shard.rows, step):
                yield shard.start + start, kept[start : start + step].float()

    def _apart_pairs(self, value: Tensor, rows: slice, columns: slice) -> Tensor:
        bad = self._bad[rows, None] | self._bad[columns]
        return value.masked_fill(bad[..., None, None], torch.nan) if bool(bad.any()) else value
