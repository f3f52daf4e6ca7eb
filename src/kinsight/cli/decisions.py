"""The command decisions: what a person decided in the explorer, as a table or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinsight.cli.ending import ending
from kinsight.errors import ArgumentError

if TYPE_CHECKING:  # else imported where used: these take seconds
    import pyarrow as pa

Folder = Annotated[str, typer.Argument(metavar="DIR", help="The run or store decided about.")]
Out = Annotated[
    Path | None, typer.Option(help="A file to write: .csv or .parquet; default: print a table.")
]
_LONGEST = 40  # letters of a cell that is printed
_RIGHT = ("sample",)


def decisions_command(folder: Folder, out: Out = None) -> None:
    """Print or write what was decided: sample, name, label, decision, new label, time.

    In a .csv a text that begins with = + - @, tab or return gets an apostrophe in front, so that
    no spreadsheet runs it.
    """
    with ending():
        from kinsight.explorer.exported import as_csv, as_parquet
        from kinsight.files import write_whole

        kinds = {".csv": as_csv, ".parquet": as_parquet}
        if out is not None and out.suffix not in kinds:
            raise ArgumentError(f"--out: expected a name that ends in .csv or .parquet, got {out}")
        rows, elsewhere = _decided(folder)
        if elsewhere:
            typer.secho(f"! {elsewhere:,} about other data are kept and not shown", err=True)
        if out is None:
            typer.echo(_text(rows) if rows.num_rows else f"nothing was decided about {folder}")
            return
        content = kinds[out.suffix](rows)
        write_whole(out, lambda aside: aside.write_bytes(content))
        typer.echo(f"{rows.num_rows:,} decisions: {out}")


def _decided(folder: str) -> tuple["pa.Table", int]:
    """The table, and how many decisions are about other data.

    Raises:
        ArgumentError: a store that is not on a disk of this machine.
    """
    from kinsight.explorer.decisions import Decisions
    from kinsight.explorer.exported import table
    from kinsight.explorer.opening import open_view

    view = open_view(folder)
    if view.folder is None:
        raise ArgumentError(f"{folder}: expected a folder of this machine, where decisions are")
    kept = Decisions(view.folder, view.facts.data, len(view))
    return table(kept.all(), view.columns), kept.elsewhere()


def _text(rows: "pa.Table") -> str:
    cells = [rows.column_names, *([_cell(v) for v in row.values()] for row in rows.to_pylist())]
    widths = [max(len(row[c]) for row in cells) for c in range(rows.num_columns)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(rows.column_names, row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    """A value on one line; what could steer a terminal is left out."""
    shown = "" if value is None else f"{value}"
    text = "".join(c if c.isprintable() else " " for c in shown)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
