"""How a command ends: errors as one message, warnings as one line each, Ctrl-C without a trace."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from kinsight.cli.statuses import STOPPED, WRONG
from kinsight.errors import KinsightError, KinsightWarning


@contextmanager
def ending(kept: Callable[[], str] | None = None) -> Iterator[None]:
    """Inside, what goes wrong ends the process with its status.

    ``kept`` says after Ctrl-C what was finished and how to go on.
    """
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def told(message, category, *place, **more) -> None:
            if issubclass(category, KinsightWarning):
                typer.secho(f"! {message}", err=True, fg="yellow")
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = told
        try:
            yield
        except KinsightError as error:
            typer.secho(f"{type(error).__name__}: {error}", err=True, fg="red")
            sys.exit(WRONG)
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. {_said(kept)}".rstrip(), err=True)
            sys.exit(STOPPED)


def _said(kept: Callable[[], str] | None) -> str:
    return "" if kept is None else kept()
