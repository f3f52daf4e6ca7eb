"""A Parquet file of one row a sample, written group by group: only one is in memory at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.files import write_whole

_A_GROUP = 1024  # rows in memory at once


def write_groups(
    path: Path,
    schema: pa.Schema,
    rows: Callable[[range], dict[str, Any]],
    count: int,
    compression: str = "zstd",
) -> None:
    """Write the columns that ``rows`` gives for each range of the ``count`` samples, in order."""

    def fill(aside: Path) -> None:
        with pq.ParquetWriter(aside, schema, compression=compression) as writer:
            for start in range(0, count, _A_GROUP):
                positions = range(start, min(start + _A_GROUP, count))
                columns = {"sample": list(positions)} | rows(positions)
                writer.write_table(pa.table(columns, schema=schema))

    write_whole(path, fill)
