"""TensorBoard's projector serves what was exported: settings, tensors, metadata, pictures."""

import io
import json
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exports import cases
from kinsight.errors import ArgumentError
from kinsight.exports import projector
from kinsight.exports.job import export
from kinsight.exports.material import Material
from kinsight.run import RunFolder


@pytest.fixture(scope="module")
def folder(run: Path, store: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "logs"
    return export(str(run), "tensorboard", out, features=str(store)).path


@pytest.fixture(scope="module")
def served(folder: Path) -> str:
    """The address of a real TensorBoard on the export."""
    program = pytest.importorskip("tensorboard.program", reason="tensorboard is not installed")
    from tensorboard import default

    board = program.TensorBoard(plugins=default.get_plugins())
    words = ["--logdir", str(folder), "--port", "0", "--load_fast", "false"]
    board.configure(argv=["tensorboard", *words])
    return f"{board.launch()}data/plugin/projector"


def asked(address: str, route: str, **query: str) -> bytes:
    words = urllib.parse.urlencode(query)
    with urllib.request.urlopen(f"{address}/{route}?{words}") as answer:
        return answer.read()


def settings(served: str) -> dict[str, dict]:
    assert json.loads(asked(served, "runs")) == ["."]
    found = json.loads(asked(served, "info", run="."))["embeddings"]
    return {entry["tensorName"]: entry for entry in found}


def test_it_finds_all_tensors_with_their_shapes(served: str) -> None:
    shapes = {name: entry["tensorShape"] for name, entry in settings(served).items()}
    assert shapes == {
        "tangent_features": [cases.COUNT, 128],
        "outputs": [cases.COUNT, len(cases.CLASSES)],
        "map": [cases.COUNT, 3],  # the page draws nothing without a third
    }


def test_it_serves_the_numbers_themselves(served: str, run: Path, store: Path) -> None:
    material = Material.opened(str(run), str(store))
    expected = {
        "tangent_features": np.concatenate([block.copy() for _, block in material.blocks()]),
        "outputs": np.nan_to_num(material.outputs),
        "map": np.pad(np.nan_to_num(material.map.points), ((0, 0), (0, 1))),
    }
    for name, values in expected.items():
        found = np.frombuffer(asked(served, "tensor", run=".", name=name), np.float32)
        np.testing.assert_array_equal(found.reshape(values.shape), values, err_msg=name)


def test_its_metadata_are_one_line_a_sample(served: str, run: Path) -> None:
    lines = asked(served, "metadata", run=".", name="map").decode().rstrip("\n").split("\n")
    rows = [line.split("\t") for line in lines]
    assert len(rows) == cases.COUNT + 1
    assert {len(row) for row in rows} == {len(rows[0])}
    place = {name: i for i, name in enumerate(rows[0])}
    assert rows[1][place["name"]] == "'=1+1"
    assert rows[2][place["name"]] == "two lines"
    assert {row[place["label"]] for row in rows[1:]} <= {"'=cat", "dog", "a bird", ""}
    assert rows[1][place["decision"]] == "drop"
    density = RunFolder(run).table("samples")["density"].to_numpy()
    found = [float(row[place["density"]] or "nan") for row in rows[1:]]
    np.testing.assert_allclose(found, density, rtol=1e-8)


def test_its_sheet_shows_every_sample_in_its_square(served: str, run: Path) -> None:
    side = settings(served)["map"]["sprite"]["singleImageDim"]
    assert side == [8, 8]
    sheet = Image.open(io.BytesIO(asked(served, "sprite_image", run=".", name="map")))
    across = sheet.width // 8
    material = Material.opened(str(run))
    for sample in (0, 6, 7, cases.COUNT - 1):
        row, column = divmod(sample, across)
        corner = (8 * column, 8 * row)
        square = sheet.crop((*corner, corner[0] + 8, corner[1] + 8)).convert("L")
        png = material.picture(sample)
        assert png is not None
        np.testing.assert_array_equal(np.asarray(square), np.asarray(Image.open(io.BytesIO(png))))


def test_numbers_that_could_pass_for_text_are_written_as_text(tmp_path: Path) -> None:
    readable = np.frombuffer(b"1234" * 100, np.float32).reshape(1, 100)
    path, _ = projector._tensor(tmp_path, "odd", 100, iter([readable]))
    assert path.suffix == ".tsv"
    np.testing.assert_array_equal(np.loadtxt(path, np.float32), readable[0])
    usual = np.full((3, 100), -0.1, np.float32)
    path, _ = projector._tensor(tmp_path, "usual", 100, iter([usual]))
    assert path.suffix == ".bytes"
    np.testing.assert_array_equal(np.fromfile(path, np.float32).reshape(3, 100), usual)


def test_many_pictures_are_reduced_until_they_fit(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinsight.exports import sprite

    material = Material.opened(str(run))
    monkeypatch.setattr(sprite, "MOST_SIDE", 7 * 8 - 1)
    monkeypatch.setattr(sprite, "SMALLEST", 7)
    sheet, said = sprite.write_sheet(tmp_path / "sheet.png", material)
    assert sheet == sprite.Sheet(7, 7)
    assert "7 pixels" in said[0]
    monkeypatch.setattr(sprite, "SMALLEST", 8)
    sheet, said = sprite.write_sheet(tmp_path / "other.png", material)
    assert sheet is None
    assert "do not fit" in said[0]


def test_samples_without_any_numbers_are_refused(run: Path, tmp_path: Path) -> None:
    material = Material.opened(str(run))
    vars(material).update(outputs=None, map=None)
    with pytest.raises(ArgumentError, match="--features"):
        projector.check(material)
