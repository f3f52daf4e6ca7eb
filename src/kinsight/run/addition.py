"""What one step adds to a run whose pairs are compared: a table, fields of run.json, or why not."""

from typing import Any, NamedTuple

import pyarrow as pa


class Addition(NamedTuple):
    """A table, and what was left out of it and why. Each reason begins with the table's name."""

    table: pa.Table | None
    left_out: list[str]
    record: dict[str, Any] = {}  # noqa: RUF012  never changed
