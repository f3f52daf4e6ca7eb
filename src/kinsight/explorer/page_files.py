"""The built page, listed once when the server starts: no request is ever turned into a path."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}
_NOT_BUILT = (
    b"This version serves the data of a run, and has no page for them yet.\n\n"
    b"What is there is said at /api/about.\n"
)


@dataclass(frozen=True)
class PageFile:
    """A file of the page, in memory."""

    content: bytes
    media_type: str
    status: int = 200


def page_files(folder: Traversable | None = None) -> dict[str, PageFile]:
    """The files by their path in an address; ``/`` is the page, or says that it is not built."""
    folder = files("kinsight.explorer") / "page" if folder is None else folder
    found: dict[str, PageFile] = {}
    if folder.is_dir():
        _listed(folder, "/", found)
    index = found.pop("/index.html", None)
    found["/"] = index or PageFile(_NOT_BUILT, _TYPES[".txt"], 503)
    return found


def _listed(folder: Traversable, place: str, found: dict[str, PageFile]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            _listed(entry, f"{place}{entry.name}/", found)
        elif (kind := _TYPES.get(PurePosixPath(entry.name).suffix)) is not None:
            found[place + entry.name] = PageFile(entry.read_bytes(), kind)
