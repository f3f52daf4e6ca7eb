"""Further tables of a run, added to a finished one as its format describes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from kinsight.files import write_table
from kinsight.run import RunFolder, analyze
from run.subjects import COUNT, inputs, network, subject

NAMES = ["<i>zero</i>", "$\\frac{one}", "two"]


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


def everything(out: Path) -> RunFolder:
    """Pictures of three classes with hostile names, some labels wrong, and all further tables."""
    with torch.no_grad():
        labels = network()(inputs()).argmax(1)
    labels[[5, 17, 30]] = (labels[[5, 17, 30]] + 1) % 3
    drawn = torch.rand(COUNT, 8, 8, generator=torch.Generator().manual_seed(0))
    found = analyze(subject(labels=labels, classes=NAMES, pictures=drawn), out)
    place = np.random.default_rng(0).normal(size=(COUNT, 2))
    place[9] = np.nan
    views = {name: nearest(inputs().numpy()[:, :d], 10) for name, d in (("input", 6), ("half", 3))}
    tables = {
        "map": map_table(place),
        "beside": beside_table(views),
        "explanations": explanations_table(explained(found)),
    }
    return added(found, tables, map={"kind": "principal", "explained": [0.5, 0.25]})


def explained(run: RunFolder) -> list[dict]:
    """The six most suspected with two neighbours each."""
    ranks = run.table("samples")["suspect_rank"].to_pylist()
    order = sorted((i for i in range(COUNT) if ranks[i] is not None), key=lambda i: ranks[i])
    near = run.table("neighbours")
    random, rows = np.random.default_rng(1), []
    for i in order[:6]:
        mine = np.flatnonzero(near["sample"].to_numpy() == i)[:2]
        for place in mine[::-1]:
            shares = random.normal(size=9)
            rows.append(
                {
                    "sample": i,
                    "other": near["neighbour"][int(place)].as_py(),
                    "similarity": near["similarity"][int(place)].as_py(),
                    "shares": [
                        {"name": f"layer{n}", "operator": "mm", "share": s}
                        for n, s in enumerate(shares)
                    ],
                    "heat_shape": [4, 4],
                    "heat": random.normal(size=16).tolist(),
                    "other_heat_shape": [5],
                    "other_heat": random.normal(size=5).tolist(),
                }
            )
    return rows
