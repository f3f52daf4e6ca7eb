"""An export is there whole or not at all, and takes no place that is not its own."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kinsight.errors import ArgumentError, RunFolderError
from kinsight.exports import projector
from kinsight.exports.job import export
from kinsight.exports.place import RECORD, write_folder

FOLDERS, FILES = ("fiftyone", "tensorboard", "cleanlab"), ("spotlight", "embedding-atlas")


def named(folder: Path, to: str) -> Path:
    return folder / (f"{to}.parquet" if to in FILES else to)


@pytest.mark.parametrize("to", [*FOLDERS, *FILES])
def test_an_export_is_replaced_on_demand_alone(run: Path, tmp_path: Path, to: str) -> None:
    place = named(tmp_path, to)
    export(str(run), to, place)
    with pytest.raises(RunFolderError, match="--force replaces it"):
        export(str(run), to, place)
    if place.is_dir():
        (place / "left over").touch()
    export(str(run), to, place, force=True)
    assert [path.name for path in tmp_path.iterdir()] == [place.name]  # nothing aside
    assert not (place / "left over").exists()


@pytest.mark.parametrize("to", [*FOLDERS, *FILES])
def test_what_is_no_export_is_left_alone_even_by_force(run: Path, tmp_path: Path, to: str) -> None:
    place = named(tmp_path, to)
    if to in FILES:
        pq.write_table(pa.table({"mine": [1]}), place)
    else:
        place.mkdir()
        (place / "mine").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(RunFolderError, match="left alone"):
        export(str(run), to, place, force=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_tables_of_the_run_and_the_run_itself_are_left_alone(run: Path) -> None:
    with pytest.raises(RunFolderError, match="left alone"):
        export(str(run), "tensorboard", run, force=True)
    with pytest.raises(RunFolderError, match="left alone"):
        export(str(run), "spotlight", run / "samples.parquet", force=True)


def test_a_folder_takes_no_place_of_a_file_nor_a_file_that_of_a_folder(
    run: Path, tmp_path: Path
) -> None:
    export(str(run), "spotlight", tmp_path / "a.parquet")
    with pytest.raises(RunFolderError, match="of the same kind"):
        export(str(run), "tensorboard", tmp_path / "a.parquet", force=True)
    export(str(run), "tensorboard", tmp_path / "b.parquet")
    with pytest.raises(RunFolderError, match="of the same kind"):
        export(str(run), "spotlight", tmp_path / "b.parquet", force=True)
    (tmp_path / "link").symlink_to(tmp_path / "b.parquet")
    with pytest.raises(RunFolderError, match="left alone"):
        export(str(run), "tensorboard", tmp_path / "link", force=True)


def test_an_empty_folder_is_free(run: Path, tmp_path: Path) -> None:
    export(str(run), "tensorboard", tmp_path)
    assert (tmp_path / RECORD).is_file()


def test_a_failure_on_the_way_leaves_what_was_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "logs"
    export(str(run), "tensorboard", place)
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def fail(aside: Path) -> None:
        (aside / projector.METADATA).write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunFolderError, match="No space left"):
        write_folder(place, fail, dict)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_wrong_ending_and_an_unknown_tool_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"ends in \.parquet"):
        export(str(run), "spotlight", tmp_path / "all.csv")
    with pytest.raises(ArgumentError, match="expected one of 'fiftyone'"):
        export(str(run), "excel", tmp_path / "all.csv")
    assert list(tmp_path.iterdir()) == []
