"""cleanlab reads what was exported: its ranking, its filter, and Datalab with our graph."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from exports import cases
from kinsight.errors import ArgumentError
from kinsight.exports.cleanlab import ARRAYS, ISSUES
from kinsight.exports.graph import FILE, write_graph
from kinsight.exports.job import export
from kinsight.exports.material import Material
from kinsight.run import RunFolder

rank = pytest.importorskip("cleanlab.rank", reason="cleanlab is not installed")


@pytest.fixture(scope="module", params=["run", "store"])
def folder(request, tmp_path_factory) -> Path:
    source = request.getfixturevalue(request.param)
    return export(str(source), "cleanlab", tmp_path_factory.mktemp("out") / "clean").path


def test_its_scores_of_our_arrays_are_those_of_the_network(folder: Path) -> None:
    with np.load(folder / ARRAYS, allow_pickle=False) as kept:
        sample, labels, probabilities = kept["sample"], kept["labels"], kept["pred_probs"]
        names = kept["classes"].tolist()
    assert names == list(cases.CLASSES)
    left = sorted(set(range(cases.COUNT)) - set(sample))
    assert left == [cases.BROKEN, cases.UNLABELLED]
    found = rank.get_label_quality_scores(labels, probabilities, method="self_confidence")
    direct = cases.network()(cases.pictures()).softmax(1).detach().numpy()
    given = np.array([-1 if i is None else i for i in cases.labels()])
    np.testing.assert_allclose(found, direct[sample, given[sample]], atol=1e-6)


def test_its_filter_names_the_label_that_was_changed(folder: Path) -> None:
    from cleanlab.filter import find_label_issues

    with np.load(folder / ARRAYS, allow_pickle=False) as kept:
        issues = find_label_issues(
            kept["labels"], kept["pred_probs"], filter_by="predicted_neq_given", n_jobs=1
        )
        assert kept["sample"][issues].tolist() == [11]


def test_the_table_of_issues_has_the_form_of_datalab(folder: Path) -> None:
    table = pd.read_csv(folder / ISSUES)
    assert list(table.columns) == [
        "is_label_issue", "label_score", "given_label", "predicted_label",
    ]  # fmt: skip
    assert len(table) == cases.COUNT
    assert table["is_label_issue"].dtype == bool
    scores = table["label_score"].dropna()
    assert scores.between(0, 1).all()
    doubted = table[table["is_label_issue"]]
    assert (doubted["given_label"] != doubted["predicted_label"]).all()
    with open(folder / ISSUES, newline="", encoding="utf-8") as file:
        cells = {cell for row in csv.reader(file) for cell in row}
    assert "'=cat" in cells
    assert "=cat" not in cells  # no spreadsheet runs it


def test_the_score_is_one_less_the_suspicion(run: Path, tmp_path: Path) -> None:
    table = pd.read_csv(export(str(run), "cleanlab", tmp_path / "c").path / ISSUES)
    suspicion = RunFolder(run).table("samples")["suspect_score"].to_pandas()
    np.testing.assert_allclose(table["label_score"], 1 - suspicion, atol=1e-12)


def test_the_graph_is_that_of_the_nearest_among_the_samples_kept(run: Path, tmp_path) -> None:
    folder = export(str(run), "cleanlab", tmp_path / "c").path
    graph = scipy.sparse.load_npz(folder / FILE)
    with np.load(folder / ARRAYS, allow_pickle=False) as kept:
        sample = kept["sample"].tolist()
    rows = RunFolder(run).table("neighbours").to_pylist()
    near = {i: [r for r in rows if r["sample"] == i and r["neighbour"] in sample] for i in sample}
    width = min(len(found) for found in near.values())
    assert 0 < width <= cases.NEAREST
    assert graph.shape == (len(sample), len(sample))
    assert set(np.diff(graph.indptr)) == {width}
    for i, number in enumerate(sample):
        part = slice(graph.indptr[i], graph.indptr[i + 1])
        expected = near[number][:width]
        assert [sample[j] for j in graph.indices[part]] == [r["neighbour"] for r in expected]
        distances = [1 - r["similarity"] for r in expected]
        np.testing.assert_allclose(graph.data[part], distances, atol=1e-7)


def test_a_sample_without_neighbours_is_far_from_everything(run: Path, tmp_path: Path) -> None:
    material = Material.opened(str(run))
    notes = write_graph(tmp_path, material, np.array([0, cases.BROKEN, *range(6, 40)]))
    graph = scipy.sparse.load_npz(tmp_path / FILE)
    part = slice(graph.indptr[1], graph.indptr[2])
    assert set(graph.indices[part]) == {1}
    assert set(graph.data[part]) == {2.0}
    assert "1 samples have none" in notes[0]
    assert write_graph(tmp_path, material, np.array([cases.BROKEN])) != []


def test_datalab_takes_labels_probabilities_and_graph(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="cleanlab[datalab] is not installed")
    from cleanlab import Datalab

    folder = export(str(run), "cleanlab", tmp_path / "c").path
    with np.load(folder / ARRAYS, allow_pickle=False) as kept:
        sample, labels, probabilities = kept["sample"], kept["labels"], kept["pred_probs"]
    graph = scipy.sparse.load_npz(folder / FILE)
    lab = Datalab({"label": labels}, label_name="label", verbosity=0)
    lab.find_issues(pred_probs=probabilities, knn_graph=graph)
    assert {"label", "outlier", "near_duplicate"} <= set(lab.issue_summary["issue_type"])
    theirs = lab.get_issues("label")
    ours = pd.read_csv(folder / ISSUES)
    assert set(ours.columns) == set(theirs.columns)
    assert theirs["label_score"].iloc[list(sample).index(11)] == theirs["label_score"].min()


def test_real_labels_go_out_as_numbers_without_classes(text_run: Path, tmp_path: Path) -> None:
    done = export(str(text_run), "cleanlab", tmp_path / "c")
    table = pd.read_csv(done.path / ISSUES)
    kept = RunFolder(text_run).table("samples")
    np.testing.assert_allclose(table["given_label"], kept["label"].to_numpy())
    np.testing.assert_allclose(table["predicted_label"], kept["proposed_label"].to_numpy())
    assert table["label_score"].idxmin() == 4  # the one that was changed
    assert not (done.path / ARRAYS).exists()
    assert any("labels are real numbers" in note for note in done.notes)
    graph = scipy.sparse.load_npz(done.path / FILE)
    assert graph.shape == (30, 30)


def test_what_cannot_be_said_is_left_out_and_told(run: Path, table_run: Path, tmp_path) -> None:
    with pytest.raises(ArgumentError, match="samples with labels"):
        export(str(table_run), "cleanlab", tmp_path / "none")
    record = json.loads((run / "run.json").read_text())
    record["labels"]["classes"][0] = record["labels"]["classes"][1]
    other = shutil.copytree(run, tmp_path / "run")
    (other / "run.json").write_text(json.dumps(record))
    done = export(str(other), "cleanlab", tmp_path / "c")
    assert not (done.path / ARRAYS).exists()
    assert any("two classes have the same name" in note for note in done.notes)
