"""Files that are either complete or absent: written aside, flushed to disk, then renamed."""

import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.errors import RunFolderError

_SURROGATE = re.compile("[\ud800-\udfff]")
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def storable(value: Any) -> str:
    """Text that UTF-8 can hold: half characters, as in undecodable file names, become U+FFFD."""
    return _SURROGATE.sub("\ufffd", str(value))


def harmless(value: Any) -> Any:
    """A cell of CSV or TSV that a spreadsheet shows and does not run; what is no text as given.

    A text that begins with = + - @, tab or return gets an apostrophe in front. Plain numbers such
    as −1.5 stay: labels may be numbers, and they run nothing.

    >>> harmless("=1+1"), harmless("-1.5"), harmless("a=b"), harmless(3)
    ("'=1+1", '-1.5', 'a=b', 3)
    """
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.startswith(_RUN_BY_SPREADSHEETS) and not _number(value) else value


def _number(text: str) -> bool:
    digits = text[1:].replace(".", "", 1)
    return text[:1] in "+-" and digits.isascii() and digits.isdigit()


def write_whole(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a file beside ``path`` and put it there in one step.

    A reader, or a run that goes on after a kill, sees the old file or the new one, never a part.

    Raises:
        RunFolderError: the system refuses: no such place, no permission, no room.
    """
    # Random digits besides: processes of two machines on one disk may share a number.
    aside = path.with_name(f".{path.name}.{os.getpid()}{secrets.randbelow(10**9):09d}.tmp")
    try:
        _make_folder(path.parent)
        try:
            fill(aside)
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        _flush_folder(path.parent)
    except OSError as error:
        raise RunFolderError(
            f"{path}: expected a place to write to, got: {error.strerror or error}; free some "
            "room there or choose another folder"
        ) from error


def is_aside(name: str, of: str) -> bool:
    """Whether ``name`` is the unfinished file that a killed process left beside ``of``."""
    return re.fullmatch(rf"\.{re.escape(of)}\.\d+\.tmp", name) is not None


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    write_whole(path, lambda aside: aside.write_text(storable(text), encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs; NaN is not JSON and is refused by the encoder."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file."""
    write_whole(path, lambda aside: pq.write_table(table, aside, compression="zstd"))


def _make_folder(folder: Path) -> None:
    """A folder and those above it, each known to the one that holds it when this returns."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
