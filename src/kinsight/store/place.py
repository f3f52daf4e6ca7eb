"""Where the files of a store lie: a disk or any file system of pyarrow, each whole or absent."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from kinsight.errors import RunFolderError, StoreError
from kinsight.files import is_aside, write_whole

_PIECE = 8 << 20  # bytes read at a time where a file is only summed up
_STEP = 1 << 16  # bytes read at a time where no more are expected
_ATTEMPTS = 3  # of a file whose unfinished copy another writer of the same file took away


class Place:
    """A folder whose files are written whole and read within limits; names are relative to it.

    ``path``: a local path, or a URI such as ``s3://bucket/folder``; with ``filesystem`` a path
    in that one. On a local disk a file is written aside, flushed and renamed; elsewhere it is
    one object, which appears when its stream is closed.

    Raises:
        StoreError: the URI is of no file system that pyarrow knows.
    """

    def __init__(self, path: str | Path, filesystem: fs.FileSystem | None = None):
        self.filesystem, self.root = _resolve(path, filesystem)
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        self.local = Path(self.root) if local else None

    def __str__(self) -> str:
        return self.root

    def at(self, name: str) -> str:
        """The path of a file, for messages."""
        return f"{self.root}/{name}"

    def files(self, folder: str = "") -> dict[str, int]:
        """The files directly in a folder, by bare name, with their bytes; none if it is absent."""
        return {i.base_name: i.size for i in self._listed(folder) if i.type == fs.FileType.File}

    def folders(self, folder: str = "") -> list[str]:
        """The folders directly in a folder, sorted."""
        found = (i for i in self._listed(folder) if i.type == fs.FileType.Directory)
        return sorted(info.base_name for info in found)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is no such file."""
        with self._reporting(name):
            info = self.filesystem.get_file_info(self.at(name))
        return info.size if info.type == fs.FileType.File else None

    def read(self, name: str, limit: int) -> bytes:
        """All bytes of a file of at most ``limit``.

        Raises:
            StoreError: it is not there, larger, or cannot be read.
        """
        size = self.size(name)
        content = b""
        if size is not None and size <= limit:
            with self._reporting(name), self.filesystem.open_input_stream(self.at(name)) as stream:
                content = stream.read(size + 1)
                # To its end, not so far as it went: another may stand there since.
                while len(content) <= limit and (piece := stream.read(_STEP)):
                    content += piece
            size = len(content)
        if size is None or size > limit:
            came = "none" if size is None else f"{size:,} bytes"
            raise StoreError(
                f"{self.at(name)}: expected a file of at most {limit:,} bytes, got {came}"
            )
        return content

    def open(self, name: str) -> pa.NativeFile:
        """A file to read from: mapped into memory on a local disk, without a copy."""
        with self._reporting(name):
            if self.local is not None:
                return pa.memory_map(self.at(name), "r")
            return self.filesystem.open_input_file(self.at(name))

    def digest(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file, read in pieces."""
        total, seen = hashlib.sha256(), 0
        with self._reporting(name), self.filesystem.open_input_stream(self.at(name)) as stream:
            while piece := stream.read(_PIECE):
                total.update(piece)
                seen += len(piece)
        return seen, total.hexdigest()

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Put a file there in one step, over the one that may be there.

        Raises:
            StoreError: the system refuses: no such place, no permission, no room.
        """
        if self.local is not None:
            return self._write_local(self.local / name, content)
        with (
            self._reporting(name, "a place to write to"),
            self.filesystem.open_output_stream(self.at(name)) as stream,
        ):
            # All in one call: a stream that is closed after half of it would leave half an object.
            stream.write(content)
        if self.size(name) != len(memoryview(content)):
            raise StoreError(f"{self.at(name)}: expected all bytes to arrive; write it again")

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""
        if self.size(name) is not None:
            with self._reporting(name, "a file to remove"), suppress(FileNotFoundError):
                self.filesystem.delete_file(self.at(name))

    def clear_asides(self, folder: str, of: re.Pattern[str]) -> None:
        """Remove what killed processes left unfinished beside files whose name is as ``of``."""
        where = self.local / folder if self.local is not None else None
        if where is None or not where.is_dir():
            return
        with self._reporting(folder, "a folder to tidy"):
            for name in os.listdir(where):
                if is_aside_of(name, of):
                    (where / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder; one that holds something stays."""
        if self.local is not None:
            with suppress(OSError):
                (self.local / name).rmdir()

    def _listed(self, folder: str) -> list[fs.FileInfo]:
        where = f"{self.root}/{folder}" if folder else self.root
        selector = fs.FileSelector(where, allow_not_found=True)
        with self._reporting(folder):
            try:
                return self.filesystem.get_file_info(selector)
            except FileNotFoundError:  # another writer made the folder at this very moment
                return self.filesystem.get_file_info(selector)

    def _write_local(self, path: Path, content: bytes | pa.Buffer) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                return write_whole(path, lambda aside: _fill(aside, content))
            except RunFolderError as error:
                lost = isinstance(error.__cause__, FileNotFoundError)
                if not lost or attempt == _ATTEMPTS - 1:
                    raise StoreError(f"{error}; what is kept stays, call it again") from error

    @contextmanager
    def _reporting(self, name: str, expected: str = "a file to read") -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            said = getattr(error, "strerror", None) or error
            raise StoreError(
                f"{self.at(name)}: expected {expected}, got: {said}; see to it and call again"
            ) from error


def is_aside_of(name: str, of: re.Pattern[str]) -> bool:
    """Whether ``name`` is the unfinished copy of a file whose name is as ``of``."""
    if not (name.startswith(".") and name.endswith(".tmp")):
        return False  # at once: folders hold thousands of others
    beside = name[1:].rsplit(".", 2)[0]
    return is_aside(name, beside) and of.fullmatch(beside) is not None


def _fill(aside: Path, content: bytes | pa.Buffer) -> None:
    with open(aside, "wb") as file:
        file.write(memoryview(content))


def _resolve(path: str | Path, filesystem: fs.FileSystem | None) -> tuple[fs.FileSystem, str]:
    """The file system and the path in it; a local one is told to be local, whatever wraps it."""
    text = str(path)
    if filesystem is None and "://" in text:
        try:
            filesystem, text = fs.FileSystem.from_uri(text)
        except (OSError, ValueError, TypeError, pa.ArrowException) as error:
            # Only the scheme is shown: a URI may hold a secret key.
            raise StoreError(
                f"{text.split('://')[0]}://…: expected a URI that pyarrow opens "
                f"({type(error).__name__}); pass filesystem=, an object of pyarrow.fs"
            ) from error
    while filesystem is not None and isinstance(filesystem, fs.SubTreeFileSystem):
        inner = text.lstrip("/")
        filesystem, text = filesystem.base_fs, f"{filesystem.base_path.rstrip('/')}/{inner}"
    if filesystem is None or isinstance(filesystem, fs.LocalFileSystem) or _wraps_disk(filesystem):
        return fs.LocalFileSystem(), str(Path(text).expanduser().absolute())
    return filesystem, text.rstrip("/")


def _wraps_disk(filesystem: fs.FileSystem) -> bool:
    """Whether it is fsspec's own view of the local disk."""
    handler = getattr(filesystem, "handler", None)
    protocol = getattr(getattr(handler, "fs", None), "protocol", ())
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)
