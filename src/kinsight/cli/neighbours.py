"""Which stored samples are most like some of them: found, named and laid out as a table."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import Neighbours
from kinsight.run.sketched import CLASS, kernel_like
from kinsight.sketching.store import Store
from kinsight.store.folder import StoreFolder
from kinsight.store.ledger import Ledger
from kinsight.subject.target import load_target

_FACTS = ("id", "label", CLASS)
_LONGEST = 40  # characters of an id or a label in the table


@dataclass(frozen=True)
class Row:
    """One neighbour of one query."""

    query: int
    rank: int  # 0 = most similar
    sample: int
    id: Any
    label: Any
    similarity: float


def numbers_of(folder: StoreFolder, queries: Sequence[int], ids: Sequence[str]) -> list[int]:
    """Numbers of samples, from numbers and from ids; an id that several share stands for all.

    Raises:
        ArgumentError: none was asked for, a number that is none of a sample, an unknown id.
    """
    found, count = list(queries), len(folder)
    for number in found:
        if not 0 <= number < count:
            raise ArgumentError(
                f"--query: expected the number of a sample, 0 to {count - 1:,}, got {number}"
            )
    found += [number for name in ids for number in _with_id(folder, name)]
    if not found:
        raise ArgumentError("expected a sample to ask about: --query NUMBER or --query-id ID")
    return list(dict.fromkeys(found))


def _with_id(folder: StoreFolder, name: str) -> list[int]:
    """Numbers of the samples with an id, compared as text, since ids may be numbers."""
    found, start, first = [], 0, []
    for chunk in folder.column("id").chunks:
        texts = chunk.cast("string").to_numpy(zero_copy_only=False)
        found += (np.flatnonzero(texts == name) + start).tolist()
        start, first = start + len(texts), first or texts[:3].tolist()
    if not found:
        few = ", ".join(map(repr, first))
        raise ArgumentError(f"--query-id: no sample has the id {name!r}; ids are such as {few}")
    return found


def neighbours(
    run: str, numbers: list[int], k: int, candidates: int, indexed: bool,
    rerank: str | None, device: str | None,
) -> list[Row]:  # fmt: skip
    """The k most similar samples of each, with ``rerank`` a target's exact similarities."""
    store = Store(run)
    more: dict[str, Any] = {"index": indexed}
    if rerank is not None:
        subject = load_target(rerank)
        kernel = kernel_like(store.head, subject, device)
        more |= {"rerank": kernel, "data": subject.data, "candidates": candidates}
    return list(_rows(store.folder, numbers, store.nearest(numbers, k, **more)))


def facts(folder: StoreFolder, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """``id``, ``label``, ``class`` of samples of a finished store; reads the shards they are in."""
    known = Ledger.load(folder.place).contents.samples
    names = [name for name in _FACTS if name in known]
    found: dict[int, dict[str, Any]] = {}
    wanted = set(numbers)
    for shard in folder.shards:
        here = sorted(n for n in wanted if shard.start <= n < shard.stop)
        if here:
            rows = folder.samples(shard, names).take([n - shard.start for n in here]).to_pylist()
            found |= dict(zip(here, rows, strict=True))
    return found


def table_text(folder: StoreFolder, numbers: Sequence[int], rows: Sequence[Row]) -> str:
    """A readable table: the queries first, their neighbours below them."""
    known = facts(folder, numbers)
    cells = [("query", "rank", "sample", "id", "label", "similarity")]
    for number in numbers:
        own = known[number]
        cells.append((str(number), "", "", _short(own.get("id")), _short(_label(own)), ""))
        of = [row for row in rows if row.query == number]
        cells += [
            ("", str(r.rank), str(r.sample), _short(r.id), _short(r.label), f"{r.similarity:.4f}")
            for r in of
        ]
        if not of:
            cells.append(("", "", "", "set apart: its gradient is not finite", "", ""))
    widths = [max(len(row[c]) for row in cells) for c in range(6)]
    left = (3, 4)  # texts; numbers stand on the right
    return "\n".join(
        "  ".join(
            cell.ljust(w) if c in left else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def json_text(rows: Sequence[Row]) -> str:
    """A list of objects with the fields of :class:`Row`."""
    return json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False, default=str)


def _rows(folder: StoreFolder, numbers: list[int], found: Neighbours) -> Iterator[Row]:
    there = [i for i in found.indices.reshape(-1).tolist() if i >= 0]
    known = facts(folder, there)
    for q, number in enumerate(numbers):
        pairs = zip(found.indices[q].tolist(), found.values[q].tolist(), strict=True)
        for rank, (sample, value) in enumerate(pairs):
            if sample >= 0:
                own = known[sample]
                row = Row(number, rank, sample, own.get("id"), own.get("label"), value)
                yield replace(row, label=_label(own))


def _label(own: dict[str, Any]) -> Any:
    """The name of its class where there is one."""
    return own.get("label") if own.get(CLASS) is None else own[CLASS]


def _short(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
