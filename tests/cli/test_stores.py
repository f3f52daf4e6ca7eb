"""The commands for a store that is there, as a person types them: what they print and restore."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import kinsight as ks
from cli.cases import PLAN, content, done, flip, kinsight, refused
from kinsight.sketching.worker import ShardWorker
from kinsight.subject.target import load_target


def sketches(run: Path) -> np.ndarray:
    """All rows in float64."""
    folder = ks.Store(run).folder
    return torch.cat([folder.read(shard).double() for shard in folder.shards]).numpy()


def asked(*words: object) -> list[dict]:
    """What `neighbours --json` prints."""
    return json.loads(done("neighbours", *words, "--json").stdout)


def nearest(values: np.ndarray, query: int, k: int) -> list[int]:
    """The k largest of a row of similarities, the query itself left out."""
    return [i for i in np.argsort(-values[query], kind="stable").tolist() if i != query][:k]


@pytest.fixture
def unfinished(beside: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose first two of four shards are there."""
    plain = ShardWorker.__call__

    def stopped(self, shard):
        if shard.index == 2:
            raise KeyboardInterrupt
        return plain(self, shard)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWorker, "__call__", stopped)
        result = kinsight("sketch", "own:trained", "--out", "half", *PLAN)
    assert "32 of 60 samples are kept in half; the same command goes on" in result.stderr
    return beside / "half"


def test_info_says_what_the_store_is(run: Path, unfinished: Path) -> None:
    said = done("info", "run").stdout
    assert "finished, 60 rows in 4 shards" in said
    assert "S = 64 numbers, seed 0" in said
    assert "4 tensors: 0.weight, 0.bias, 2.weight, 2.bias" in said
    assert "D = 3, normalization whitened, float32" in said
    assert f"off by {ks.Store(run).error.rms:.2g}" in said
    assert "sample, id, label, norm," in said
    size = sum(len(c) for name, c in content(run).items() if "/" in name)
    assert f"{size / 1024:.1f} KiB: sketch" in said
    assert "under way, 2 of 4 shards, 32 of 60 rows" in done("info", unfinished).stdout


def test_neighbours_are_those_of_the_stored_sketches(run: Path) -> None:
    values = sketches(run) @ sketches(run).T
    rows = asked("run", "--query", 3, "--query-id", "n41", "-k", 5)
    for query in (3, 41):
        mine = [row for row in rows if row["query"] == query]
        assert [row["sample"] for row in mine] == nearest(values, query, 5)
        assert [row["rank"] for row in mine] == [0, 1, 2, 3, 4]
        for row in mine:
            assert row["similarity"] == pytest.approx(values[query, row["sample"]], abs=1e-6)
            assert row["id"] == f"n{row['sample']}"
            named = -1 if row["sample"] < 20 else ["cat", "dog"][row["sample"] % 2]
            assert row["label"] == named
    table = done("neighbours", "run", "--query", 3, "--query-id", "n41", "-k", 5).stdout
    lines = table.splitlines()
    assert lines[0].split() == ["query", "rank", "sample", "id", "label", "similarity"]
    assert lines[1].split() == ["3", "n3", "-1"]
    assert lines[7].split() == ["41", "n41", "dog"]
    cells = [line.split() for line in lines[2:7] + lines[8:]]
    assert [(int(c[0]), int(c[1]), c[2]) for c in cells] == [
        (row["rank"], row["sample"], row["id"]) for row in rows
    ]
    assert [float(c[4]) for c in cells] == pytest.approx([r["similarity"] for r in rows], abs=6e-5)


@pytest.mark.parametrize("by", [(), ("--index",)])
def test_reranked_neighbours_are_the_exact_ones(run: Path, by: tuple[str, ...]) -> None:
    """Among all samples as candidates, with a store of a choice that nobody types again."""
    own = ("--output", "own-class", "--dtype", "float64")
    done("sketch", "own:trained", "--out", "chosen", *own, *PLAN)
    if by:
        pytest.importorskip("faiss", reason="the extra kinsight[faiss] is not installed")
        done("index", "chosen", "--recall", "1")
    subject = load_target("own:trained")
    output = ks.outputs.OwnClass()
    kernel = ks.TangentKernel(subject.model, output=output, dtype=torch.float64)
    exact = kernel.on(subject.data).gram().numpy()
    words = ("--rerank", "own:trained", "--candidates", 59, *by)
    found = asked("chosen", "--query", 17, "-k", 4, *words)
    assert [row["sample"] for row in found] == nearest(exact, 17, 4)
    for row in found:
        assert row["similarity"] == pytest.approx(exact[17, row["sample"]], abs=1e-6)
    sketched = asked("chosen", "--query", 17, "-k", 4, *by)
    assert [row["similarity"] for row in sketched] != [row["similarity"] for row in found]


