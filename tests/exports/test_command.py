"""The command export: what it prints, what it says is lost, what it refuses."""

from pathlib import Path

import pytest

from cli.cases import done, refused
from exports import cases
from kinsight.exports.job import FORMATS
from kinsight.exports.left_out import WORDS
from kinsight.exports.material import Material


def test_it_says_what_was_written_how_to_open_it_and_what_is_lost(
    run: Path, tmp_path: Path
) -> None:
    said = done("export", run, "--to", "tensorboard", "--out", tmp_path / "logs").output.split("\n")
    assert said[0] == f"{cases.COUNT} samples: {tmp_path / 'logs'}"
    assert said[1].startswith(f"Open with: tensorboard --logdir {tmp_path / 'logs'}")
    lost = next(line for line in said if "not in this format" in line)
    assert "nearest samples" in lost
    assert "explanations of pairs" in lost
    assert "pictures" not in lost


@pytest.mark.parametrize("to", FORMATS)
def test_whatever_a_format_does_not_hold_is_said(run: Path, wave_run: Path, to: str) -> None:
    from kinsight.exports.left_out import left_out

    for folder in (run, wave_run):
        material = Material.opened(str(folder))
        said = " ".join(left_out(material, FORMATS[to].holds))
        for name in material.present - FORMATS[to].holds:
            assert WORDS[name] in said
        for name in FORMATS[to].holds - {"neighbours"}:  # a word of others as well
            assert f" {WORDS[name]}," not in f"{said},"


def test_every_thing_there_can_be_has_a_word(run: Path, wave_run: Path, table_run: Path) -> None:
    for folder in (run, wave_run, table_run):
        assert Material.opened(str(folder)).present <= set(WORDS)
    for kind in FORMATS.values():
        assert kind.holds <= set(WORDS)


def test_force_replaces_and_nothing_else_does(run: Path, tmp_path: Path) -> None:
    words = ("export", run, "--to", "spotlight", "--out", tmp_path / "all.parquet")
    done(*words)
    refused("--force replaces it", *words)
    done(*words, "--force")


def test_decisions_about_other_data_are_counted(run: Path, tmp_path: Path) -> None:
    material = Material.opened(str(run))
    from kinsight.explorer.decisions import Decisions

    stranger = Decisions(run, "other data", 10)
    stranger.decide(3, "keep")
    try:
        said = done("export", run, "--to", "cleanlab", "--out", tmp_path / "c").output
    finally:
        stranger.withdraw(3)
    assert "1 decisions are about other data" in said
    assert set(material.decisions) == {0, 7}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    words = ("--to", "tensorboard", "--out", tmp_path / "out")
    refused("found no folder", "export", tmp_path / "none", *words)
    refused(r"no run\.json", "export", tmp_path, *words)
    assert list(tmp_path.iterdir()) == []
