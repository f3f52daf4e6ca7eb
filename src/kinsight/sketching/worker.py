"""What one process does with a shard: sketch its samples, write it, say what was unfit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import StoreError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.network.inputs import labels_of
from kinsight.network.layers import groups
from kinsight.provenance.data import DataDigest
from kinsight.provenance.digest import Digest
from kinsight.sketching.columns import Given, samples_table
from kinsight.sketching.sketcher import Sketched, Sketcher
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Shard

_MARKED = 16
Load = Callable[[], tuple[TangentKernel, Any]]


@dataclass(frozen=True)
class Unfit:
    """Samples of a shard that are facts to be told."""

    non_finite: tuple[int, ...] = ()  # rows of the store
    zero: int = 0
    singular: int = 0


@dataclass(frozen=True)
class Making:
    """All that a process needs to make its worker; ``offset`` is the row of the first sample."""

    load: Load
    open_store: Callable[[], StoreFolder]
    given: Given
    offset: int

    def __call__(self) -> "ShardWorker":
        return ShardWorker(self)


class ShardWorker:
    """Sketches shards of one data set into a store."""

    def __init__(self, making: Making):
        self._folder = making.open_store()
        self._given, self._offset = making.given, making.offset
        kernel, data = making.load()
        head = self._folder.head
        self._micro = int(head["plan"]["micro_batch"])
        self._data: Batches = kernel.engine.read(data)
        self._sketcher = sketcher_of(kernel, head["sketch"])
        self._groups = groups(kernel.function.selection.chosen)

    def __call__(self, shard: Shard) -> Unfit:
        notes = self._sketcher.notes
        before = len(notes.non_finite), len(notes.zero), notes.singular
        start, stop = shard.start - self._offset, shard.stop - self._offset
        digest, labels, parts = DataDigest(), [], []
        for piece in self._data.pieces(self._micro, start, stop):
            digest.add(piece.batch)
            labels.append(labels_of(piece.batch, piece.stop - piece.start))
            parts.append(_small(self._sketcher(piece)))
        given = self._given.slice(start, stop)
        if "label" not in given and all(label is not None for label in labels):
            found = torch.cat([label for label in labels if label is not None])
            given |= Given(labels=found).slice(0, len(found))
        self._folder.write(
            shard,
            sketch=_joined([part.phi for part in parts]),
            samples=samples_table(shard.start, parts, self._groups, given),
            data=digest.hex(),
            **_kept(parts),
        )
        apart, zero, singular = before
        return Unfit(
            tuple(self._offset + i for i in notes.non_finite[apart:]),
            len(notes.zero) - zero,
            notes.singular - singular,
        )


def sketcher_of(kernel: TangentKernel, sketch: dict[str, Any]) -> Sketcher:
    """The sketcher that a store's head describes."""
    return Sketcher(kernel, sketch["dim"], sketch["seed"], sketch["keep"] == "outputs")


def data_mark(data: Batches, micro_batch: int, given: Given) -> str:
    """A digest of up to 16 micro-batches spread over the data, and of all that was given."""
    digest = DataDigest()
    batches = -(-len(data) // micro_batch)
    looked = min(batches, _MARKED)
    for i in range(looked):
        start = i * (batches - 1) // max(looked - 1, 1) * micro_batch
        digest.add(data.take(range(start, min(start + micro_batch, len(data)))))
    return Digest(digest.hex(), given.digest()).hex()


def check_data(folder: StoreFolder, shards: list[Shard], data: Batches, offset: int) -> None:
    """Refuse other samples than those that shards were made from. Reads their data.

    Raises:
        StoreError: names the rows that differ.
    """
    micro = int(folder.head["plan"]["micro_batch"])
    for shard in shards:
        digest = DataDigest()
        for piece in data.pieces(micro, shard.start - offset, shard.stop - offset):
            digest.add(piece.batch)
        if digest.hex() != folder.data_of(shard):
            raise StoreError(
                f"{folder.path}: rows {shard.start:,} to {shard.stop - 1:,} were made from other "
                "samples than those that came; the data must be the same, in the same order, each "
                "time, with the same labels in its batches. Choose another folder, or fresh=True "
                "(--fresh) to begin anew"
            )


def _small(part: Sketched) -> Sketched:
    """Half precision as it will be stored, so that a shard takes half the memory."""
    rows = None if part.rows is None else part.rows.half()
    return Sketched(
        part.phi.half(), part.sketch_norm, part.norm, part.rank, part.outputs, part.shares, rows,
        part.whitening,
    )  # fmt: skip


def _joined(parts: list[Tensor]) -> np.ndarray:
    return torch.cat(parts).numpy()


def _kept(parts: list[Sketched]) -> dict[str, np.ndarray]:
    rows = [part.rows for part in parts if part.rows is not None]
    whitening = [part.whitening for part in parts if part.whitening is not None]
    return {"rows": _joined(rows), "whitening": _joined(whitening)} if rows else {}
