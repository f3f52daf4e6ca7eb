"""To build an index: centres from a sample, rows shard by shard, then as many lists as recall asks.

nprobe is doubled until rows of the sample find the wanted share of their ten nearest.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.checks import one_of
from kinsight.errors import ArgumentError
from kinsight.files import write_json, write_whole
from kinsight.search.extras import optional
from kinsight.search.index import (
    FILE,
    KINDS,
    PLACE,
    RECORD,
    Index,
    IndexRecord,
    candidates,
    sha256_of,
)
from kinsight.search.nearest import nearest
from kinsight.search.rescore import rescored
from kinsight.search.rows import Rows
from kinsight.search.tiles import PRODUCT, gathered, tiles

_LARGE = 1 << 30  # bytes of rows in float32 beyond which they are kept in 8 bits
_EACH = 40  # rows to train with, for every centre
_SAMPLE, _AT = 256, 10  # rows that recall is measured on, and how many neighbours of each

Kind = Literal["auto", "flat", "sq8"]


def build_index(
    rows: Rows,
    folder: str | Path,
    digest: str,
    *,
    kind: Kind = "auto",
    recall: float = 0.95,
    seed: int = 0,
) -> Index:
    """Build FOLDER/index and open it.

    Args:
        digest: of the store, so that the index of another one is refused later.
        kind: ``"flat"`` keeps rows in float32, ``"sq8"`` in 8 bits a number, a quarter of the
            memory; ``"auto"`` takes 8 bits from 1 GiB of float32 on.
        recall: share of the ten nearest to be found. What was reached stands in the record.
        seed: of the sample that is trained and measured on.

    Cost: about 2 N √N S operations; memory of the index, N S bytes (sq8) or 4 N S (flat).

    Raises:
        ArgumentError: an unknown kind, a recall outside (0, 1], fewer than three rows.
        MissingExtraError: faiss is not installed.
    """
    faiss, chosen = optional("faiss", "faiss", "an index"), _checked(kind, recall, rows)
    numbers = _not_zero(rows)
    if len(numbers) < 3:
        raise ArgumentError(f"rows: expected at least three that are not zero, got {len(numbers)}")
    generator = torch.Generator().manual_seed(seed)
    shuffled = numbers[torch.randperm(len(numbers), generator=generator)]
    inner = _filled(faiss, rows, shuffled, chosen, seed)
    sample = shuffled[:_SAMPLE].sort().values
    nprobe, reached = _calibrated(inner, rows, sample, recall)
    place = Path(folder) / PLACE
    size, checksum = _written(faiss, inner, place)
    record = IndexRecord(
        1, digest, len(rows), len(numbers), rows.dim, chosen, inner.nlist, nprobe, float(recall),
        reached, len(sample), seed, size, checksum,
    )  # fmt: skip
    write_json(place / RECORD, asdict(record))
    return Index(inner, rows, record)


def _written(faiss: Any, inner: Any, place: Path) -> tuple[int, str]:
    """The file of the index; its size and checksum."""
    (place / RECORD).unlink(missing_ok=True)  # never that of the old index beside the new one
    write_whole(place / FILE, lambda aside: faiss.write_index(inner, str(aside)))
    return (place / FILE).stat().st_size, sha256_of(place / FILE)


def _checked(kind: str, recall: float, rows: Rows) -> str:
    """The kind that is meant."""
    one_of("kind", kind, ("auto", *KINDS))
    if not 0 < recall <= 1:
        raise ArgumentError(f"recall: expected a share above 0 and up to 1, got {recall!r}")
    large = 4 * len(rows) * rows.dim > _LARGE
    return kind if kind != "auto" else ("sq8" if large else "flat")


def _filled(faiss: Any, rows: Rows, shuffled: Tensor, kind: str, seed: int) -> Any:
    """An inverted file of all rows that are not zero, by inner product."""
    faiss.omp_set_num_threads(torch.get_num_threads())
    lists = max(1, min(round(len(shuffled) ** 0.5), len(shuffled) // _EACH))
    form = {"flat": "Flat", "sq8": "SQ8"}[kind]
    inner = faiss.index_factory(rows.dim, f"IVF{lists},{form}", faiss.METRIC_INNER_PRODUCT)
    inner.cp.seed, inner.cp.spherical = seed, True
    inner.cp.min_points_per_centroid = 1
    train = gathered(rows, shuffled[: max(_EACH * lists, 256)].sort().values)
    inner.train(train.numpy())
    for where, tile in tiles(rows, PRODUCT):
        kept = _usable(tile)
        inner.add_with_ids(tile[kept].numpy(), (kept + where.start).numpy())
    return inner


def _calibrated(inner: Any, rows: Rows, sample: Tensor, wanted: float) -> tuple[int, float]:
    """The least power of two of lists, or all of them, that reaches the recall; and the recall."""
    queries = gathered(rows, sample)
    k = min(_AT, inner.ntotal - 1)
    exact = nearest(rows, queries, k, sample).indices
    nprobe, reached = 1, 0.0
    while True:
        found = candidates(inner, queries, k, nprobe)
        found = found.masked_fill(found == sample[:, None], -1)
        kept = rescored(rows, queries, found, k).indices
        reached = float((kept[:, :, None] == exact[:, None]).any(2).double().mean())
        if reached >= wanted or nprobe == inner.nlist:
            return nprobe, reached
        nprobe = min(2 * nprobe, inner.nlist)


def _not_zero(rows: Rows) -> Tensor:
    """Numbers of the rows that can be found."""
    return torch.cat([_usable(tile) + where.start for where, tile in tiles(rows, PRODUCT)])


def _usable(tile: Tensor) -> Tensor:
    """Which rows are finite and not zero."""
    peak = tile.abs().amax(1)
    return ((peak > 0) & peak.isfinite()).nonzero()[:, 0]
