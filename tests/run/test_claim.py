"""Whose folder it is: only an empty one or one of ours is written to, only ours is removed."""

import json
from pathlib import Path

import pytest
import torch

from kinsight.errors import RunFolderError
from kinsight.report import write_report
from kinsight.run import Settings, analyze
from kinsight.run.claim import check_folder, check_target, clear
from run.subjects import COUNT, subject

FRESH = Settings(fresh=True)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["media/holiday.jpg", "parts/engine.step", "figures/mine.svg"])
def test_a_folder_with_a_folder_of_a_name_of_ours_is_not_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("mine")
    for settings in (Settings(), FRESH):
        with pytest.raises(RunFolderError, match="not of a run"):
            analyze(subject(), tmp_path, settings)
    assert files(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize(
    "text",
    [
        '{"lr": 0.1}',
        '{"schema": 1}',
        '{"schema": "x", "status": "finished", "identity": {}, "tables": {}}',
        '{"schema": 1, "status": "done", "identity": {}, "tables": {}}',
        "[1]",
        "{",
        "",
    ],
)
def test_the_record_of_another_program_is_refused_even_fresh(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    for name in ("media/holiday.jpg", "parts/rows.csv", "samples.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = files(tmp_path)
    for settings in (Settings(), FRESH):
        with pytest.raises(RunFolderError, match="something else, which is left alone") as caught:
            analyze(subject(), tmp_path, settings)
        assert "--fresh" not in str(caught.value)
    assert files(tmp_path) == before


def test_fresh_removes_what_kinsight_writes_and_nothing_else(tmp_path: Path) -> None:
    drawn = torch.rand(COUNT, 8, 8)
    real = subject(pictures=drawn, labels=torch.rand(COUNT), output=lambda z, _: z[:, 0])
    write_report(analyze(real, tmp_path))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"rows-{0:012d}-{5:012d}.parquet").write_text("half")
    (tmp_path / "parts" / f".rows-{5:012d}-{9:012d}.parquet.17.tmp").write_text("half")
    (tmp_path / ".samples.parquet.17.tmp").write_text("half")
    written = tmp_path / "copy"
    theirs = ("media/holiday.jpg", "parts/engine.tmp", "figures/mine.svg", "notes.txt")
    for name in theirs:
        (tmp_path / name).write_text("mine")
    clear(tmp_path)
    assert files(tmp_path) == dict.fromkeys(theirs, b"mine")
    write_report(analyze(real, written))
    clear(written)
    assert list(written.iterdir()) == []


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    analyze(subject(), run)
    elsewhere.mkdir()
    (elsewhere / "pictures.parquet").write_text("mine")
    (elsewhere / f"rows-{0:012d}-{5:012d}.parquet").write_text("mine")
    (run / "media").symlink_to(elsewhere)
    (run / "parts").symlink_to(elsewhere)
    clear(run)
    assert len(files(elsewhere)) == 2


def test_a_record_of_another_version_is_ours(tmp_path: Path) -> None:
    analyze(subject(), tmp_path)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 0}))
    with pytest.raises(RunFolderError, match=r"another version of kinsight.*--fresh"):
        analyze(subject(), tmp_path)
    assert analyze(subject(), tmp_path, FRESH).finished


def test_what_a_killed_beginning_leaves_is_free(tmp_path: Path) -> None:
    (tmp_path / ".run.json.123.tmp").write_text("{")
    check_folder(tmp_path)
    (tmp_path / ".run.json.bak").write_text("{")
    with pytest.raises(RunFolderError, match="not of a run"):
        check_folder(tmp_path)


def test_a_folder_may_only_be_redone_by_what_made_it(tmp_path: Path) -> None:
    check_target(tmp_path / "new", "kinsight demo")
    for target in ("mine:trained", None):
        analyze(subject(), tmp_path / str(target), Settings(target=target))
        with pytest.raises(RunFolderError, match="which is left alone"):
            check_target(tmp_path / str(target), "kinsight demo")
    analyze(subject(), tmp_path / "demo", Settings(target="kinsight demo"))
    check_target(tmp_path / "demo", "kinsight demo")
    path = tmp_path / "demo" / "run.json"  # stopped before its end: known all the same
    path.write_text(path.read_text().replace('"finished"', '"running"', 1))
    check_target(tmp_path / "demo", "kinsight demo")


def test_a_place_that_cannot_be_written_to_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="expected a place to write to"):
        analyze(subject(), "/proc/kinsight/run")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunFolderError, match="choose another"):
        analyze(subject(), tmp_path / "file" / "run")
