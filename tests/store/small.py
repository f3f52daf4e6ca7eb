"""A small store whose rows are a function of their number, to be written by anybody at any time."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Shard

DIM, OUTPUTS, SHARD_ROWS = 6, 2, 5
HEAD: dict[str, Any] = {
    "identity": {"model": "a" * 8, "output": "logits – all", "data": "first"},
    "sketch": {"dim": DIM, "outputs": OUTPUTS, "seed": 3, "keep": ["rows", "whitening"]},
    "plan": {"shard_rows": SHARD_ROWS, "micro_batch": 4, "threads": 1, "dtype": "float32"},
    "error": {"std": 0.03125},
}


def arrays(start: int, stop: int) -> dict[str, np.ndarray]:
    """What a shard keeps of rows ``start`` to ``stop``."""
    n, rng = stop - start, np.random.default_rng(start)
    return {
        "sketch": rng.standard_normal((n, DIM)).astype(np.float16),
        "rows": rng.standard_normal((n, OUTPUTS, DIM)).astype(np.float16),
        "whitening": rng.standard_normal((n, OUTPUTS, OUTPUTS)).astype(np.float32),
    }


def samples(start: int, stop: int) -> pa.Table:
    """Their columns."""
    numbers = range(start, stop)
    return pa.table(
        {
            "sample": pa.array(numbers, pa.int64()),
            "id": [f"image-{i}" for i in numbers],
            "norm": pa.array([i / 8 for i in numbers], pa.float64()),
            "label": pa.array([None if i % 7 == 0 else i % 3 for i in numbers], pa.int64()),
        }
    )


def write(folder: StoreFolder, shard: Shard, shift: int = 0) -> None:
    """Write one shard; ``shift`` makes it another data set's."""
    start, stop = shard.start, shard.stop
    table = samples(start, stop)
    if shift:
        ids = pa.array([f"other-{i}" for i in range(start, stop)])
        table = table.set_column(1, "id", ids)
    parts = arrays(start + shift, stop + shift)
    folder.write(shard, samples=table, data=f"data {shift} {start}", **parts)


def fill(folder: StoreFolder, rows: int, mark: str = "mark", shift: int = 0) -> StoreFolder:
    """One segment from beginning to end."""
    segment = folder.begin(rows, mark)
    for shard in folder.missing(segment):
        write(folder, shard, shift)
    folder.finish()
    return folder


def made(path: Path | str, rows: int = 13, head: dict[str, Any] = HEAD, **place: Any) -> Any:
    """A finished store with a further group of columns."""
    folder = fill(StoreFolder.create(path, head, **place), rows)
    folder.add_column("score", np.arange(len(folder)) / 4)
    return folder


def files(path: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative name."""
    found = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}


def changed(head: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A head with fields of one level below replaced: ``sketch__seed=4``."""
    new = {name: dict(part) for name, part in head.items()}
    for name, value in fields.items():
        outer, inner = name.split("__")
        new[outer][inner] = value
    return new
