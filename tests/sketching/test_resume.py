"""Stopped, killed, gone on with, appended to, refused: a store ends with the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import kinsight as ks
from kinsight.engines import Local
from kinsight.errors import ArgumentError, StoreError, SubjectError
from kinsight.sketching.worker import ShardWorker
from sketching.cases import content, images, kernel

PLAN = {"dim": 64, "shard_rows": 16, "micro_batch": 8, "engine": Local(threads=1)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "run"
    ks.sketch(kernel(), images(300), out, **PLAN)
    return content(out)


def test_killed_at_fifty_random_moments_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """kill -9, and the same call again: the same checksums, no sample twice or missing."""
    script, samples = [sys.executable, str(Path(__file__).parent / "cases.py")], "2400"
    for folder, kills in (("run", "50"), ("whole", "0")):
        done = subprocess.run(
            [*script, str(tmp_path / folder), kills, samples],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        killed = int(done.stdout.split()[-1])
        assert killed >= int(kills) // 2, done.stdout  # the others came too late
    assert content(tmp_path / "run") == content(tmp_path / "whole")
    rows = ks.Store(tmp_path / "run").folder.column("sample").to_pylist()
    assert rows == list(range(int(samples)))


def test_stopped_at_every_shard(
    tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in any shard leaves the ones before it; no sample is sketched twice."""
    seen: list[int] = []
    plain = ShardWorker.__call__

    def stopped(self, shard):
        if len(seen) % 4 == 3:
            seen.append(-1)
            raise KeyboardInterrupt
        seen.append(shard.index)
        return plain(self, shard)

    monkeypatch.setattr(ShardWorker, "__call__", stopped)
    while True:
        try:
            ks.sketch(kernel(), images(300), tmp_path / "run", **PLAN)
            break
        except KeyboardInterrupt:
            continue
    assert content(tmp_path / "run") == undisturbed
    assert [index for index in seen if index >= 0] == list(range(19))


def test_a_finished_store_is_returned_as_it_is(tmp_path: Path, undisturbed, monkeypatch) -> None:
    ks.sketch(kernel(), images(300), tmp_path / "run", **PLAN)
    monkeypatch.setattr(ShardWorker, "__call__", None)
    assert len(ks.sketch(kernel(), images(300), tmp_path / "run", **PLAN)) == 300
    assert content(tmp_path / "run") == undisturbed


def test_the_batches_of_the_network_do_not_change_with_the_shards(tmp_path: Path) -> None:
    """Rows are the same numbers in another shard plan, as long as micro-batches are the same."""
    one = ks.sketch(kernel(), images(70), tmp_path / "a", **PLAN)
    two = ks.sketch(kernel(), images(70), tmp_path / "b", **{**PLAN, "shard_rows": 40})
    rows = torch.arange(70)
    assert torch.equal(one.take(rows), two.take(rows))


def test_appended_samples_come_after_those_that_are_there(tmp_path: Path) -> None:
    first, second = images(40), images(30, seed=1)
    out = tmp_path / "run"
    ks.sketch(kernel(), first, out, ids=[f"a{i}" for i in range(40)], **PLAN)
    more = {"ids": [f"b{i}" for i in range(30)], "append": True, **PLAN}
    store = ks.sketch(kernel(), second, out, **more)
    assert len(store) == 70
    assert store.folder.column("id").to_pylist()[38:42] == ["a38", "a39", "b0", "b1"]
    alone = ks.sketch(kernel(), second, tmp_path / "alone", **PLAN)
    assert torch.equal(store.take(torch.arange(40, 70)), alone.take(torch.arange(30)))
    before = content(out)
    assert len(ks.sketch(kernel(), second, out, **more)) == 70  # nothing twice
    assert content(out) == before


