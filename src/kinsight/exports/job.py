"""From the folder of a run or a store to the files of another tool, and what was lost."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, RunFolderError
from kinsight.exports import atlas, cleanlab, fiftyone, projector, spotlight
from kinsight.exports.left_out import elsewhere, left_out
from kinsight.exports.material import Material
from kinsight.exports.place import check_free, write_file, write_folder
from kinsight.run.folder import RECORD


@dataclass(frozen=True)
class Format:
    """How a tool wants it."""

    holds: frozenset[str]
    suffix: str | None  # of a file; None for a folder
    check: Callable[[Material], None]
    write: Callable[[Material, Path, dict[str, Any]], list[str]]
    opens: Callable[[Material, Path], str]


def _format(module: Any, suffix: str | None = None) -> Format:
    return Format(module.HOLDS, suffix, module.check, module.write, module.opens)


FORMATS = {
    "fiftyone": _format(fiftyone),
    "spotlight": _format(spotlight, ".parquet"),
    "embedding-atlas": _format(atlas, ".parquet"),
    "tensorboard": _format(projector),
    "cleanlab": _format(cleanlab),
}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    samples: int
    notes: tuple[str, ...]  # what is missing or not as it was
    opens: str  # the line that opens it


def export(
    folder: str, to: str, out: str | Path, features: str | None = None, force: bool = False
) -> Exported:
    """Write a run or a store in the format of another tool; docs/exports.md has the table.

    Args:
        folder: what analyze, demo, sketch or survey left.
        to: ``fiftyone``, ``spotlight``, ``embedding-atlas``, ``tensorboard`` or ``cleanlab``.
        out: a ``.parquet`` file for spotlight and embedding-atlas, else a folder.
        features: a store of the same samples, whose tangent features go along with a run.
        force: replace an export that is there; anything else there is never touched.

    Memory: the columns of all samples and some thousand rows of pictures or features.

    Raises:
        ArgumentError: an unknown format, a name with another ending, samples that lack what the
            format is about.
        RunFolderError, StoreError: what is there cannot be read, or the place is taken.
    """
    kind = FORMATS[one_of("to", to, FORMATS)]
    path = Path(out)
    _check_place(path, kind, force)
    material = Material.opened(folder, features)
    kind.check(material)
    record: dict[str, Any] = {
        "format": to,
        "title": material.view.facts.title,
        "samples": material.count,
        "data": material.view.facts.data,
        "kinsight": version("kinsight"),
    }
    notes = [*left_out(material, kind.holds), *elsewhere(material)]
    if kind.suffix is None:
        write_folder(
            path,
            lambda aside: notes.extend(kind.write(material, aside, record)),
            lambda: record | {"notes": notes},
        )
    else:
        write_file(path, lambda aside: notes.extend(kind.write(material, aside, record)))
    return Exported(path, material.count, tuple(notes), kind.opens(material, path))


def _check_place(path: Path, kind: Format, force: bool) -> None:
    if kind.suffix is not None and path.suffix != kind.suffix:
        raise ArgumentError(f"out: expected a name that ends in {kind.suffix}, got {path}")
    if (path / RECORD).is_file():
        raise RunFolderError(
            f"{path}: expected a place for an export, got the folder of a run or a store, which "
            "is left alone; choose another name"
        )
    check_free(path, kind.suffix is None, force)
