"""The rows that go out are those of the run: columns, decisions, media, neighbours, features."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import kinsight as ks
from exports import cases
from kinsight.errors import ArgumentError
from kinsight.exports.flat import flat
from kinsight.exports.job import export
from kinsight.exports.material import OWN, Material
from kinsight.run import RunFolder


def test_every_column_of_the_run_goes_out_as_it_is(run: Path) -> None:
    table, notes = flat(Material.opened(str(run)))
    kept = RunFolder(run).table("samples")
    same = set(kept.column_names) - {"output", "decision", "pair"}
    assert {"density", "suspect_score", "weight", "name", "label", "set_apart"} <= same
    for name in same:
        ours, theirs = table[name].to_pylist(), kept[name].to_pylist()
        assert str(ours) == str(theirs), name  # NaN as well
    assert table["decision (own)"].to_pylist() == ["mine"] * cases.COUNT
    assert [n for n in notes if "'pair'" in n]
    made = [table[name].to_pylist() for name in ("decision", "new_label")]
    assert {i: (a, b) for i, (a, b) in enumerate(zip(*made, strict=True)) if a} == {
        0: ("drop", None),
        7: ("relabel", "dog"),
    }


def test_the_places_are_those_of_the_map_and_null_where_there_are_none(run: Path) -> None:
    table, _ = flat(Material.opened(str(run)))
    placed = RunFolder(run).table("map")
    for ours, theirs in (("map_x", "x"), ("map_y", "y")):
        assert table[ours].to_pylist()[cases.BROKEN] is None
        assert table[ours].drop_null().to_pylist() == placed[theirs].drop_null().to_pylist()


def test_rows_of_a_table_become_columns(table_run: Path) -> None:
    table, _ = flat(Material.opened(str(table_run)))
    kept = np.array(RunFolder(table_run).table("inputs")["values"].to_pylist())
    for i, name in enumerate(("age", "=height", "size")):
        np.testing.assert_array_equal(table[f"input.{name}"].to_numpy(), kept[:, i])


def test_a_store_goes_out_with_names_of_classes_and_its_survey(store: Path) -> None:
    table, _ = flat(Material.opened(str(store)))
    shown = [None if i is None else cases.CLASSES[i] for i in cases.labels()]
    assert table["label"].to_pylist() == shown
    folder = ks.Store(str(store)).folder
    for name in ("density", "map_x", "suspect_score", "id"):
        ours, theirs = table[name].to_pylist(), folder.column(name).to_pylist()
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None]
        assert len(pairs) >= cases.COUNT - 2, name
        assert [a for a, _ in pairs] == [b for _, b in pairs], name


def test_features_are_the_sketches_whose_products_are_the_similarities(
    run: Path, store: Path, tmp_path: Path
) -> None:
    done = export(str(run), "spotlight", tmp_path / "all.parquet", features=str(store))
    features = np.array(pq.read_table(done.path)["tangent_features"].to_pylist())
    assert features.shape == (cases.COUNT, 128)
    kept = ks.Store(str(store))
    for first, second in ((0, 1), (7, 39), (20, 12)):
        expected = float(kept.similarity(first, second))
        assert features[first] @ features[second] == pytest.approx(expected, abs=2e-3)
    assert not features[cases.BROKEN].any()


def test_pictures_go_out_as_they_were_painted(run: Path, tmp_path: Path) -> None:
    done = export(str(run), "spotlight", tmp_path / "all.parquet")
    column = pq.read_table(done.path)["picture"].to_pylist()
    for sample in (0, 8):
        shown = np.asarray(Image.open(io.BytesIO(column[sample])))
        expected = (cases.pictures()[sample, 0].numpy() * 255).round()
        assert np.abs(shown - expected).max() <= 3  # scaled by the range of all pictures


def test_waveforms_go_out_a_column_a_channel(wave_run: Path, tmp_path: Path) -> None:
    done = export(str(wave_run), "spotlight", tmp_path / "waves.parquet")
    table = pq.read_table(done.path)
    kept = np.array(RunFolder(wave_run).table("signals")["channels"].to_pylist())  # (N, C, T)
    for channel in (0, 1):
        found = np.array(table[f"waveform_{channel}"].to_pylist())
        np.testing.assert_array_equal(found, kept[:, channel])


def test_probabilities_are_the_softmax_of_the_outputs(run: Path) -> None:
    found = Material.opened(str(run)).probabilities
    expected = cases.network()(cases.pictures()).double().softmax(1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "known"), [("Logits()", True), (OWN, True), ("Fisher()", False)]
)
def test_probabilities_are_told_only_where_they_follow(run: Path, output: str, known: bool) -> None:
    material = Material.opened(str(run))
    object.__setattr__(material.view.facts, "output", output)
    assert (material.probabilities is not None) == known


def test_features_of_other_samples_are_refused(table_run: Path, run: Path, store: Path) -> None:
    with pytest.raises(ArgumentError, match="20 samples"):
        Material.opened(str(table_run), str(store))
    with pytest.raises(ArgumentError, match="a store of sketches"):
        Material.opened(str(run), str(run))
