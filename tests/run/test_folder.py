"""The folder of a run: what is in it, and that a damaged or hostile one is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import kinsight as ks
from kinsight.errors import ArgumentError, RunFolderError, SubjectError
from kinsight.run import RunFolder, Settings, Subject, analyze
from run.subjects import COUNT, inputs, network, subject


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    names = [f"file {i}" for i in range(COUNT)]
    given = subject(names=names, columns={"age": list(range(COUNT))}, planted={3: 0})
    return analyze(given, tmp_path_factory.mktemp("runs") / "one", Settings(target="x:y"))


def test_the_tables_hold_what_the_kernel_says(run: RunFolder) -> None:
    samples, nearest = run.table("samples"), run.table("neighbours")
    kernel, x = ks.TangentKernel(network()), inputs()
    density = torch.tensor(samples["density"].to_numpy())
    torch.testing.assert_close(density.float(), kernel.density(x), rtol=1e-4, atol=1e-4)
    expected = kernel.nearest(x, x, 10)
    assert nearest.num_rows == COUNT * 10
    assert nearest["neighbour"].to_numpy().tolist() == expected.indices.flatten().tolist()
    similarity = torch.tensor(nearest["similarity"].to_numpy())
    torch.testing.assert_close(similarity, expected.values.flatten())
    with torch.no_grad():
        scores = network()(x)
    torch.testing.assert_close(torch.tensor(samples["output"].to_pylist()), scores)
    assert samples["predicted"].to_pylist() == [str(i) for i in scores.argmax(1).tolist()]
    assert samples["age"].to_pylist() == list(range(COUNT))
    assert samples["name"][5].as_py() == "file 5"
    assert samples["planted_label"].to_pylist()[2:5] == [None, "0", None]


def test_the_record_says_what_came_from_what(run: RunFolder) -> None:
    record = run.record
    assert record["status"] == "finished"
    assert record["target"] == "x:y"
    assert record["identity"]["normalization"] == "whitened"
    assert record["identity"]["dtype"] == "float32"
    assert len(record["identity"]["model"]) == 64
    assert {row["name"] for row in record["coverage"]["rows"]} == set(network().state_dict())
    assert record["versions"]["torch"] == torch.__version__
    assert not (run.path / "parts").exists()


def test_a_finished_run_is_not_computed_again(run: RunFolder) -> None:
    before = (run.path / "samples.parquet").stat().st_mtime_ns
    names = [f"file {i}" for i in range(COUNT)]
    given = subject(names=names, columns={"age": list(range(COUNT))}, planted={3: 0})
    assert analyze(given, run.path).finished
    assert (run.path / "samples.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": None}, "another labels"),
        ({"output": ks.outputs.OwnClass()}, "another output"),
        ({"normalization": "trace"}, "another normalization"),
        ({"data": inputs() + 1}, "another data"),
        ({"parameters": ["0.*"]}, "another parameters"),
    ],
)
def test_the_folder_of_another_run_is_left_alone(run: RunFolder, changed: dict, said: str) -> None:
    names = [f"file {i}" for i in range(COUNT)]
    given = subject(names=names, columns={"age": list(range(COUNT))}, planted={3: 0})
    with pytest.raises(RunFolderError, match=said):
        analyze(replace(given, **changed), run.path)
    assert RunFolder(run.path).finished


def test_fresh_begins_anew_and_removes_only_what_is_ours(tmp_path: Path) -> None:
    analyze(subject(), tmp_path)
    (tmp_path / "my notes.txt").write_text("keep")
    found = analyze(subject(data=inputs() + 1), tmp_path, Settings(fresh=True))
    assert found.finished
    assert (tmp_path / "my notes.txt").read_text() == "keep"


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(RunFolderError, match="not of a run"):
        analyze(subject(), tmp_path, Settings(fresh=True))
    with pytest.raises(RunFolderError, match="found a file"):
        analyze(subject(), tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schema", 2, "schema version 1, got 2"),
        ("samples", -1, "'samples' of type int"),
        ("samples", True, "'samples' of type int"),
        ("tables", [], "'tables' of type dict"),
        ("tables", {"samples": {"file": "../../etc/passwd", "rows": 1}}, "bare file name"),
        ("tables", {"samples": {"file": "/etc/passwd.parquet", "rows": 1}}, "bare file name"),
        ("tables", {"samples": {"file": "a/b.parquet", "rows": 1}}, "bare file name"),
        ("tables", {"samples": {"file": "samples.parquet", "rows": "9"}}, "a number of rows"),
        ("tables", {"samples": "samples.parquet"}, "bare file name"),
    ],
)
def test_a_hostile_record_is_refused(run: RunFolder, tmp_path: Path, field, value, said) -> None:
    (tmp_path / "run.json").write_text(json.dumps(run.record | {field: value}))
    with pytest.raises(RunFolderError, match=said):
        RunFolder(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match="expected"):
        RunFolder(tmp_path)


def test_damaged_tables_are_refused(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text((run.path / "run.json").read_text())
    with pytest.raises(RunFolderError, match="found none"):
        RunFolder(tmp_path).table("samples")
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(RunFolderError, match="cannot be read as Parquet"):
        RunFolder(tmp_path).table("samples")
    pq.write_table(run.table("samples").slice(0, 5), tmp_path / "samples.parquet")
    with pytest.raises(RunFolderError, match="expected 60 rows, got 5"):
        RunFolder(tmp_path).table("samples")
    outside = tmp_path.parent / "outside.parquet"
    pq.write_table(run.table("samples"), outside)
    (tmp_path / "samples.parquet").unlink()
    (tmp_path / "samples.parquet").symlink_to(outside)
    with pytest.raises(RunFolderError, match="expected a file of this folder"):
        RunFolder(tmp_path).table("samples")


def test_a_user_column_may_not_take_a_name_of_ours(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="'density' is a name kinsight uses"):
        analyze(subject(columns={"density": [0] * COUNT}), tmp_path)


def test_real_valued_labels_are_judged_and_averaged(tmp_path: Path) -> None:
    one = replace(subject(), labels=torch.rand(COUNT), output=lambda z, _: z[:, 0])
    found = analyze(one, tmp_path)
    table = found.table("samples")
    for name in ("suspect_score", "fit_spread", "denoising_factor", "shift", "noise_gain"):
        values = table[name].to_pylist()
        assert all(v is not None and v == v for v in values), name
    assert all(isinstance(v, float) for v in table["proposed_label"].to_pylist())
    assert all(text.startswith("explanations") for text in found.record["left_out"])


def test_uncertainty_of_several_outputs_is_that_of_traces(tmp_path: Path) -> None:
    found = analyze(subject(normalization="trace"), tmp_path / "traces")
    inner = ks.TangentKernel(network().double()).inner(inputs().double())
    expected = inner.diagonal() / inner.abs().sum(1)
    values = torch.tensor(found.table("samples")["uncertainty"].to_pylist())
    torch.testing.assert_close(values.double(), expected, rtol=1e-4, atol=0)
    whitened = analyze(subject(normalization="whitened"), tmp_path / "whitened")
    assert "uncertainty" not in whitened.table("samples").column_names
    assert any("uncertainty" in text for text in whitened.record["left_out"])


def test_what_cannot_be_averaged_is_said(tmp_path: Path) -> None:
    found = analyze(replace(subject(), labels=torch.rand(COUNT)), tmp_path)
    assert "denoising_factor" not in found.table("samples").column_names
    assert any("one output" in text for text in found.record["left_out"])


def test_labels_in_the_batches_are_found(tmp_path: Path) -> None:
    x, y = inputs(), torch.arange(COUNT) % 3
    found = analyze(Subject(network(), torch.utils.data.TensorDataset(x, y)), tmp_path)
    assert found.table("samples")["label"].to_pylist() == [str(i) for i in y.tolist()]


def test_one_sample_and_no_normalisation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="two samples"):
        analyze(Subject(network(), inputs(1)), tmp_path)
    with pytest.raises(ArgumentError, match="normalization"):
        analyze(Subject(network(), inputs(), normalization=None), tmp_path)


def test_a_folder_is_read_without_torch(run: RunFolder) -> None:
    code = (
        "import sys\nfrom kinsight.run import RunFolder\n"
        f"rows = RunFolder({str(run.path)!r}).table('samples').num_rows\n"
        "print(rows, [name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "60 []\n"


def test_every_name_of_the_room_is_found() -> None:
    import kinsight.run as room

    assert set(room.__all__) <= set(dir(room))
    assert all(callable(getattr(room, name)) for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        room.analyse  # noqa: B018
