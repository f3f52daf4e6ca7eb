"""Killed at any moment, a monitor has lost at most the look under way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import kinsight as ks
from kinsight.training import folder as module
from kinsight.training.folder import Folder
from training.cases import monitor, network, train

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("delay", [0.0, 0.13, 0.4])
def test_after_a_kill_every_finished_look_is_there_and_the_next_goes_on(tmp_path, delay) -> None:
    place = tmp_path / "looks"
    command = [sys.executable, str(TESTS / "training" / "killed.py"), str(place)]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    read = ks.training.Looks(place)
    steps = read.table()["step"].to_pylist()
    assert steps == list(range(len(steps)))
    assert steps
    for look in range(len(read)):
        assert read.samples(look).num_rows == read.table()["set_apart"][look].as_py() + 24
    again = monitor(network(), place, every=1)
    again.step()
    assert again.table()["step"].to_pylist() == [*steps, len(steps)]
    assert [path.name for path in place.rglob(".*.tmp")] == []


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", range(3))
def test_a_look_that_ends_between_its_files_is_not_there(tmp_path, monkeypatch, after) -> None:
    """Samples, Gram matrix, table: stopped after each of them."""
    model = network()
    with monitor(model, tmp_path / "a", every=1) as watched:
        train(model, 2, watched.step)
    before, written = watched.table(), 0

    def counted(write):
        def once(*arguments) -> None:
            nonlocal written
            if written == after:
                raise StoppedError
            written += 1
            write(*arguments)

        return once

    with monkeypatch.context() as patch:
        for name in ("write_table", "write_whole"):
            patch.setattr(module, name, counted(getattr(module, name)))
        with pytest.raises(StoppedError):
            watched.look()
    assert Folder.read(tmp_path / "a").rows == before.to_pylist()
    (tmp_path / "a" / ".looks.parquet.17.tmp").write_bytes(b"half a tab")
    again = monitor(model, tmp_path / "a", every=1)
    assert len(list((tmp_path / "a" / "samples").iterdir())) == 3
    assert len(list((tmp_path / "a" / "kernels").iterdir())) == 2
    assert not (tmp_path / "a" / ".looks.parquet.17.tmp").exists()
    again.step()
    moved = again.table()["change_since_last"].to_pylist()
    assert moved[-1] == pytest.approx(0.0, abs=1e-6)  # the same network, and its kernel was kept


def test_damaged_kernels_are_named(tmp_path) -> None:
    model = network()
    monitor(model, tmp_path / "a")
    path = tmp_path / "a" / "kernels" / "000000.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ks.errors.RunFolderError, match=r"000000\.npy"):
        monitor(model, tmp_path / "a")
    torch.save(torch.zeros(3), path)  # a pickle is not read
    with pytest.raises(ks.errors.RunFolderError, match=r"000000\.npy"):
        monitor(model, tmp_path / "a")
