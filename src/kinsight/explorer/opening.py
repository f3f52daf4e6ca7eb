"""From a path to views: what is there, whether it can be shown, and whether two go together."""

import shlex
from pathlib import Path

import numpy as np

from kinsight.errors import ArgumentError, RunFolderError, StoreError
from kinsight.explorer.view import View, told
from kinsight.run.folder import RECORD, RunFolder, is_record

_LISTED = 5  # samples named that differ
_IDENTIFYING = (("name", "id"), ("label",))


def open_view(path: str) -> View:
    """The view of a folder that analyze left, or of a store of sketches.

    Raises:
        RunFolderError: nothing of kinsight is there, or a run that was stopped before its end.
        StoreError: a store that is damaged or has no rows yet.
    """
    if "://" not in path:
        folder = Path(path)
        if not folder.is_dir() or not (folder / RECORD).is_file():
            raise RunFolderError(
                f"{path}: expected a folder that `kinsight analyze` or `kinsight sketch` left, "
                f"found {'no ' + RECORD + ' in it' if folder.is_dir() else 'no folder'}; "
                "`kinsight demo` makes one to look at"
            )
        if is_record(folder / RECORD):
            return _run(folder)
    from kinsight.explorer.store_view import StoreView
    from kinsight.sketching.store import Store

    try:
        return StoreView(Store(path))
    except StoreError:
        if "://" not in path:
            _say_schema(Path(path))
        raise


def _run(folder: Path) -> View:
    from kinsight.explorer.run_view import RunView

    run = RunFolder(folder)
    if not run.finished:
        raise RunFolderError(
            f"{folder}: the run is not finished; {_done(folder)}. {_going_on(run)}"
        )
    return RunView(run)


def _say_schema(folder: Path) -> None:
    """The error of a run.json that is of a run after all, if it is one of another version."""
    try:
        RunFolder(folder)
    except RunFolderError as error:
        if "schema version" in str(error) and '"shards"' not in (folder / RECORD).read_text(
            "utf-8", "replace"
        ):
            raise


def _done(folder: Path) -> str:
    parts = sorted((folder / "parts").glob("rows-*.parquet"))
    numbers = parts[-1].stem.split("-") if parts else []
    if len(numbers) < 3 or not numbers[2].isdigit():
        return "no range of rows is done so far"
    return f"the first {int(numbers[2]):,} rows are done so far"


def _going_on(run: RunFolder) -> str:
    target = run.record.get("target")
    if not isinstance(target, str):
        return "Call analyze again with the same subject and folder: it goes on from there"
    command = (
        told(target)
        if target.startswith("kinsight ")
        else f"kinsight analyze {shlex.quote(told(target))}"
    )
    return f"`{command} --out {shlex.quote(str(run.path))}` goes on from there"


def same_samples(first: View, second: View) -> bool:
    """Whether two views are known to be of the same data, by its digest.

    False where names and labels agree but digests differ or cannot be compared: other
    pre-processing, or a run beside a store.

    Raises:
        ArgumentError: another number of samples, other names or labels, or other data and neither
            names nor labels to tell whether samples correspond.
    """
    ours, theirs = first.facts, second.facts
    if len(first) != len(second):
        raise ArgumentError(
            f"{theirs.path_name}: expected the {len(first):,} samples of {ours.path_name}, got "
            f"{len(second):,}; two views are compared sample by sample"
        )
    if ours.data == theirs.data and ours.kind == theirs.kind:
        return True
    compared = [_differing(first, second, names) for names in _IDENTIFYING]
    if not any(compared):
        raise ArgumentError(
            f"{theirs.path_name}: expected the data of {ours.path_name}, got data with another "
            "digest, and neither names nor labels tell whether the samples correspond"
        )
    return False


def _differing(first: View, second: View, names: tuple[str, ...]) -> bool:
    """Whether both have such a column, which is then the same.

    Raises:
        ArgumentError: it differs.
    """
    ours = next((n for n in names if first.columns.has(n)), None)
    theirs = next((n for n in names if second.columns.has(n)), None)
    if ours is None or theirs is None:
        return False
    left, right = (
        np.array(view.columns.texts(name).to_pylist(), object)
        for view, name in ((first, ours), (second, theirs))
    )
    other = np.flatnonzero(left != right)
    if len(other):
        some = ", ".join(
            f"{i:,} ({told(left[i], 30)} here, {told(right[i], 30)} there)" for i in other[:_LISTED]
        )
        raise ArgumentError(
            f"{second.facts.path_name}: expected the samples of {first.facts.path_name}, but "
            f"{len(other):,} have another {ours}: {some}{' …' if len(other) > _LISTED else ''}"
        )
    return True
