"""`kinsight sketch` as a person types it: stopped, killed, on a cluster, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import kinsight as ks
from cli.cases import PLAN, content, done, kinsight, refused
from kinsight.cli.run import named
from kinsight.sketching.worker import ShardWorker


def killed(here: Path, out: str, shards: int, with_signal: int) -> tuple[int, str]:
    """The command in a process of its own, which gets a signal after so many shards."""
    words = ("sketch", "own:large", "--out", out, *PLAN)
    process = subprocess.Popen(
        [sys.executable, "-m", "kinsight", *words],
        cwd=here,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(list((here / out / "sketch").glob("shard-*.json"))) >= shards:
            break
        time.sleep(0.002)
    process.send_signal(with_signal)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_stopped_then_killed_the_same_command_ends_with_the_same_bytes(beside: Path) -> None:
    status, errors = killed(beside, "run", 3, signal.SIGINT)
    assert status == 130, errors
    assert "of 640 samples are kept in run; the same command goes on from there." in errors
    assert "Traceback" not in errors
    first = len(list((beside / "run" / "sketch").glob("shard-*.json")))
    status, errors = killed(beside, "run", first + 3, signal.SIGKILL)
    assert status == -9, errors
    kept = len(list((beside / "run" / "sketch").glob("shard-*.json")))
    assert first < kept < 40  # killed in the middle: all of it is 40 shards
    assert "under way" in done("info", "run").stdout
    assert done("sketch", "own:large", "--out", "run", *PLAN).stdout.startswith("640 samples")
    done("sketch", "own:large", "--out", "undisturbed", *PLAN)
    assert content(beside / "run") == content(beside / "undisturbed")
    assert "every byte is as it was written" in done("verify", "run").stdout


def test_what_is_printed_and_kept(beside: Path) -> None:
    said = done("sketch", "own:trained", "--out", "run", *PLAN).stdout
    assert "60 samples, S = 64 numbers each, in" in said
    assert "4 shards" in said
    store = ks.Store(beside / "run")
    assert f"similarities are off by {store.error.rms:.2g} (root mean square of 496" in said
    assert "set apart: none" in said
    assert "kinsight neighbours run --query 0" in said
    column = store.folder.column
    assert column("id").to_pylist() == [f"n{i}" for i in range(60)]
    assert column("label").to_pylist() == [-1] * 20 + [0, 1] * 20
    assert column("class").to_pylist() == [None] * 20 + ["cat", "dog"] * 20
    assert column("weight").to_pylist() == [None] * 20 + [0.5] * 40
    before = content(beside / "run")
    assert done("sketch", "own:trained", "--out", "run", *PLAN).stdout == said
    assert content(beside / "run") == before


def test_options_say_what_the_function_does_not(beside: Path) -> None:
    words = ("--output", "own-class", "--parameters", "2.*", "--dtype", "float64", "--seed", "3")
    auto = ("--dim", "auto", "--error", "0.1", "--normalization", "trace", "--keep", "outputs")
    done("sketch", "own:plain", "--out", "run", *words, *auto, "--memory", "0.5")
    head = ks.Store(beside / "run").head
    assert head["identity"]["output"] == "OwnClass(label='predicted')"
    assert head["identity"]["parameters"] == ["2.weight", "2.bias"]
    assert head["identity"]["dtype"] == "float64"
    assert head["identity"]["normalization"] == "trace"
    assert (head["sketch"]["seed"], head["sketch"]["keep"]) == (3, "outputs")
    assert head["sketch"]["dim"] % 64 == 0
    assert head["sketch"]["dim"] <= 128  # (1 − k²)²/S ≤ 0.1² takes at most 100


def test_appended_and_thrown_away(beside: Path) -> None:
    done("sketch", "own:plain", "--out", "run", *PLAN)
    assert done("sketch", "own:plain_too", "--out", "run", "--append", *PLAN).stdout.startswith(
        "55 "
    )
    assert "appended in 2 parts" in done("info", "run").stdout
    again = done("sketch", "own:plain", "--out", "run", *PLAN)  # these are there already
    assert again.stdout.startswith("55 ")
    assert done("sketch", "own:plain", "--out", "run", "--fresh", *PLAN).stdout.startswith("30 ")


def test_facts_about_samples_are_told(beside: Path) -> None:
    found = done("sketch", "own:broken", "--out", "run", *PLAN)
    assert "! 1 of the samples have a NaN or infinite gradient" in found.stderr
    assert "set apart: 1 sample with a NaN or infinite gradient" in found.stdout
    assert "set apart: its gradient is not finite" in done("neighbours", "run", "--query", 3).stdout
    found = done("sketch", "own:batched", "--out", "classes", *PLAN)
    assert "! classes: their names are kept beside labels=" in found.stderr
    assert ks.Store(beside / "classes").folder.column("label").to_pylist() == [0, 1] * 30


def test_ctrl_c_before_the_first_shard(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self, shard):
        raise KeyboardInterrupt

    monkeypatch.setattr(ShardWorker, "__call__", stopped)
    result = kinsight("sketch", "own:plain", "--out", "run", *PLAN)
    assert result.exit_code == 130
    assert "No shard was finished yet; nothing is lost but the time." in result.stderr


def test_ctrl_c_after_fresh_does_not_advise_to_begin_anew_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ShardWorker.__call__

    def stopped(self, shard):
        if shard.index == 2:
            raise KeyboardInterrupt
        return plain(self, shard)

    monkeypatch.setattr(ShardWorker, "__call__", stopped)
    result = kinsight("sketch", "own:trained", "--out", "run", "--fresh", *PLAN)
    assert "32 of 60 samples are kept in run; the same command without --fresh" in result.stderr


def test_a_uri_is_taken_as_it_is(beside: Path) -> None:
    """Slashes are not collapsed, and a key in a URI is not shown."""
    uri = f"file://{beside}/there"
    assert "kinsight neighbours file://" in done("sketch", "own:plain", "--out", uri, *PLAN).stdout
    assert (beside / "there" / "run.json").is_file()
    assert f"{uri}: finished, 30 rows in 2 shards" in done("info", uri).stdout
    assert done("neighbours", uri, "--query", 0).stdout.count("\n") == 12
    assert named("s3://key:secret@bucket/run?region=x") == "s3://bucket/run"


def test_the_workers_of_a_cluster_load_the_target_and_write_the_same_bytes(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done("sketch", "own:told", "--out", "local", *PLAN)
    os.remove("called")
    done("sketch", "own:told", "--out", "there", *PLAN, "--engine", "ray", "--workers", 1)
    callers = Path("called").read_text().split()
    assert len(callers) == 2  # here once, and in the worker, to which no network was sent
    assert len({*callers, str(os.getpid())}) == 2
    assert content(beside / "there") == content(beside / "local")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ImportTargetError: there is no module 'yours'", ("yours:trained",)),
        ("ImportTargetError: own has no 'train'", ("own:train",)),
        ("ImportTargetError: .*expected a function", ("own:text",)),
        ("SubjectError: columns: 'density' is a name kinsight uses", ("own:crowded",)),
        ("SubjectError: names: expected one for each of the 60", ("own:nameless",)),
        ("ArgumentError: dim: .*at least 1, got 0", ("own:plain", "--dim", "0")),
        ("ArgumentError: --dim: .*or auto, got 'many'", ("own:plain", "--dim", "many")),
        ("ArgumentError: --error: expected --dim auto", ("own:plain", "--error", "0.1")),
        ("at least 0.001", ("own:plain", "--dim", "auto", "--error", "1e-9")),
        ("ArgumentError: --gpus: expected --engine ray", ("own:plain", "--gpus", "1")),
        ("ArgumentError: workers", ("own:plain", "--engine", "ray", "--workers", "0")),
        ("ArgumentError: threads", ("own:plain", "--threads", "0")),
        ("ArgumentError: shard_rows", ("own:plain", "--shard-rows", "0")),
        ("append, fresh", ("own:plain", "--append", "--fresh")),
        ("found none", ("own:plain", "--append")),
        ("ArgumentError: device", ("own:plain", "--device", "gpu")),
        ("ParameterError", ("own:plain", "--parameters", "9.*")),
        ("StoreError: .*found a file", ("own:plain", "--out", "own.py")),
        ("StoreError: nowhere://…: expected a URI", ("own:plain", "--out", "nowhere://k:s@b/r")),
    ],
)
def test_what_is_wrong_is_one_message(beside: Path, said: str, words: tuple[str, ...]) -> None:
    refused(said, "sketch", *words[:1], "--out", "run", *words[1:])
    assert not Path("run").exists()


def test_folders_of_something_else_are_refused_before_the_function_is_called(run: Path) -> None:
    done("analyze", "own:plain", "--out", "analyzed")
    refused("a run of analyze", "sketch", "yours:none", "--out", "analyzed")
    refused("a run of analyze", "sketch", "yours:none", "--out", "analyzed", "--fresh")
    refused("sketch.seed is 0 there and 1 here", "sketch", "own:trained", "--out", run, "--seed", 1)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"rows": 7}))
    refused("checksum", "sketch", "yours:none", "--out", run)
    refused("holds files that are not of a store", "sketch", "own:plain", "--out", ".")
    assert pq.read_metadata("analyzed/samples.parquet").num_rows == 30
