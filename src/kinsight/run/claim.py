"""The folder of a run at its beginning: whose it is, what may be removed, run.json begun."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinsight.errors import RunFolderError
from kinsight.files import is_aside, write_json
from kinsight.run.folder import RECORD, SCHEMA, RunFolder, is_record, read_record
from kinsight.run.identity import differing
from kinsight.run.parts import Parts

FIGURES = (
    "map", "classes", "suspects", "explanations", "density", "powers", "uncertainty", "fit",
    "denoising_factor", "shift", "beside",
)  # fmt: skip
# All that kinsight computes into the folder of a run, beside the ranges in parts/. Not among it:
# decisions.sqlite, a person's work, which nothing brings back.
OURS = (
    "samples.parquet",
    "neighbours.parquet",
    "map.parquet",
    "beside.parquet",
    "explanations.parquet",
    "inputs.parquet",
    "media/pictures.parquet",
    "media/signals.parquet",
    "report.html",
    *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")),
    RECORD,  # last: it is what makes the folder ours
)
_NEW_ANSWERS = "behaviour of the network on this data, so its code must have changed"


def check_folder(out: Path, fresh: bool = False) -> None:
    """Refuse a folder that is not ours, before anything is computed.

    Raises:
        RunFolderError: a file, a folder with other files, another program's run.json; without
            ``fresh`` also a record that is damaged or of another version.
    """
    try:
        there = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
        if not out.is_dir() and (out.exists() or out.is_symlink()):
            raise RunFolderError(f"{out}: expected a folder, found a file; choose another name")
    except OSError as error:
        raise RunFolderError(
            f"{out}: expected a folder to read and write, got: {error.strerror}; choose another"
        ) from error
    if RECORD in there:
        if not is_record(out / RECORD):
            raise RunFolderError(
                f"{out / RECORD}: expected the record of a run of kinsight, got a file of "
                "something else, which is left alone; choose an empty or a new folder"
            )
        if not fresh:
            read_record(out)
    elif any(not is_aside(name, RECORD) for name in there):
        raise RunFolderError(
            f"{out} holds files that are not of a run; choose an empty or a new folder"
        )


def begin(
    out: Path, identity: dict[str, Any], count: int, fresh: bool, target: str | None = None
) -> RunFolder:
    """The folder of this run: a new one, one to go on with, or a finished one.

    Raises:
        RunFolderError: the folder holds other files, or a run of something else.
    """
    check_folder(out, fresh)
    if (out / RECORD).is_file():
        if not fresh:
            _refuse_other(out, identity)
            return RunFolder(out)
        clear(out)
    record = {
        "schema": SCHEMA,
        "status": "running",
        "samples": count,
        "identity": identity,
        "tables": {},
        "begun": now(),
        "target": target,
    }
    write_json(out / RECORD, record)
    return RunFolder(out)


def check_target(out: Path, target: str) -> None:
    """Refuse a folder unless it is free or the run in it is one of ``target``, which may be redone.

    Raises:
        RunFolderError: as :func:`check_folder`, or a run of something else.
    """
    check_folder(out, fresh=True)
    if not (out / RECORD).is_file():
        return
    held = read_record(out).get("target")
    if held != target:
        raise RunFolderError(
            f"{out}: expected a free folder or that of {target}, got a run of "
            f"{held or 'something else'}, which is left alone; choose another folder with --out"
        )


def clear(out: Path) -> None:
    """Remove from a folder of ours what kinsight wrote there, by name, and nothing else."""
    Parts(out / "parts").clear()
    for path in (out / name for name in OURS):
        if path.parent == out or not path.parent.is_symlink():
            for ours in [*_asides(path), path]:
                ours.unlink(missing_ok=True)
    for folder in (out / "media", out / "figures"):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def now() -> str:
    """The time as run.json says it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _asides(path: Path) -> Iterator[Path]:
    if path.parent.is_dir():
        yield from (p for p in path.parent.iterdir() if is_aside(p.name, path.name))


def _refuse_other(out: Path, identity: dict[str, Any]) -> None:
    other = differing(read_record(out)["identity"], identity)
    if other:
        # Other answers follow from another network, data or output: said only of their own.
        reasons = [name for name in other if name != "answers"] or [_NEW_ANSWERS]
        raise RunFolderError(
            f"{out} holds a run of something else: another {', '.join(reasons)}. Choose another "
            "folder, or throw that run away with --fresh. If nothing was changed on purpose: your "
            "function must return the same network and the same data each time it is called, "
            "with fixed seeds (torch.manual_seed) and an order that does not change; where "
            "batches are padded to their longest sample, also the same --batch-size"
        )