def test_an_output_function_of_ones_own_comes_from_the_target(beside: Path) -> None:
    done("sketch", "own:custom", "--out", "run", *PLAN)
    subject = load_target("own:custom")
    exact = ks.TangentKernel(subject.model, output=subject.output).on(subject.data).gram().numpy()
    found = asked("run", "--query", 5, "-k", 2, "--rerank", "own:custom", "--candidates", 59)
    assert [row["sample"] for row in found] == nearest(exact, 5, 2)
    refused("another output", "neighbours", "run", "--query", 5, "--rerank", "own:trained")


def test_an_index_says_its_recall_and_belongs_to_its_store(run: Path) -> None:
    pytest.importorskip("faiss", reason="the extra kinsight[faiss] is not installed")
    refused("expected an index, found none", "neighbours", "run", "--query", 1, "--index")
    said = done("index", "run", "--recall", "1", "--kind", "flat").stdout
    assert "60 rows in 1 lists (flat), 1 searched: finds 100.0% of the ten nearest of 60" in said
    assert asked("run", "--query", 1, "--index") == asked("run", "--query", 1)
    done("verify", "run")
    done("sketch", "own:plain", "--out", "grows", *PLAN)
    done("index", "grows")
    done("sketch", "own:plain_too", "--out", "grows", "--append", *PLAN)
    refused("index of another store", "neighbours", "grows", "--query", 1, "--index")
    refused("ArgumentError: recall", "index", "run", "--recall", "2")
    done("sketch", "own:broken", "--out", "apart", *PLAN)
    done("index", "apart")
    ask = ("neighbours", "apart", "--query", 3, "--index")
    assert "set apart: its gradient is not finite" in done(*ask).stdout


def test_damage_is_named_and_repaired_to_the_same_bytes(run: Path) -> None:
    before = content(run)
    flip(run / "sketch" / "shard-000002.arrow")
    flip(run / "samples" / "shard-000001.parquet")
    flip(run / "sketch" / "shard-000000.json")
    result = kinsight("verify", "run")
    assert result.exit_code == 3
    for name in ("sketch/shard-000002.arrow", "samples/shard-000001.parquet"):
        assert f"✗ {name}: its bytes are not those that were written" in result.stdout
    assert "✗ sketch/shard-000000.json: " in result.stdout
    refused("rows 16 to 31, 32 to 47 are damaged.*--from MODULE:CALLABLE", "repair", "run")
    restored = {name for name, bytes_ in content(run).items() if bytes_ == before[name]}
    assert "sketch/shard-000000.json" in restored
    flip(run / "sketch" / "shard-000000.json")
    said = done("repair", "run", "--from", "own:trained").stdout
    assert "✓ sketch/shard-000002.arrow: sketched again, the same bytes as before" in said
    assert "✓ samples/shard-000001.parquet: sketched again, the same bytes as before" in said
    assert "✓ sketch/shard-000000.json: made again from the other files" in said
    assert content(run) == before
    done("verify", "run")
    assert done("repair", "run").stdout == done("verify", "run").stdout


def test_run_json_is_restored_without_the_data(run: Path) -> None:
    before = content(run)
    (run / "run.json").unlink()
    assert kinsight("verify", "run").exit_code == 3
    assert "✓ run.json: made again from the other files" in done("repair", "run").stdout
    assert content(run) == before


def test_other_files_are_left_alone(run: Path) -> None:
    (run / "sketch" / "notes.txt").write_text("mine")
    assert kinsight("verify", "run").exit_code == 3
    result = kinsight("repair", "run")
    assert result.exit_code == 3
    assert "! sketch/notes.txt: it does not belong to the store; left alone" in result.stdout
    assert (run / "sketch" / "notes.txt").read_text() == "mine"


def test_a_shard_is_made_again_only_from_what_it_was_made_from(run: Path) -> None:
    before = content(run)
    flip(run / "sketch" / "shard-000002.arrow")
    refused("sketched with another model than came now", "repair", "run", "--from", "own:other")
    refused("columns are not those of own:plain", "repair", "run", "--from", "own:plain")
    refused("no module 'yours'", "repair", "run", "--from", "yours:trained")
    Path("changed.py").write_text(Path("own.py").read_text().replace('"cat"', '"cow"'))
    refused("labels .* not those of changed", "repair", "run", "--from", "changed.py:trained")
    done("repair", "run", "--from", "own:trained")
    assert content(run) == before


