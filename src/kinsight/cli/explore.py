"""The command explore: a run or a store in the browser, served from this machine."""

from typing import Annotated

import typer

from kinsight.cli.ending import ending

Folder = Annotated[
    str, typer.Argument(metavar="DIR", help="What analyze or sketch left: a run or a store.")
]
Second = Annotated[
    str | None,
    typer.Argument(metavar="[DIR2]", help="Another one over the same samples, to compare."),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:CALLABLE",
        help="The function that the run was made with: any pair is explained, pictures painted.",
    ),
]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Default: the first free one from 8765.")
]
Host = Annotated[
    str, typer.Option(help="Other than this machine alone: everybody who has the token gets in.")
]
Token = Annotated[
    bool,
    typer.Option("--token", help="Ask for the token on this machine too, if others have accounts."),
]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Do not open the browser.")]


def explore_command(
    folder: Folder,
    second: Second = None,
    target: Target = None,
    port: Port = None,
    host: Host = "127.0.0.1",
    token: Token = False,
    no_open: NoOpen = False,
) -> None:
    """Look at samples in the browser: map, neighbours, suspected labels; decide about them."""
    with ending():
        from kinsight.explorer.starting import start

        def told(line: str) -> None:
            typer.echo(line)

        start(
            folder, second, target, host=host, port=port, guarded=token,
            open_browser=not no_open, tell=told,
        )  # fmt: skip
