"""A run with a metric on parameters: what it is computed with, recorded, refused, resumed with."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import kinsight as ks
from kinsight.cli.commands import app
from kinsight.errors import ArgumentError, RunFolderError
from kinsight.run import Settings, Subject, analyze
from run import subjects

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.MetricWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
]
OUTPUT = ks.outputs.OwnClass()


def subject() -> Subject:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    return subjects.subject(model=model, output=OUTPUT)


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("diagonal", ks.metrics.diagonal_fisher),
        ("neuron", ks.metrics.block_fisher),
        ("kronecker", ks.metrics.kronecker),
    ],
)
def test_a_run_is_computed_with_the_metric_and_says_so(tmp_path: Path, name, fit) -> None:
    given = subject()
    run = analyze(given, tmp_path, Settings(metric=name))
    plain = ks.TangentKernel(given.model, output=OUTPUT)
    kernel = ks.TangentKernel(given.model, output=OUTPUT, metric=fit(plain, given.data))
    found = run.table("neighbours")
    wanted = kernel.nearest(given.data, given.data, 10).values
    got = torch.tensor(found["similarity"].to_pylist()).reshape(len(wanted), -1)
    torch.testing.assert_close(got.sort(1).values, wanted.sort(1).values, rtol=0, atol=1e-3)
    euclidean = plain.nearest(given.data, given.data, 10).values
    assert (got.sort(1).values - euclidean.sort(1).values).abs().max() > 0.01
    assert run.record["identity"]["metric"] == f"{name}, fitted to these samples"
    assert run.record["metric"] == str(kernel.metric).splitlines()


def test_another_metric_is_another_run_and_other_batches_are_not(tmp_path: Path) -> None:
    given = subject()
    run = analyze(given, tmp_path, Settings(metric="diagonal"))
    before = (tmp_path / "samples.parquet").stat().st_mtime_ns
    again = analyze(given, tmp_path, Settings(metric="diagonal", batch_size=7))
    assert again.record["finished"] == run.record["finished"]
    assert (tmp_path / "samples.parquet").stat().st_mtime_ns == before
    for other in (None, "neuron"):
        with pytest.raises(RunFolderError, match="metric"):
            analyze(given, tmp_path, Settings(metric=other))


def test_a_metric_that_was_fitted_elsewhere_is_known_by_its_digest(tmp_path: Path) -> None:
    given = subject()
    kernel = ks.TangentKernel(given.model, output=OUTPUT)
    metric = ks.metrics.diagonal_fisher(kernel, given.data[:40])
    run = analyze(given, tmp_path, Settings(metric=metric))
    assert run.record["identity"]["metric"] == metric.identity
    other = ks.metrics.diagonal_fisher(kernel, given.data[:30])
    with pytest.raises(RunFolderError, match="metric"):
        analyze(given, tmp_path, Settings(metric=other))


def test_a_euclidean_run_says_nothing_of_metrics(tmp_path: Path) -> None:
    run = analyze(subject(), tmp_path)
    assert run.record["identity"]["metric"] is None
    assert run.record["metric"] is None


@pytest.mark.parametrize("wrong", ["fisher", 3])
def test_what_is_no_metric_is_refused_before_any_work(tmp_path: Path, wrong) -> None:
    with pytest.raises(ArgumentError, match="metric: expected one of 'diagonal'"):
        analyze(subject(), tmp_path / "run", Settings(metric=wrong))
    assert not (tmp_path / "run").exists()


def test_the_command_takes_a_metric(tmp_path: Path) -> None:
    out = tmp_path / "run"
    target = "run.test_metric:subject"
    done = CliRunner().invoke(app, ["analyze", target, "--out", str(out), "--metric", "diagonal"])
    assert done.exit_code == 0, done.output
    assert pq.read_table(out / "samples.parquet").num_rows > 0
    refused = CliRunner().invoke(app, ["analyze", target, "--out", str(out), "--metric", "full"])
    assert refused.exit_code != 0
