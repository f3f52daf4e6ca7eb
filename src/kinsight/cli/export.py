"""The command export: a run or a store in the format of another tool."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kinsight.cli.ending import ending


class Tool(StrEnum):
    """Whose format."""

    fiftyone = "fiftyone"
    spotlight = "spotlight"
    embedding_atlas = "embedding-atlas"
    tensorboard = "tensorboard"
    cleanlab = "cleanlab"


Folder = Annotated[
    str, typer.Argument(metavar="DIR", help="What analyze or sketch left: a run or a store.")
]
To = Annotated[Tool, typer.Option(help="The tool that is to read it.")]
Out = Annotated[
    Path,
    typer.Option(help="A .parquet file for spotlight and embedding-atlas, else a folder."),
]
Features = Annotated[
    str | None,
    typer.Option(metavar="STORE", help="A store of the same samples: its tangent features too."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an export that is there.")]


def export_command(
    folder: Folder, to: To, out: Out, features: Features = None, force: Force = False
) -> None:
    """Write samples, columns, decisions, media, neighbours and map for another tool.

    What its format cannot hold is said in the end. docs/exports.md has the table.
    """
    with ending():
        from kinsight.exports.job import export

        done = export(folder, to.value, out, features=features, force=force)
        typer.echo(f"{done.samples:,} samples: {done.path}")
        typer.echo(f"Open with: {done.opens}")
        for note in done.notes:
            typer.echo(f"! {_shown(note)}")


def _shown(text: str) -> str:
    """A note on one line; what could steer a terminal is left out."""
    return "".join(c if c.isprintable() else " " for c in text)
