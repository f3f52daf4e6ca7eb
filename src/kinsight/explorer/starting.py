"""From the words of the command to a server that runs: views opened, page shown, Ctrl-C."""

from collections.abc import Callable
from importlib import import_module

from kinsight.errors import MissingExtraError
from kinsight.explorer.opening import open_view, same_samples

_PARTS = ("fastapi", "uvicorn")


def start(
    folder: str,
    second: str | None,
    target: str | None,
    *,
    host: str,
    port: int | None,
    guarded: bool,
    open_browser: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve one folder, or two over the same samples, until Ctrl-C.

    Raises:
        MissingExtraError: FastAPI or uvicorn is not installed.
        KinsightError: a folder that cannot be shown, views of different samples, another network
            or other data than those of the run, a port that is taken.
    """
    _require()
    from kinsight.explorer.serving import bind, can_show, serve, show
    from kinsight.explorer.session import Session

    views = [open_view(path) for path in (folder, second) if path is not None]
    same = same_samples(*views) if len(views) == 2 else True
    session = Session(views, same)
    if target is not None:
        from kinsight.explorer.live import live_target

        session.live = live_target(target, views[0])
    bound = bind(host, port, session.token, guarded)
    for note in bound.notes:
        tell(note)
    tell(f"{views[0].facts.title}: {len(views[0]):,} samples\n\n  {bound.address}\n")
    if bound.access.read_token is not None:
        tell("Whoever has this address sees the data and can decide; it is not encrypted.")
    tell("Ctrl-C ends it.")
    opened = (lambda: show(bound.address)) if open_browser and can_show() else None
    try:
        serve(session, bound, opened)
    except KeyboardInterrupt:
        tell("\nEnded. What was decided is kept.")


def _require() -> None:
    """Say at once what is missing.

    Raises:
        MissingExtraError.
    """
    for name in _PARTS:
        try:
            import_module(name)
        except ImportError as error:
            raise MissingExtraError(
                f"the explorer needs the package {name!r}, which cannot be imported ({error}); "
                "pip install 'kinsight[explore]'"
            ) from error
