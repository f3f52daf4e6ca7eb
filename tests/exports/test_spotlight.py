"""Renumics Spotlight reads what was exported: its own table, with the types of our line."""

import io
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from exports import cases
from kinsight.exports.job import Exported, export


@pytest.fixture(scope="module")
def done(run: Path, store: Path, tmp_path_factory) -> Exported:
    out = tmp_path_factory.mktemp("out") / "all.parquet"
    return export(str(run), "spotlight", out, features=str(store))


def types_of(line: str) -> dict[str, str]:
    words = shlex.split(line)
    return dict(word.split("=") for word in words[3::2])


def opened(done: Exported):
    """The file in Spotlight's own store of data, as its command opens it."""
    pytest.importorskip("renumics.spotlight", reason="renumics-spotlight is not installed")
    from renumics.spotlight.data_store import DataStore
    from renumics.spotlight.dtypes import create_dtype
    from renumics.spotlight_plugins.core.pandas_data_source import PandasDataSource

    types = {name: create_dtype(kind) for name, kind in types_of(done.opens).items()}
    return DataStore(PandasDataSource(done.path), types)


def test_the_line_that_opens_it_types_what_cannot_be_guessed(done: Exported) -> None:
    assert types_of(done.opens) == {
        "picture": "Image", "output": "Embedding", "tangent_features": "Embedding",
    }  # fmt: skip
    assert set(types_of(done.opens)) <= set(pq.read_schema(done.path).names)


def test_every_column_is_converted_by_its_type(done: Exported) -> None:
    found = opened(done)
    assert len(found) == cases.COUNT
    assert {n: str(found.dtypes[n].name) for n in types_of(done.opens)} == types_of(done.opens)
    for name in found.column_names:
        assert len(found.get_converted_values(name, simple=False)) == cases.COUNT, name


def test_numbers_and_embeddings_arrive_as_they_left(done: Exported) -> None:
    found, ours = opened(done), pq.read_table(done.path)
    features = found.get_converted_values("tangent_features", simple=False)
    np.testing.assert_allclose(
        np.stack([np.asarray(row) for row in features]), ours["tangent_features"].to_pylist()
    )
    density = np.array(found.get_converted_values("density", simple=False), float)
    np.testing.assert_allclose(density, ours["density"].to_numpy())
    decisions = list(found.get_converted_values("decision", simple=False))
    assert [d or None for d in decisions] == ours["decision"].to_pylist()


def test_pictures_arrive_as_they_left(done: Exported) -> None:
    found, ours = opened(done), pq.read_table(done.path)
    shown = found.get_converted_values("picture", simple=False)[6]
    expected = Image.open(io.BytesIO(ours["picture"][6].as_py())).convert("RGB")
    got = Image.open(io.BytesIO(shown)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_waveforms_arrive_as_they_left(wave_run: Path, tmp_path: Path) -> None:
    done = export(str(wave_run), "spotlight", tmp_path / "waves.parquet")
    found, ours = opened(done), pq.read_table(done.path)
    assert str(found.dtypes["waveform_1"].name) == "Sequence1D"
    got = np.asarray(found.get_converted_values("waveform_1", simple=False)[2])  # (T, 2)
    np.testing.assert_allclose(got[:, 1], ours["waveform_1"][2].as_py(), rtol=1e-6)


def test_a_table_without_media_needs_no_types(table_run: Path, tmp_path: Path) -> None:
    done = export(str(table_run), "spotlight", tmp_path / "table.parquet")
    assert shlex.split(done.opens) == ["spotlight", str(done.path)]
    assert "input.age" in pq.read_schema(done.path).names
