"""Decisions as a table for other programs: CSV that a spreadsheet does not run, and Parquet."""

import csv
import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.explorer.columns import Columns
from kinsight.explorer.decisions import Decision
from kinsight.files import harmless

COLUMNS = ("sample", "name", "label", "decision", "new_label", "at")


def table(decisions: Sequence[Decision], columns: Columns) -> pa.Table:
    """One row a decision: ``sample``, ``name`` (or id), ``label``, ``decision``, ``new_label``,
    ``at`` (UTC). ``label`` is the one of the data, ``new_label`` that of relabel.
    """
    name = next((n for n in ("name", "id") if columns.has(n)), "name")
    kept = [d.sample for d in decisions]
    values = (
        pa.array(kept, pa.int64()),
        pa.array([columns.label(name, i) for i in kept], pa.string()),
        pa.array([columns.label("label", i) for i in kept], pa.string()),
        pa.array([d.decision for d in decisions], pa.string()),
        pa.array([d.label for d in decisions], pa.string()),
        pa.array([d.at for d in decisions], pa.string()),
    )
    return pa.table(dict(zip(COLUMNS, values, strict=True)))


def as_csv(rows: pa.Table) -> bytes:
    """UTF-8, comma, a header. A text that begins with = + - @, tab or return gets an apostrophe
    in front, so that a spreadsheet shows it and does not run it; numbers stay as they are.
    """
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(rows.column_names)
    for row in rows.to_pylist():
        writer.writerow([harmless(value) for value in row.values()])
    return sink.getvalue().encode()


def as_parquet(rows: pa.Table) -> bytes:
    """A Parquet file; texts as they are."""
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    return sink.getvalue()
