"""Further tables of a run, added to a finished one as its format describes them."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.files import write_table
from kinsight.run import RunFolder


def added(run: RunFolder, tables: dict[str, pa.Table], **record: Any) -> RunFolder:
    """The run with these tables and fields of its record."""
    told = json.loads((run.path / "run.json").read_text())
    for name, table in tables.items():
        file = f"{'media/' if name == 'signals' else ''}{name}.parquet"
        write_table(run.path / file, table)
        told["tables"][name] = {"file": file, "rows": table.num_rows}
    (run.path / "run.json").write_text(json.dumps(told | record))
    return RunFolder(run.path)


def map_table(place: np.ndarray) -> pa.Table:
    """A map with (N, 2) places, null where not finite."""
    missing = ~np.isfinite(place).all(1)
    columns = {n: pa.array(place[:, i].astype("f4"), mask=missing) for i, n in enumerate("xy")}
    return pa.table({"sample": np.arange(len(place)), **columns})


def beside_table(views: dict[str, np.ndarray]) -> pa.Table:
    """Neighbours (N, k) by name of the view."""
    parts = []
    for by, near in views.items():
        count, k = near.shape
        parts.append(
            pa.table(
                {
                    "by": [by] * (count * k),
                    "sample": np.repeat(np.arange(count), k),
                    "rank": np.tile(np.arange(k, dtype="i4"), count),
                    "neighbour": near.reshape(-1),
                    "similarity": np.ones(count * k, dtype="f4"),
                }
            )
        )
    return pa.concat_tables(parts)


def explanations_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as they are, in the types of the format."""
    share = pa.struct([("name", pa.string()), ("operator", pa.string()), ("share", pa.float32())])
    heat = [("heat_shape", pa.list_(pa.int32())), ("heat", pa.list_(pa.float32()))]
    schema = pa.schema(
        [
            ("sample", pa.int64()),
            ("other", pa.int64()),
            ("similarity", pa.float32()),
            ("shares", pa.list_(share)),
            *heat,
            *((f"other_{name}", kind) for name, kind in heat),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def nearest(values: np.ndarray, k: int) -> np.ndarray:
    """The k nearest by cosine, themselves left out: (N, k)."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    return np.argsort(-cosine, axis=1, kind="stable")[:, :k]
