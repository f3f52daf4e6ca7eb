"""explanations.parquet: why each suspect that is shown is like its nearest samples."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import torch

from kinsight.errors import ArgumentError, KinsightError
from kinsight.kernel.explanation import Explanation, Side
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.run.addition import Addition

SUSPECTS = 24  # that are explained: those the report shows
NEAREST = 3  # samples beside each
_SHARE = pa.struct([("name", pa.string()), ("operator", pa.string()), ("share", pa.float32())])
_SIZE, _VALUES = pa.list_(pa.int32()), pa.list_(pa.float32())
_SCHEMA = pa.schema(
    [
        ("sample", pa.int64()),
        ("other", pa.int64()),
        ("similarity", pa.float32()),
        ("shares", pa.list_(_SHARE)),
        ("heat_shape", _SIZE),
        ("heat", _VALUES),
        ("other_heat_shape", _SIZE),
        ("other_heat", _VALUES),
    ]
)
_NONE = "explanations: they are of suspected labels, and there are none"


def shown_suspects(samples: pa.Table) -> list[int]:
    """The most suspected samples, most first: contradicted ones, or all where there are none."""
    if "suspect_rank" not in samples.column_names:
        return []
    ranks, doubted = samples["suspect_rank"].to_pylist(), samples["contradicted"].to_pylist()
    order = sorted((i for i, rank in enumerate(ranks) if rank is not None), key=ranks.__getitem__)
    return ([i for i in order if doubted[i]] or order)[:SUSPECTS]


def explain(
    kernel: TangentKernel,
    data: Batches,
    suspects: list[int],
    nearest: Neighbours,
    advance: Callable[[int], None],
) -> Addition:
    """explanations.parquet: a row for each suspect and each of its three nearest.

    ``shares`` of every parameter add up to ``similarity``; ``heat`` and ``other_heat`` are maps
    over the two inputs, null where these have no places. Pairs that cannot be explained are left
    out, with the reason of the first.

    Cost: at most 72 times :meth:`~kinsight.TangentKernel.explain`.
    """
    if not suspects:
        return Addition(None, [_NONE])
    rows, failed = [], []
    for sample in suspects:
        for other in nearest.indices[sample, :NEAREST].tolist():
            if other < 0:
                continue
            try:
                found = kernel.explain(data.take([sample]), data.take([other]))
                rows.append({"sample": sample, "other": other} | _row(found))
            except (KinsightError, RuntimeError, MemoryError) as error:  # of torch, of the network
                failed.append(f"samples {sample} and {other}: {error}")
            advance(1)
    left_out = []
    if failed:
        left_out = [f"explanations of {len(failed)} pairs; {failed[0]}"]
    elif not rows:
        left_out = [_NONE.replace("there are none", "these have no neighbours")]
    return Addition(pa.Table.from_pylist(rows, schema=_SCHEMA) if rows else None, left_out)


def _row(found: Explanation) -> dict[str, Any]:
    shares = sorted(found.layers, key=lambda layer: -layer.share)
    return {
        "similarity": found.similarity,
        "shares": [{"name": s.name, "operator": s.operator, "share": s.share} for s in shares],
        **_heat(found, "x", ""),
        **_heat(found, "y", "other_"),
    }


def _heat(found: Explanation, side: Side, prefix: str) -> dict[str, Any]:
    """The map over one input; nulls where it has no places, or more than two axes of them."""
    try:
        values = found.heat(side).values
    except ArgumentError:
        values = torch.empty(())
    if values.dim() not in (1, 2):
        return {f"{prefix}heat_shape": None, f"{prefix}heat": None}
    return {
        f"{prefix}heat_shape": list(values.shape),
        f"{prefix}heat": values.flatten().float().tolist(),
    }