def test_other_columns_are_refused_before_anything_is_begun(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ks.sketch(kernel(), images(20), out, columns={"place": range(20)}, **PLAN)
    before = content(out)
    for wrong in ({}, {"columns": {"other": range(5)}}, {"labels": [0] * 5}):
        given = {"columns": {"place": range(5)}, **wrong} if "labels" in wrong else wrong
        with pytest.raises(SubjectError, match="place"):
            ks.sketch(kernel(), images(5, seed=1), out, append=True, **given, **PLAN)
    assert content(out) == before
    more = {"columns": {"place": range(5)}, "append": True, **PLAN}
    more.pop("dim")  # that of the store
    assert len(ks.sketch(kernel(), images(5, seed=1), out, **more)) == 25


def test_what_does_not_fit_is_refused_with_its_name(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ks.sketch(kernel(), images(20), out, **PLAN)
    before = content(out)
    for changes, named in (
        ({"seed": 1}, "seed"),
        ({"dim": 128}, "dim"),
        ({"keep": "outputs"}, "keep"),
        ({"micro_batch": 4}, "micro_batch"),
    ):
        with pytest.raises(StoreError, match=named):
            ks.sketch(kernel(), images(20), out, **{**PLAN, **changes})
    with pytest.raises(StoreError, match=r"identity\.model"):
        ks.sketch(kernel(2), images(20), out, **PLAN)
    with pytest.raises(StoreError, match="parameters"):
        ks.sketch(kernel(parameters=["head.*"]), images(20), out, **PLAN)
    with pytest.raises(StoreError, match="append=True"):
        ks.sketch(kernel(), images(21), out, **PLAN)
    with pytest.raises(StoreError, match="samples"):
        ks.sketch(kernel(), images(20, seed=3), out, **PLAN)
    assert content(out) == before
    store = ks.sketch(kernel(), images(21), out, fresh=True, **PLAN)
    assert len(store) == 21


def test_other_data_are_noticed_wherever_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store under way and in a finished one, also between the batches that mark the data."""
    plain, data, plan = ShardWorker.__call__, images(48), {**PLAN, "micro_batch": 1}

    def stop_at_last(self, shard):
        if shard.index == 2:
            raise KeyboardInterrupt
        return plain(self, shard)

    monkeypatch.setattr(ShardWorker, "__call__", stop_at_last)
    with pytest.raises(KeyboardInterrupt):
        ks.sketch(kernel(), data, tmp_path / "run", **plan)
    monkeypatch.setattr(ShardWorker, "__call__", plain)
    changed = data.clone()
    changed[20] += 1
    with pytest.raises(StoreError, match="rows 16 to 31 were made from other samples"):
        ks.sketch(kernel(), changed, tmp_path / "run", **plan)
    assert len(ks.sketch(kernel(), data, tmp_path / "run", **plan)) == 48
    for append in (False, True):
        with pytest.raises(StoreError, match="rows 16 to 31 were made from other samples"):
            ks.sketch(kernel(), changed, tmp_path / "run", append=append, **plan)


def test_other_labels_ids_and_columns_are_other_data(tmp_path: Path) -> None:
    given = {"labels": [0] * 20, "ids": range(20), "columns": {"place": ["a"] * 20}}
    ks.sketch(kernel(), images(20), tmp_path / "run", **given, **PLAN)
    before = content(tmp_path / "run")
    assert len(ks.sketch(kernel(), images(20), tmp_path / "run", **given, **PLAN)) == 20
    for change in (
        {"labels": [1] * 20}, {"ids": range(1, 21)}, {"columns": {"place": ["b"] * 20}}
    ):  # fmt: skip
        with pytest.raises(StoreError, match="same ids, labels and columns"):
            ks.sketch(kernel(), images(20), tmp_path / "run", **{**given, **change}, **PLAN)
    for wrong in ({"labels": ["x"] * 5}, {"labels": None}):
        more = {"ids": range(5), "columns": {"place": ["a"] * 5}, **wrong}
        with pytest.raises(SubjectError, match="label"):
            ks.sketch(kernel(), images(5, 1), tmp_path / "run", append=True, **more, **PLAN)
    assert content(tmp_path / "run") == before


def test_types_are_those_of_all_values(tmp_path: Path) -> None:
    labels = [0.5, *[1] * 19, *[None] * 20]
    store = ks.sketch(kernel(), images(40), tmp_path / "run", labels=labels, **PLAN)
    assert store.folder.column("label").to_pylist() == labels
    nobody = ks.sketch(kernel(), images(40), tmp_path / "none", labels=[None] * 40, **PLAN)
    assert nobody.folder.column("label").null_count == 40


def test_labels_ids_and_columns(tmp_path: Path) -> None:
    labels = torch.arange(20) % 3
    columns = {"weight": torch.rand(20).numpy(), "place": [f"p{i}" for i in range(20)]}
    store = ks.sketch(kernel(), (images(20), labels), tmp_path / "run", columns=columns, **PLAN)
    assert store.folder.column("label").to_pylist() == labels.tolist()
    assert store.folder.column("place").to_pylist()[17] == "p17"
    named = ks.sketch(kernel(), images(20), tmp_path / "named", labels=["x", None] * 10, **PLAN)
    assert named.folder.column("label").to_pylist()[:2] == ["x", None]
    for bad, error in (
        ({"labels": [1, 2]}, SubjectError),
        ({"columns": {"norm": [0] * 20}}, ArgumentError),
        ({"columns": {"norm.conv": [0] * 20}}, ArgumentError),
        ({"columns": {"density": [0] * 20}}, ArgumentError),
        ({"labels": 3}, SubjectError),
        ({"dim": 4}, ArgumentError),
        ({"error": 0.1}, ArgumentError),
        ({"append": True, "fresh": True}, ArgumentError),
        ({"engine": "spark"}, ArgumentError),
        ({"seed": 0.5}, ArgumentError),
    ):
        with pytest.raises(error):
            ks.sketch(kernel(), images(20), tmp_path / "bad", **{**PLAN, **bad})
    with pytest.raises(ArgumentError, match="normalization"):
        ks.sketch(kernel(normalization=None), images(5), tmp_path / "bad", **PLAN)
