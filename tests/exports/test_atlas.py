"""Embedding Atlas reads what was exported, by its own command and its own server."""

import json
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from exports import cases
from kinsight.exports.job import Exported, export
from kinsight.run import RunFolder

FILE = "atlas.parquet"


@pytest.fixture(scope="module")
def done(run: Path, store: Path, tmp_path_factory) -> Exported:
    out = tmp_path_factory.mktemp("out") / FILE
    return export(str(run), "embedding-atlas", out, features=str(store))


def test_neighbours_are_rows_with_one_less_the_similarity(done: Exported, run: Path) -> None:
    column = pq.read_table(done.path)["neighbors"].to_pylist()
    rows = RunFolder(run).table("neighbours").to_pylist()
    assert {len(near["ids"]) for near in column} == {cases.NEAREST}
    for sample, near in enumerate(column):
        mine = [row for row in rows if row["sample"] == sample]
        lacking = cases.NEAREST - len(mine)
        assert lacking == (cases.NEAREST if sample == cases.BROKEN else 0)
        assert near["ids"] == [sample] * lacking + [row["neighbour"] for row in mine]
        distances = [0.0] * lacking + [1 - row["similarity"] for row in mine]
        assert near["distances"] == pytest.approx(distances, abs=1e-7)
        assert near["distances"] == sorted(near["distances"])


def test_the_line_that_opens_it_names_columns_that_are_there(done: Exported) -> None:
    words = shlex.split(done.opens)
    assert words[:2] == ["embedding-atlas", str(done.path)]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options == {
        "--x": "map_x", "--y": "map_y", "--neighbors": "neighbors", "--image": "picture",
    }  # fmt: skip
    assert set(options.values()) <= set(pq.read_schema(done.path).names)


def test_its_own_command_takes_the_line_and_keeps_every_row(
    done: Exported, run: Path, tmp_path: Path
) -> None:
    cli = pytest.importorskip("embedding_atlas.cli", reason="embedding-atlas is not installed")
    from click.testing import CliRunner

    out = tmp_path / "page"
    words = [*shlex.split(done.opens)[1:], "--export-application", str(out)]
    result = CliRunner().invoke(cli.main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    said = json.loads((out / "data" / "metadata.json").read_text())["props"]["data"]
    assert said["projection"] == {"x": "map_x", "y": "map_y"}
    assert (said["neighbors"], said["image"]) == ("neighbors", "picture")
    kept = pq.read_table(out / "data" / "dataset.parquet")
    ours = pq.read_table(done.path)
    assert kept.num_rows == cases.COUNT
    assert kept[said["id"]].to_pylist() == list(range(cases.COUNT))  # what the neighbours name
    assert kept["neighbors"].to_pylist() == ours["neighbors"].to_pylist()
    assert kept["picture"].to_pylist() == ours["picture"].to_pylist()
    np.testing.assert_array_equal(kept["map_x"].to_pandas(), ours["map_x"].to_pandas())
    assert kept["label"].to_pylist() == ours["label"].to_pylist()
    assert sum(kept["pagerank"].to_pylist()) == pytest.approx(1)  # its measure of our graph


def test_its_own_server_answers_from_the_file(done: Exported) -> None:
    pytest.importorskip("embedding_atlas", reason="embedding-atlas is not installed")
    from embedding_atlas.cli import load_datasets
    from embedding_atlas.data_source import DataSource
    from embedding_atlas.server import make_server

    source = DataSource("test", load_datasets([str(done.path)]), {})
    asking = TestClient(make_server(source, static_path=str(done.path.parent), duckdb_uri="server"))
    said = {"type": "json", "sql": "SELECT label, COUNT(*) AS n FROM dataset GROUP BY label"}
    counted = asking.post("/data/query", json=said).json()
    expected = pq.read_table(done.path)["label"].value_counts().to_pylist()
    assert {row["label"]: row["n"] for row in counted} == {
        row["values"]: row["counts"] for row in expected
    }


def test_a_store_goes_out_with_its_survey(store: Path, tmp_path: Path) -> None:
    done = export(str(store), "embedding-atlas", tmp_path / FILE)
    table = pq.read_table(done.path)
    assert "picture" not in table.column_names
    assert len(table["neighbors"][0].as_py()["ids"]) == cases.NEAREST
    assert len(table["tangent_features"][0].as_py()) == 128


def test_texts_are_named_in_the_line_and_stay_as_they_are(text_run: Path, tmp_path: Path) -> None:
    done = export(str(text_run), "embedding-atlas", tmp_path / FILE)
    assert shlex.split(done.opens)[-2:] == ["--text", "text"]
    assert pq.read_table(done.path)["text"][3].as_py() == "+text 3"  # Parquet runs nothing
