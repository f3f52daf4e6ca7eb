"""Nothing finished is lost: a run killed or stopped goes on and ends with the same tables."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kinsight.errors import RunFolderError
from kinsight.run import Settings, analyze
from kinsight.run.parts import Parts
from run.subjects import inputs, subject

# Small enough for several ranges of rows; one range is what a stopped run keeps.
SETTINGS = Settings(memory_budget=1 << 20, batch_size=4)
TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys
import time
sys.path.insert(0, {tests!r})
from run.subjects import subject
from run.test_resume import SETTINGS
from kinsight.run import analyze, parts
save = parts.Parts.save
def slowly(self, part):
    save(self, part)
    print("kept", flush=True)
    time.sleep(1)
parts.Parts.save = slowly
analyze(subject(), {out!r}, SETTINGS)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_run_that_was_ended_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(tests=str(TESTS), out=str(out))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(2):  # two ranges are on disk, the third is under way
        assert process.stdout.readline() == "kept\n"
    os.kill(process.pid, how)
    process.wait(timeout=30)
    kept = {p.name: p.stat().st_mtime_ns for p in (out / "parts").glob("rows-*")}
    assert 2 <= len(kept) < 15
    whole = analyze(subject(), tmp_path / "whole", SETTINGS)
    saved: list[slice] = []
    gone_on = _noting(saved, lambda: analyze(subject(), out, SETTINGS))
    last = max(int(name.split("-")[2].split(".")[0]) for name in kept)
    assert saved[0].start == last  # nothing finished was computed again
    for table in ("samples", "neighbours"):
        assert gone_on.table(table).equals(whole.table(table))  # bit by bit


def _noting(saved: list[slice], job):
    original = Parts.save
    Parts.save = lambda self, part: (saved.append(part.rows), original(self, part))[1]
    try:
        return job()
    finally:
        Parts.save = original


def test_a_damaged_range_is_computed_again(tmp_path: Path) -> None:
    made: list[Parts] = []
    original, Parts.clear = Parts.clear, lambda self: None
    save, Parts.save = Parts.save, lambda self, part: (made.append(self), save(self, part))[1]
    more = subject(data=inputs(100))
    try:
        whole = analyze(more, tmp_path, SETTINGS)
    finally:
        Parts.clear, Parts.save = original, save
    parts = made[0]
    files = sorted((tmp_path / "parts").glob("rows-*"))
    assert len(files) > 3
    files[2].write_bytes(files[2].read_bytes()[:100])
    assert len(parts.load()) == 2
    files[1].unlink()
    assert len(parts.load()) == 1
    before = whole.table("samples")
    record = tmp_path / "run.json"
    record.write_text(record.read_text().replace('"finished"', '"running"', 1))
    again = analyze(more, tmp_path, SETTINGS)
    assert again.table("samples").equals(before)


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch) -> None:
    from kinsight.files import write_text, write_whole

    write_text(tmp_path / "a.txt", "old")

    def broken(aside: Path) -> None:
        aside.write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(RunFolderError, match="the disk is full; free some room"):
        write_whole(tmp_path / "a.txt", broken)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