@pytest.mark.parametrize("damaged", ["sketch/shard-000003.arrow", "samples/shard-000003.parquet"])
def test_merged_stores_and_the_repair_of_one(beside: Path, damaged: str) -> None:
    done("sketch", "own:plain", "--out", "a", *PLAN)
    done("sketch", "own:plain_too", "--out", "b", *PLAN)
    assert "55 rows in 4 shards" in done("merge", "a", "b", "--out", "whole").stdout
    assert np.array_equal(sketches(Path("whole")), np.vstack([sketches(Path(p)) for p in "ab"]))
    assert "of the first of 2 merged stores" in done("info", "whole").stdout
    before = content(Path("whole"))
    flip(Path("whole", damaged))
    flip(Path("whole/sketch/shard-000000.arrow"))
    named = '{"model": network(), "data": data(25, 2), "names": ["n"] * 25}'
    changed = Path("own.py").read_text().replace("network(), data(25, 2)", named)
    Path("changed.py").write_text(changed)
    refused("ids, .* are not those of changed", "repair", "whole", "--from", "changed.py:plain_too")
    refused("rows 46 to 54 .* not those of own:plain:", "repair", "whole", "--from", "own:plain")
    done("repair", "whole", "--from", "own:plain_too")
    assert content(Path("whole")) == before


@pytest.mark.parametrize("command", ["info", "neighbours", "index", "verify", "repair", "merge"])
def test_what_is_no_store_is_said_in_one_message(beside: Path, command: str) -> None:
    more = {"neighbours": ("--query", 0), "merge": ("--out", "whole")}.get(command, ())
    refused("nowhere: expected a store of sketches, found none", command, "nowhere", *more)
    refused("own.py: expected a store of sketches, found none", command, "own.py", *more)
    refused("StoreError: nowhere://…: expected a URI", command, "nowhere://key:secret@b", *more)


def test_a_run_of_analyze_is_no_store(beside: Path) -> None:
    done("analyze", "own:plain", "--out", "analyzed")
    before = content(beside / "analyzed")
    for command in ("info", "index", "verify", "repair"):
        refused("a run of analyze", command, "analyzed")
    refused("a run of analyze", "neighbours", "analyzed", "--query", 0)
    refused("a run of analyze", "merge", "analyzed", "--out", "whole")
    assert content(beside / "analyzed") == before


def test_an_unfinished_store_is_verified_and_not_searched(unfinished: Path) -> None:
    said = "a finished store, got one under way with 32 rows"
    refused(said, "neighbours", "half", "--query", 0)
    refused(said, "index", "half")
    refused(said, "merge", "half", "--out", "whole")
    assert "under way, 2 of 4 shards" in done("verify", "half").stdout
    flip(unfinished / "samples" / "shard-000001.parquet")
    assert kinsight("verify", "half").exit_code == 3
    done("repair", "half", "--from", "own:trained")
    done("sketch", "own:trained", "--out", "half", *PLAN)
    assert "finished, 60 rows" in done("verify", "half").stdout


def test_wrong_questions_are_one_message(run: Path) -> None:
    ask = ("neighbours", "run")
    refused("--query: expected the number of a sample, 0 to 59, got 60", *ask, "--query", 60)
    refused("--query: expected the number of a sample, 0 to 59, got -1", *ask, "--query", -1)
    refused("no sample has the id 'n60'; ids are such as 'n0', 'n1'", *ask, "--query-id", "n60")
    refused("--query NUMBER or --query-id ID", *ask)
    refused("k: expected at most 59 neighbours", *ask, "--query", 0, "-k", 60)
    refused("no module 'yours'", *ask, "--query", 0, "--rerank", "yours:trained")
    refused("another model", *ask, "--query", 0, "--rerank", "own:other")
    refused("expected the 60 samples of the store", *ask, "--query", 0, "--rerank", "own:plain")
    done("sketch", "own:plain", "--out", "seeded", "--seed", 1, *PLAN)
    refused("cannot become one store.*seed", "merge", "run", "seeded", "--out", "whole")
    refused("a folder of its own", "merge", "run", "run", "--out", "run")
    refused("expected a folder, found a file", "merge", "run", "run", "--out", "own.py")


def test_survey_writes_columns_says_what_it_found_and_its_damage_is_repaired(run: Path) -> None:
    said = done("survey", "run", "--neighbours", 3).stdout
    assert "columns density, pairs, suspects in" in said
    assert "those that the others support least:" in said
    store = ks.Store(run)
    assert len(store.folder.column("neighbours")[0]) == 3
    whole = content(run)
    assert done("survey", "run", "--neighbours", 3).stdout == said  # nothing is computed again
    flip(run / "columns" / "density" / "shard-000001.parquet")
    assert "columns/density/shard-000001.parquet" in kinsight("verify", "run").stdout
    done("repair", "run")
    assert content(run) == whole
    done("survey", "run", "--neighbours", 4, "--no-pairs")
    refused("a store of sketches", "survey", "nowhere")
    refused("--engine ray", "survey", "run", "--workers", 2)
