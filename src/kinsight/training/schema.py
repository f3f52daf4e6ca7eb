"""The columns of the two kinds of table, and how values of a look become their rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from kinsight.analysis.fit import REGIMES

_REAL, _WHOLE = pa.float64(), pa.int64()
_DRIFT = [f"{what}_since_{when}" for when in ("start", "last")
          for what in ("change", "alignment", "cka")]  # fmt: skip
_CROWD = [f"{what}_{part}" for what in ("density", "close")
          for part in ("mean", "q10", "median", "q90")]  # fmt: skip
_FIT = ["fit_" + name.replace(" ", "_").replace("-", "_") for name in REGIMES]
_LABELS = ["similarity_within", "similarity_between", "label_alignment", "accuracy"]

# One row a look.
LOOKS = pa.schema(
    [pa.field("look", _WHOLE), pa.field("step", _WHOLE)]
    + [
        pa.field(n, _REAL)
        for n in ("seconds", "look_seconds", "spent_seconds", "share_used", "share_allowed")
    ]
    + [pa.field("set_apart", _WHOLE)]
    + [pa.field(name, _REAL) for name in (*_CROWD, *_FIT, *_LABELS, *_DRIFT)]
    + [pa.field("trace", _REAL), pa.field("effective_rank", _REAL)]
    + [pa.field("eigenvalues", pa.list_(_REAL))]
    + [pa.field(name, _WHOLE) for name in ("suspects", "persistent_suspects", "memorised")]
)

# One row a sample.
_SAMPLES: dict[str, pa.DataType] = {
    "label": _REAL,
    "norm": _REAL,
    "density": _REAL,
    "close": _REAL,
    "fit_count": _REAL,
    "fit_spread": _REAL,
    "fit": pa.string(),
    "predicted": _WHOLE,
    "proposed": _WHOLE,
    "suspect_score": _REAL,
    "suspect_rank": _WHOLE,
    "suspected": pa.bool_(),
    "looks_suspected": _WHOLE,
    "in_a_row": _WHOLE,
    "persistent": pa.bool_(),
    "memorised": pa.bool_(),
}


def looks_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows by name as the table of looks; what a row lacks, or NaN, is null."""
    columns = {
        field.name: pa.array([_plain(row.get(field.name)) for row in rows], field.type)
        for field in LOOKS
    }
    return pa.table(columns, schema=LOOKS)


def samples_table(columns: Mapping[str, Tensor], count: int) -> pa.Table:
    """Columns of a look, (N,) each, as a table; what was not computed, NaN and −1 are null."""
    found: dict[str, pa.Array] = {"sample": pa.array(np.arange(count))}
    for name, kind in _SAMPLES.items():
        found[name] = _column(name, columns.get(name), kind, count)
    return pa.table(found)


def _column(name: str, value: Tensor | None, kind: pa.DataType, count: int) -> pa.Array:
    if value is None:
        return pa.nulls(count, kind)
    if name == "fit":
        return pa.array([REGIMES[i] if i >= 0 else None for i in value.tolist()], kind)
    numbers = value.cpu().numpy()
    if numbers.dtype.kind == "f":
        return pa.array(numbers.astype(np.float64), kind, mask=~np.isfinite(numbers))
    missing = numbers < 0 if numbers.dtype.kind == "i" else None
    return pa.array(numbers, kind, mask=missing)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
