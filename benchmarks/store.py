"""What a million rows of features on disk cost: exact search, moments, labels left out, an index.

    python benchmarks/store.py [--rows 1000000] [--dimensions 1024] [--only NAME]

Rows of norm 1 in a thousand bundles are made up and written as raw float16 shards into a temporary
folder (2 GB, removed at the end). Every time is the least of several, and stands beside the time
of what bounds it, measured in the same run: the matrix product, reading the same files, copying
memory. Writes benchmarks/results/store.json and docs/store-speed.md; with --only, that row anew.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import kinsight as ks
from kinsight.search import moments
from kinsight.search.build import build_index
from kinsight.search.index import IndexRecord
from kinsight.search.nearest import Neighbours, nearest
from kinsight.search.source import RowsSource

sys.path.insert(0, str(Path(__file__).parent))
from passes import PeakMemory, environment, resident, seconds

RESULTS = Path(__file__).parent / "results" / "store.json"
PAGE = Path(__file__).parents[1] / "docs" / "store-speed.md"
SHARD, QUERIES, K, CLASSES = 65_536, 1000, 10, 10

INTRODUCTION = """\
# What a store of a million rows costs

Written by `python benchmarks/store.py`: {rows:,} made-up rows of {dimensions:,} numbers in \
float16 ({gigabytes:.1f} GB), a thousand bundles, on {processor}, {threads} threads, PyTorch \
{torch}. Other programs shared the machine; times are the least of several. *Bound*: the time of \
the multiplications at the matrix rate measured just before, or of reading the same files into \
memory, whichever is longer. *Memory*: the most resident in the process, pages of the mapped \
files included.

| job | seconds | bound | over the bound | memory |
|---|---|---|---|---|
"""


@dataclass
class MappedRows:
    """Rows in raw float16 files, mapped into memory."""

    folder: Path
    count: int
    dim: int

    def __len__(self) -> int:
        return self.count

    @property
    def shards(self) -> list[range]:
        """Equal ones, but the last."""
        return [range(i, min(i + SHARD, self.count)) for i in range(0, self.count, SHARD)]

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{shard:05d}.f16"

    def read(self, shard: int) -> Tensor:
        """(n, S), a view of the file."""
        shape = (len(self.shards[shard]), self.dim)
        return torch.from_numpy(np.memmap(self.path(shard), np.float16, "c", shape=shape))


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dimensions", type=int, default=1024)
    options.add_argument("--only", default="", help="measure the jobs with this name again")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = MappedRows(Path(folder), asked.rows, asked.dimensions)
        labels = write_rows(rows)
        sizes = {"rows": asked.rows, "dimensions": asked.dimensions}
        report = {"jobs": {}} | known(sizes) | sizes | {"environment": environment()}
        if not asked.only or "speeds" not in report:
            report["speeds"] = speeds(rows)
        for name, operations, repeats, job in jobs(rows, labels, report):
            if asked.only in name or ("index" in name and "index" in asked.only):
                report["jobs"][name] = measured(rows, operations, repeats, job)
                print(line(name, report["jobs"][name]), end="", flush=True)
            RESULTS.write_text(json.dumps(report, indent=1) + "\n")
            PAGE.write_text(page(report))


def jobs(rows: MappedRows, labels: Tensor, report: dict) -> Iterator[tuple]:
    """Name, operations (None where nothing simple bounds it), repeats, job."""
    n, s = len(rows), rows.dim
    source = RowsSource(rows, norms=torch.ones(n))
    queries = rows.read(0)[:QUERIES].float()
    own = torch.arange(QUERIES)
    exact = []
    search = f"exact {K} nearest, {QUERIES:,} queries"
    yield search, 2.0 * QUERIES * n * s, 3, lambda: exact.append(nearest(rows, queries, K, own))
    yield "first moment", 0.0, 5, lambda: moments.first(rows)
    yield "soft density", 0.0, 3, lambda: ks.density(source)
    yield "second moment", 2.0 * n * s * s, 2, lambda: moments.second(rows)
    yield "square density", 4.0 * n * s * s, 1, lambda: ks.density(source, "square")
    built, found = [], []
    yield (
        "index built", 2.0 * n * round(n**0.5) * s, 1,
        lambda: built.append(build_index(rows, rows.folder, "made up")),
    )  # fmt: skip
    if built:
        yield (
            f"index, {QUERIES:,} queries", None, 3,
            lambda: found.append(built[0].nearest(queries, K, own)),
        )  # fmt: skip
        yield "index, one query", None, 20, lambda: built[0].nearest(queries[:1], K, own[:1])
    if found:
        exact = exact or [nearest(rows, queries, K, own)]
        report["index"] = of_index(built[0].record, found[0], exact[0])
    yield (
        "labels left out (`suspects`, `neighbours=0`)", 6.0 * n * s * s, 1,
        lambda: ks.suspects(source, labels, neighbours=0),
    )  # fmt: skip


def of_index(record: IndexRecord, found: Neighbours, exact: Neighbours) -> dict:
    """What the index is and what it found."""
    same = (found.indices[:, :, None] == exact.indices[:, None]).any(2)
    return {
        "kind": record.kind, "lists": record.lists, "nprobe": record.nprobe,
        "wanted": record.wanted, "recall_on_sample": record.recall,
        "recall_on_queries": float(same.double().mean()), "bytes": record.bytes,
    }  # fmt: skip


def measured(rows: MappedRows, operations: float | None, repeats: int, job: Callable) -> dict:
    """The least seconds, the bound at the rates of this moment, the most memory."""
    rate, reading = matrix_rate(rows.dim), plain_reading(rows)
    with PeakMemory() as peak:
        base = resident()
        took = min(seconds(job) for _ in range(repeats))
    bound = 0.0 if operations is None else max(operations / rate, reading)
    return {
        "seconds": took, "bound": bound, "operations": operations, "matrix_rate": rate,
        "memory_gib": (base + peak.above) / 2**30,
    }  # fmt: skip


def speeds(rows: MappedRows) -> dict:
    """GB/s of the first moment, of plain reading and of copying memory, in turns."""
    size = 2 * len(rows) * rows.dim / 1e9
    target = torch.empty(SHARD, rows.dim, dtype=torch.float16)
    held = rows.read(0).clone()
    found: dict[str, list[float]] = {"first moment": [], "plain reading": [], "memory copy": []}
    for _ in range(5):
        found["first moment"].append(size / seconds(lambda: moments.first(rows)))
        found["plain reading"].append(size / plain_reading(rows, 1))
        copied = 2 * held.numel() / 1e9
        found["memory copy"].append(copied / seconds(lambda: target[: len(held)].copy_(held)))
    exact = rows.read(0).double().sum(0)
    one = MappedRows(rows.folder, len(rows.shards[0]), rows.dim)
    error = float((moments.first(one) - exact).abs().max() / exact.abs().max())
    return {name: max(values) for name, values in found.items()} | {"error": error}


def plain_reading(rows: MappedRows, repeats: int = 2) -> float:
    """Seconds to read all files into memory that is there already, the least."""
    buffer = bytearray(2 * SHARD * rows.dim)

    def read() -> None:
        for shard in range(len(rows.shards)):
            with open(rows.path(shard), "rb", buffering=0) as file:
                file.readinto(buffer)

    return min(seconds(read) for _ in range(repeats))


def matrix_rate(s: int) -> float:
    """Operations a second of a large float32 product, the best of five."""
    a, b = torch.randn(4096, s), torch.randn(s, 4096)
    return 2.0 * 4096 * 4096 * s / min(seconds(lambda: a @ b) for _ in range(5))


def write_rows(rows: MappedRows) -> Tensor:
    """A thousand bundles with one of ten labels each, one label in twenty wrong: the labels."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(1000, rows.dim, generator=generator)
    labels = []
    for shard, where in enumerate(rows.shards):
        bundle = torch.randint(1000, (len(where),), generator=generator)
        values = torch.randn(len(where), rows.dim, generator=generator)
        values.add_(centres[bundle]).div_(values.norm(dim=1, keepdim=True))
        values.half().numpy().tofile(rows.path(shard))
        labels.append(bundle % CLASSES)
    given = torch.cat(labels)
    wrong = torch.rand(len(given), generator=generator) < 0.05
    given[wrong] = torch.randint(CLASSES, (int(wrong.sum()),), generator=generator)
    return given


