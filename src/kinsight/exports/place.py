"""Where an export goes: whole or not at all, and only in place of another export."""

import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinsight.errors import RunFolderError
from kinsight.files import storable, write_json, write_whole

RECORD = "kinsight-export.json"  # in a folder
KEY = b"kinsight.export"  # among the metadata of a Parquet file


def check_free(out: Path, folder: bool, force: bool) -> None:
    """Refuse a place that is taken, before anything is read.

    ``folder``: what is to be written is one; it takes the place of another folder, a file that of
    a file.

    Raises:
        RunFolderError: something is there that is no export of kinsight; without ``force``
            anything at all but an empty folder.
    """
    if not out.is_symlink() and (not out.exists() or (folder and _empty(out))):
        return
    if out.is_symlink() or out.is_dir() != folder or not _is_export(out):
        raise RunFolderError(
            f"{out}: expected a free place or an export of kinsight of the same kind, got "
            "something else, which is left alone; choose another name"
        )
    if not force:
        raise RunFolderError(
            f"{out}: an export is there already; --force replaces it, or choose another name"
        )


def write_folder(out: Path, fill: Callable[[Path], Any], record: Callable[[], Any]) -> None:
    """Let ``fill`` write a folder beside ``out`` and put it there with its record.

    A process that is killed leaves the old folder or the new one, never a part of either under
    the name; nothing is flushed to the disk by force, since an export can be made again.

    Raises:
        RunFolderError: the system refuses: no such place, no permission, no room.
    """
    aside = out.with_name(f".{out.name}.{os.getpid()}{secrets.randbelow(10**9):09d}.tmp")
    try:
        try:
            aside.mkdir(parents=True)
            fill(aside)
            write_json(aside / RECORD, record())
            _put(aside, out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise RunFolderError(
            f"{out}: expected a place to write to, got: {error.strerror or error}; free some room "
            "there or choose another folder"
        ) from error


def write_file(out: Path, fill: Callable[[Path], Any]) -> None:
    """Let ``fill`` write a file beside ``out`` and put it there in one step.

    Raises:
        RunFolderError: the system refuses.
    """
    write_whole(out, fill)


def in_metadata(record: dict[str, Any]) -> dict[bytes, bytes]:
    """A record as the metadata of a Parquet file, by which it is known as an export."""
    return {KEY: storable(json.dumps(record, ensure_ascii=False)).encode()}


def _put(aside: Path, out: Path) -> None:
    if not out.exists():
        os.replace(aside, out)
        return
    old = aside.with_name(f"{aside.name}.old")
    os.replace(out, old)
    try:
        os.replace(aside, out)
    except OSError:
        os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _empty(out: Path) -> bool:
    return out.is_dir() and not any(out.iterdir())


def _is_export(out: Path) -> bool:
    if out.is_dir():
        return (out / RECORD).is_file()
    try:
        return KEY in (pq.read_schema(out).metadata or {})
    except (OSError, pa.ArrowException):
        return False
