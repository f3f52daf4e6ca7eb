"""The columns of a surveyed store are those that the analyses give, whatever computed them."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import kinsight as ks
from kinsight.engines import Local
from kinsight.search.maps import principal_map
from kinsight.sketching.survey import remake_columns
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from kinsight.store.repair import repair
from sketching.cases import content, images, kernel

PLAN = {"dim": 128, "shard_rows": 24, "micro_batch": 8, "engine": Local(threads=1)}
LABELS = torch.arange(150) % 5
WRONG = LABELS.clone()
WRONG[[3, 90]] = (WRONG[[3, 90]] + 1) % 5


def made(out: Path, labels: torch.Tensor | list) -> ks.Store:
    data = images(150)
    data[7] = torch.nan
    with pytest.warns(ks.errors.NonFiniteGradientWarning):
        return ks.sketch(kernel(), data, out, labels=labels, **PLAN)


def test_columns_are_those_of_the_analyses(tmp_path: Path) -> None:
    labels = WRONG.clone()
    labels[11] = -1
    store = ks.survey(made(tmp_path / "run", labels), neighbours=4, engine=Local(threads=1))
    found = {name: store.numbers(name) for name in ("density", "density_square", "count_0.5")}
    for name, options in (
        ("density", ("soft",)),
        ("density_square", ("square",)),
    ):
        expected = ks.density(store, *options).score
        assert_close(found[name].double(), expected.double(), rtol=1e-5, atol=1e-4, equal_nan=True)
    hard = ks.density(store, "hard", threshold=0.5).score
    fit = hard.isfinite()
    assert (found["count_0.5"].double() - hard)[fit].abs().max() <= 1  # one at the threshold
    nearest = store.folder.column("neighbours").to_pylist()
    exact = store.nearest(k=4)
    assert nearest[20] == exact.indices[20].tolist()
    assert nearest[7] == [-1] * 4
    places = principal_map(store.rows).points
    assert_close(store.numbers("map_x").float(), places[:, 0], rtol=1e-3, atol=1e-4, equal_nan=True)
    suspects = ks.suspects(store, labels, rank=128)
    score = store.numbers("suspect_score").double()
    assert_close(score, suspects.score.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
    assert set(score.nan_to_num(-1).argsort(descending=True)[:2].tolist()) == {3, 90}
    proposed = store.folder.column("proposed_label").to_pylist()
    assert proposed[3] == int(LABELS[3])
    assert proposed[11] == int(LABELS[11])
    assert proposed[7] is None


def test_a_survey_that_was_stopped_goes_on_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    ks.survey(made(whole, WRONG), engine=Local(threads=1))
    store, plain, count = made(stopped, WRONG), StoreFolder.write_columns, [0]

    def now_and_then(self, group, shard, table):
        count[0] += 1
        if count[0] % 3 == 0:
            raise KeyboardInterrupt
        plain(self, group, shard, table)

    monkeypatch.setattr(StoreFolder, "write_columns", now_and_then)
    for _ in range(30):
        try:
            ks.survey(store, engine=Local(threads=1))
            break
        except KeyboardInterrupt:
            store = ks.Store(stopped)
    assert content(stopped) == content(whole)
    assert count[0] > 21


def test_names_as_labels_real_labels_and_none(tmp_path: Path) -> None:
    names = ["cat" if i % 5 else None for i in range(75)] + ["dog"] * 75
    store = ks.survey(made(tmp_path / "names", names), pairs=False, engine=Local(threads=1))
    assert set(store.folder.column("proposed_label").to_pylist()) == {"cat", "dog", None}
    assert "count_0.5" not in [c for g in store.folder.groups for c in g]
    real = LABELS.double() + 0.1
    numbers = ks.survey(made(tmp_path / "real", real), pairs=False, engine=Local(threads=1))
    off = numbers.numbers("label_off").double()
    known = ks.suspects(numbers, real, rank=128).answers[:, 0]
    assert_close(off, real - known, rtol=1e-4, atol=1e-5, equal_nan=True)
    plain = ks.sketch(kernel(), images(30), tmp_path / "plain", **PLAN)
    assert list(ks.survey(plain, pairs=False).folder.groups) == ["density"]


def test_a_store_that_grew_is_surveyed_anew(tmp_path: Path) -> None:
    store = ks.sketch(kernel(), images(30), tmp_path / "run", **PLAN)
    ks.survey(store, pairs=False)
    more = ks.sketch(kernel(), images(20, seed=2), tmp_path / "run", append=True, **PLAN)
    again = ks.survey(more, pairs=False)
    assert_close(again.numbers("density").double(), ks.density(again).score, rtol=1e-5, atol=1e-4)


def test_damaged_columns_are_computed_again_to_the_same_bytes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    store = ks.survey(made(out, WRONG), engine=Local(threads=1))
    whole = content(out)
    for group in store.folder.groups:
        file = out / "columns" / group / "shard-000002.parquet"
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        file.write_bytes(damaged)
    assert [damage.shard for damage in verify(out)] == [2, 2, 2]
    assert repair(out, remake_columns=remake_columns) == []
    assert content(out) == whole
    store.folder.add_column("mine", range(150))
    file = out / "columns" / "mine" / "shard-000000.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ks.errors.StoreError, match="mine"):
        repair(out, remake_columns=remake_columns)
