"""Rows of a table as the network reads them, with the names of its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.files import storable
from kinsight.subject.groups import write_groups
from kinsight.subject.only_tensor import only_tensor

MOST = 256  # numbers of a row


@dataclass(frozen=True)
class Inputs:
    """N rows of d numbers."""

    values: Tensor  # (N, d)
    names: tuple[str, ...]

    def write(self, path: Path, count: int) -> None:
        """inputs.parquet: ``sample`` and ``values``, a list of d numbers."""
        schema = pa.schema([("sample", pa.int64()), ("values", pa.list_(pa.float32()))])

        def rows(positions: range) -> dict[str, Any]:
            chosen = self.values[positions.start : positions.stop].detach().cpu().float()
            return {"values": list(chosen.numpy())}

        write_groups(path, schema, rows, count)


def read_inputs(features: Sequence[str] | None, data: Any, shown: bool) -> Inputs | None:
    """The data where they are a table of real numbers; None where they are not.

    Args:
        features: names of the columns; x0, x1, … by default.
        shown: the samples are shown otherwise, so that only named columns are kept.

    Raises:
        SubjectError: names for data that are no table, too few or too many, or one that repeats.
    """
    value = only_tensor(data)
    table = value is not None and value.dim() == 2 and value.is_floating_point()
    if features is None:
        if value is None or not table or shown or not 0 < value.shape[1] <= MOST:
            return None
        return Inputs(value, tuple(f"x{i}" for i in range(value.shape[1])))
    if isinstance(features, str):
        raise SubjectError(f"features: expected a list of names, got the text {features!r:.60}")
    if value is None or not table or value.shape[1] > MOST:
        got = type(data).__name__ if value is None else f"{value.dtype} of {tuple(value.shape)}"
        raise SubjectError(
            f"features: expected real numbers of shape (N, d ≤ {MOST}) where columns have names, "
            f"got {got}; leave features out"
        )
    names = tuple(storable(name) for name in features)
    if len(names) != value.shape[1]:
        raise SubjectError(
            f"features: expected {value.shape[1]} names, one for each column, got {len(names)}"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SubjectError(f"features: expected names that differ, got {twice!r} more than once")
    return Inputs(value, names)