def known(sizes: dict) -> dict:
    """The report of an earlier run with the same sizes."""
    report = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return report if sizes.items() <= report.items() else {}


def line(name: str, row: dict) -> str:
    """A measured row of the page."""
    bound, over = (f"{row['bound']:.2f}", f"{row['seconds'] / row['bound']:.1f}") if (
        row["bound"]
    ) else ("", "")  # fmt: skip
    return f"| {name} | {row['seconds']:.2f} | {bound} | {over} | {row['memory_gib']:.1f} GiB |\n"


def page(report: dict) -> str:
    """The whole page."""
    size = 2 * report["rows"] * report["dimensions"] / 1e9
    text = INTRODUCTION.format(**report, **report["environment"], gigabytes=size)
    text += "".join(line(name, row) for name, row in report["jobs"].items())
    text += (
        "\nThe first moment reads {first moment:.1f} GB/s from files in the cache of the system, "
        "where plain reading of the same files takes {plain reading:.1f} GB/s and a copy within "
        "memory {memory copy:.1f} GB/s. Largest error of a shard's sum against float64: "
        "{error:.0e} of the largest entry.\n"
    ).format(**report["speeds"])
    if "index" in report:
        text += (
            "\nThe index ({kind}, {lists:,} lists, {nprobe} searched, {size:.1f} GB) was asked "
            "for a recall of {wanted:.2f} of the ten nearest: {recall_on_sample:.3f} on the "
            "sample it was set with, {recall_on_queries:.3f} on the {queries:,} queries.\n"
        ).format(**report["index"], size=report["index"]["bytes"] / 1e9, queries=QUERIES)
    return text


if __name__ == "__main__":
    main()
