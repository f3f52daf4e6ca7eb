"""The commands as a person types them: what they print, leave and exit with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner, Result

from kinsight.cli.commands import app
from kinsight.run.comparison import Comparison

MINE = """
import torch
from torch import nn

def network(width=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 5)).eval()

def data(count=30):
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1))

def trained():
    return {"model": network(), "data": data(), "labels": [i % 3 for i in range(30)]}

def training():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    return model, data()

class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
    def forward(self, x):
        return self.layer(x - x.mean(0))

def mixing():
    return Mixing().eval(), data()

class Unruly(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.idle = nn.Parameter(torch.ones(2))
    def forward(self, x):
        return torch.cumprod(x * 0.1 + self.scale.cumsum(0) * x.sin(), 1)

def unruly():
    return Unruly().eval(), data()

def scripted():
    return torch.jit.script(network()), data()

def empty():
    return network(), data(0)

def large():
    return network(3000), data(2500)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "pytest" not in p])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


def kinsight(*words: str) -> Result:
    """The command inside this process; a new one would spend seconds on importing torch."""
    return CliRunner().invoke(app, list(words), prog_name="kinsight")


def test_analyze_leaves_the_folder_and_says_what_it_found(here: Path) -> None:
    done = kinsight("analyze", "mine:trained", "--out", "run")
    assert done.exit_code == 0, done.output
    assert "a typical one of the 30 samples has" in done.stdout
    assert "of 30 labels" in done.stdout
    assert (here / "run" / "report.html").is_file()
    assert pq.read_metadata(here / "run" / "samples.parquet").num_rows == 30
    record = json.loads((here / "run" / "run.json").read_text())
    assert record["target"] == "mine:trained"
    again = kinsight("analyze", "mine:trained", "--out", "run")
    assert again.exit_code == 0
    os.remove(here / "run" / "report.html")
    assert kinsight("report", "run").exit_code == 0
    assert (here / "run" / "report.html").is_file()


def test_options_say_what_the_function_does_not(here: Path) -> None:
    words = (
        "--output",
        "own-class",
        "--parameters",
        "2.*",
        "--dtype",
        "float64",
        "--neighbours",
        "3",
    )
    assert kinsight("analyze", "mine:trained", "--out", "run", *words).exit_code == 0
    record = json.loads((here / "run" / "run.json").read_text())
    assert record["outputs"] == 1
    assert record["identity"]["dtype"] == "float64"
    assert record["identity"]["parameters"] == ["2.weight", "2.bias"]
    assert record["coverage"]["excluded"] == ["0.weight", "0.bias"]
    assert pq.read_metadata(here / "run" / "neighbours.parquet").num_rows == 90


def test_the_doctor_finds_nothing_wrong_with_a_sound_network(here: Path) -> None:
    done = kinsight("doctor", "mine:trained")
    assert done.exit_code == 0, done.output
    assert "✓ every parameter that reaches the output is read by a rule" in done.stdout
    assert "✓ samples do not influence each other" in done.stdout
    assert "0.weight" in done.stdout
    assert "analyze will take about" in done.stdout
    assert "with --output own-class" in done.stdout


def test_the_doctor_names_what_is_slow_idle_and_frozen(here: Path) -> None:
    done = kinsight("doctor", "mine:unruly")
    assert done.exit_code == 0, done.output
    assert "! 1 parameter is unused, 2 numbers on which this output does not depend: idle" in (
        done.stdout
    )
    assert "! 1 parameter is left out as frozen: frozen" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("analyze", "mine:training", "--out", "run"), "TrainingModeError: .*model.eval"),
        (("doctor", "mine:training"), "TrainingModeError"),
        (("doctor", "mine:mixing"), "SampleInfluenceError"),
        (("doctor", "mine:scripted"), "NetworkError: .*ScriptModule"),
        (("analyze", "mine:empty", "--out", "run"), "DataError: .*at least one sample"),
        (("analyze", "mine:nothing", "--out", "run"), "ImportTargetError: .*functions .*trained"),
        (("analyze", "yours:trained", "--out", "run"), "ImportTargetError: there is no module"),
        (("analyze", "mine:trained", "--out", "."), "RunFolderError: .*not of a run"),
        (("analyze", "mine:trained", "--out", "run", "--parameters", "9.*"), "ParameterError"),
        (("analyze", "mine:trained", "--out", "/proc/xx"), "RunFolderError: /proc/xx"),
        (("analyze", "mine:trained", "--out", "mine.py"), "RunFolderError: .*found a file"),
        (("analyze", "mine:trained", "--out", "mine.py/run"), "RunFolderError: mine.py/run"),
        (("analyze", "mine:trained", "--out", "run", "--device", "gpu"), "ArgumentError: device"),
        (("doctor", "mine:trained", "--device", "meta"), "ArgumentError: device"),
        (("report", "nowhere"), "RunFolderError: nowhere"),
        (("analyze", "mine:trained"), "Missing option"),
        (("analyze", "mine:trained", "--out", "run", "--output", "words"), "Invalid value"),
    ],
)
def test_what_is_wrong_is_one_message_and_exit_2(here: Path, words, said: str) -> None:
    done = kinsight(*words)
    assert done.exit_code == 2
    assert re.search(said, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_one_message(here: Path) -> None:
    done = kinsight("doctor", "mine:trained", "--device", "cuda")
    assert done.exit_code == 2
    assert "ArgumentError: device: expected one that torch can use here" in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1


def test_a_doctor_that_finds_something_wrong_exits_with_1(here: Path, monkeypatch) -> None:
    wrong = Comparison(distance=3.0, tolerance=1e-4, precise=3.0)
    monkeypatch.setattr(
        import_module("kinsight.run.diagnosis"), "in_batch_and_alone", lambda *_: wrong
    )
    done = kinsight("doctor", "mine:trained")
    assert done.exit_code == 1
    assert "✗ samples influence each other" in done.stdout
    assert "✓ samples do not influence" not in done.stdout


def test_the_demo_leaves_other_runs_and_other_files_alone(here: Path) -> None:
    assert kinsight("analyze", "mine:trained", "--out", "run").exit_code == 0
    before = (here / "run" / "run.json").read_bytes()
    done = kinsight("demo", "--out", "run")
    assert done.exit_code == 2
    assert "got a run of mine:trained, which is left alone" in done.stderr
    assert (here / "run" / "run.json").read_bytes() == before


def test_an_order_that_changes_is_said_to_need_a_seed(here: Path) -> None:
    with open("mine.py", "a") as file:
        file.write("def unseeded():\n    return nn.Linear(4, 2), data()\n")
    assert kinsight("analyze", "mine:unseeded", "--out", "run").exit_code == 0
    done = kinsight("analyze", "mine:unseeded", "--out", "run")
    assert done.exit_code == 2
    assert "another model" in done.stderr
    assert "fixed seeds" in done.stderr


def test_ctrl_c_while_torch_is_imported_leaves_no_trace(here: Path) -> None:
    (here / "torch").mkdir()  # stands in for the real one, which takes seconds
    (here / "torch" / "__init__.py").write_text(
        "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(30)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "kinsight", "analyze", "mine:trained", "--out", "run"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Stopped." in errors
    assert "Traceback" not in errors


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "kinsight", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("kinsight 0.")


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(here: Path) -> None:
    words = ("analyze", "mine:large", "--out", "run", "--memory", "0.02", "--batch-size", "16")
    process = subprocess.Popen(
        [sys.executable, "-m", "kinsight", *words],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((here / "run" / "parts").glob("rows-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "rows are kept in run; the same command goes on from there" in errors
    assert "Traceback" not in errors
