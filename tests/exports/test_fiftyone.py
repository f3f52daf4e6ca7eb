"""FiftyOne reads what was exported: its importer, its samples, its rules for names of fields."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exports import cases
from kinsight.errors import ArgumentError
from kinsight.exports.job import Exported, export
from kinsight.exports.material import Material
from kinsight.run import RunFolder


@pytest.fixture(scope="module")
def done(run: Path, store: Path, tmp_path_factory) -> Exported:
    out = tmp_path_factory.mktemp("out") / "dataset"
    return export(str(run), "fiftyone", out, features=str(store))


def samples(done: Exported) -> list[dict]:
    return json.loads((done.path / "samples.json").read_text(encoding="utf-8"))["samples"]


def test_every_sample_has_labels_numbers_tags_and_nearest(done: Exported, run: Path) -> None:
    found, kept = samples(done), RunFolder(run).table("samples").to_pylist()
    rows = RunFolder(run).table("neighbours").to_pylist()
    assert len(found) == cases.COUNT
    for ours, theirs in zip(found, kept, strict=True):
        assert (ours["ground_truth"] or {}).get("label") == theirs["label"]
        assert ours["prediction"]["label"] == theirs["predicted"]
        assert (ours["proposed"] or {}).get("label") == theirs["proposed_label"]
        assert str(ours["density"]) == str(theirs["density"]).replace("nan", "None")
        near = [row["neighbour"] for row in rows if row["sample"] == theirs["sample"]]
        assert ours["nearest"] == near
    assert {i: s["tags"] for i, s in enumerate(found) if s["tags"]} == {0: ["drop"], 7: ["relabel"]}
    assert found[7]["new_label"] == "dog"


def test_the_confidence_is_the_probability_of_the_prediction(done: Exported) -> None:
    direct = cases.network()(cases.pictures()).softmax(1).max(1).values.detach().numpy()
    found = [s["prediction"].get("confidence") for s in samples(done)]
    assert found[cases.BROKEN] is None
    there = [i for i in range(cases.COUNT) if i != cases.BROKEN]
    np.testing.assert_allclose([found[i] for i in there], direct[there], atol=1e-6)


def test_pictures_and_features_lie_beside(done: Exported, run: Path, store: Path) -> None:
    material = Material.opened(str(run), str(store))
    for sample in (0, 9):
        path = done.path / samples(done)[sample]["filepath"]
        expected = Image.open(io.BytesIO(material.picture(sample) or b""))
        np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(expected))
    expected = np.concatenate([block.copy() for _, block in material.blocks()])
    np.testing.assert_array_equal(np.load(done.path / "features.npy"), expected)


def test_its_own_importer_reads_every_sample(done: Exported) -> None:
    """Without its database, which is a server of its own: samples as they enter it."""
    fo = pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    importer_class = fo.types.LegacyFiftyOneDataset().get_dataset_importer_cls()
    with importer_class(str(done.path)) as importer:
        info = importer.get_dataset_info()
        found = list(importer)
    assert info["samples"] == len(found) == cases.COUNT
    for sample, said in zip(found, samples(done), strict=True):
        assert Path(sample.filepath).is_file()
        assert isinstance(sample["prediction"], fo.Classification)
        assert sample["density"] == said["density"]
        assert sample["nearest"] == said["nearest"]
    assert found[0].tags == ["drop"]
    assert found[7]["new_label"] == "dog"


def test_its_usual_type_of_a_data_set_recognises_the_layout(done: Exported) -> None:
    fo = pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    importer = fo.types.FiftyOneDataset().get_dataset_importer_cls()(str(done.path))
    assert importer._is_legacy_format_data()


def test_its_rules_take_all_names_of_fields(done: Exported) -> None:
    utils = pytest.importorskip("fiftyone.core.odm.utils", reason="fiftyone is not installed")
    names = [name for sample in samples(done) for name in sample]
    for name in set(names) - {"filepath", "tags", "metadata"}:
        utils.validate_field_name(name)
        assert "." not in name


def test_samples_without_pictures_are_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="samples with pictures"):
        export(str(store), "fiftyone", tmp_path / "none")
    assert not (tmp_path / "none").exists()
