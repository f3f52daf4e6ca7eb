"""A folder in cleanlab's forms: labels with probabilities, a table of label issues, a graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.errors import ArgumentError
from kinsight.explorer.exported import as_csv, as_parquet
from kinsight.exports.arrays import write_features
from kinsight.exports.classes import Classes, classes_of
from kinsight.exports.flat import flat
from kinsight.exports.graph import write_graph
from kinsight.exports.left_out import some
from kinsight.exports.material import OWN, Material

HOLDS = frozenset({"text", "inputs", "decisions", "map", "neighbours", "features", "output"})
ISSUES, ARRAYS = "label_issues.csv", "labels.npz"
SAMPLES = "samples.parquet"


def check(material: Material) -> None:
    """Refuse samples without labels.

    Raises:
        ArgumentError.
    """
    if not material.view.columns.has("label"):
        raise ArgumentError(
            f"cleanlab: expected samples with labels, got {material.view.facts.path_name} without "
            "any; hand labels over where the network and the data are"
        )


def write(material: Material, folder: Path, record: dict[str, Any]) -> list[str]:
    """Five files, as far as there is something to put in.

    - ``label_issues.csv``, one row a sample: ``is_label_issue`` (the others propose another
      label), ``label_score`` (1 − suspicion, in [0, 1], lowest is most suspected),
      ``given_label``, ``predicted_label`` (the one proposed).
    - ``labels.npz``: of the samples with a label and finite outputs ``sample``, ``labels`` (class
      indices), ``pred_probs`` (softmax of the network's scores); ``classes``, their names.
    - ``knn_graph.npz``: sparse matrix of distances 1 − similarity to the nearest, of the samples
      of ``labels.npz``.
    - ``features.npy``: tangent features. ``samples.parquet``: all columns.

    What could not be had as it is, in sentences.
    """
    kept, notes = _arrays(material, folder)
    notes = [*_issues(material, folder), *notes, *write_graph(folder, material, kept)]
    table, said = flat(material)
    (folder / SAMPLES).write_bytes(as_parquet(table))
    write_features(folder, material)
    return [*notes, *said]


def opens(_: Material, path: Path) -> str:
    """Where it says how to read the files."""
    return f"np.load({str(path / ARRAYS)!r}) in Python; docs/exports.md shows more"


def label_issues(material: Material) -> pa.Table | None:
    """The table of label issues; None where no labels were suspected of anything."""
    columns = material.view.columns
    if not (columns.has("suspect_score") and columns.has("proposed_label")):
        return None
    read = columns.table.read
    score = read("suspect_score").to_numpy().astype(np.float64)
    doubted = read("contradicted").to_pylist() if columns.has("contradicted") else []
    found = {
        "is_label_issue": pa.array([bool(v) for v in doubted] or [False] * len(score)),
        "label_score": pa.array(1 - score, mask=np.isnan(score)),
        "given_label": read("label"),
        "predicted_label": read("proposed_label"),
    }
    return pa.table(found)


def _issues(material: Material, folder: Path) -> list[str]:
    table = label_issues(material)
    if table is None:
        more = "" if material.is_run else "; `kinsight survey` adds them"
        return [f"{ISSUES}: left out, no labels are suspected of anything here{more}"]
    (folder / ISSUES).write_bytes(as_csv(table))
    unknown = table["label_score"].null_count
    return [f"{ISSUES}: without a score {some(unknown, material.count)}"] if unknown else []


def _arrays(material: Material, folder: Path) -> tuple[np.ndarray | None, list[str]]:
    """The samples in the file, or None without one; and what is not in it."""
    found, probabilities = classes_of(material), material.probabilities
    if isinstance(found, str):
        return None, [f"{ARRAYS}: left out, {found}"]
    output = material.view.facts.output
    if probabilities is None:
        return None, [f"{ARRAYS}: left out, probabilities do not follow from {output}"]
    if int(found.index.max(initial=-1)) >= probabilities.shape[1]:
        return None, [f"{ARRAYS}: left out, fewer outputs than classes"]
    there = (found.index >= 0) & np.isfinite(probabilities).all(1)
    kept = np.flatnonzero(there)
    names = _names(found, probabilities.shape[1])
    np.savez_compressed(
        folder / ARRAYS,
        sample=kept, labels=found.index[kept], pred_probs=probabilities[kept], classes=names,
    )  # fmt: skip
    return kept, _said(material, output, int((~there).sum()))


def _said(material: Material, output: str, lost: int) -> list[str]:
    notes = [
        f"{ARRAYS}: the probabilities are this network's; cleanlab expects those of a network "
        "that was not trained on these labels"
    ]
    if output == OWN:
        notes.append(f"{ARRAYS}: {OWN} is taken for scores before softmax, unless rows sum to 1")
    if lost:
        notes.append(f"{ARRAYS}: left out, without label or output, {some(lost, material.count)}")
    return notes


def _names(found: Classes, count: int) -> np.ndarray:
    names = [found.names[i] if i < len(found.names) else str(i) for i in range(count)]
    return np.array(names, dtype=np.str_)
