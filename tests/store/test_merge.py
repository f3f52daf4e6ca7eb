"""Stores made with the same settings become one, and nothing of them is lost."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from kinsight.store.merge import merge
from store.small import HEAD, changed, files, fill, made, write


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Two stores of the same network over other data, the first of two segments."""
    fill(StoreFolder.create(tmp_path / "a", HEAD), 13, "one")
    folder = fill(StoreFolder.open(tmp_path / "a"), 6, "two", shift=1)
    folder.add_column("score", np.arange(19.0))
    other = changed(HEAD, identity__data="second", error__std=0.5)
    folder = fill(StoreFolder.create(tmp_path / "b", other), 7, "one", shift=2)
    folder.add_column("score", np.arange(7.0) / 2)
    folder.begin_columns("near", {"neighbours": 3})
    return [tmp_path / "a", tmp_path / "b"]


def test_the_rows_of_the_second_come_after_those_of_the_first(tmp_path: Path, parts) -> None:
    whole = merge(parts, tmp_path / "whole")
    folders = [StoreFolder.open(path) for path in parts]
    assert (len(whole), whole.finished, verify(tmp_path / "whole")) == (26, True, [])
    for name in ("id", "norm", "label", "score"):
        expected = [value for folder in folders for value in folder.column(name).to_pylist()]
        assert whole.column(name).to_pylist() == expected
    assert whole.column("sample").to_pylist() == list(range(26))
    for read in ("read", "rows", "whitening"):
        both = [torch.cat([getattr(f, read)(s) for s in f.shards]) for f in (*folders, whole)]
        assert torch.equal(torch.cat(both[:2]), both[2])
    assert [(s.rows, s.data) for s in whole.segments] == [(13, "one"), (6, "two"), (7, "one")]
    described = [("first", HEAD["error"]), ("second", {"std": 0.5})]
    assert whole.head == {**HEAD, "merged": [{"data": d, "error": e} for d, e in described]}
    marks = [whole.groups, list(whole.samples(0).column_names)]
    assert marks == [{"score": True}, ["sample", "id", "norm", "label"]]


def test_a_merge_goes_on_and_merged_stores_merge_again(tmp_path: Path, parts) -> None:
    merge(parts, tmp_path / "x")
    expected = files(tmp_path / "x")
    for name in ("sketch/shard-000004.json", "samples/shard-000005.parquet"):
        (tmp_path / "x" / name).unlink()
    merge(parts, tmp_path / "x")
    assert files(tmp_path / "x") == expected
    fill(StoreFolder.create(tmp_path / "x", HEAD), 4, "three")  # a merged store grows
    again = merge([parts[1], tmp_path / "x"], tmp_path / "y")
    assert [m["data"] for m in again.head["merged"]] == ["second", "first", "second"]
    assert again.column("sample").to_pylist() == list(range(7 + 30))
    assert len(merge([parts[1], parts[1]], tmp_path / "twice")) == 14


def test_what_cannot_be_one_store_is_refused(tmp_path: Path, parts) -> None:
    made(tmp_path / "c", head=changed(HEAD, sketch__seed=5, identity__output="probabilities"))
    with pytest.raises(StoreError) as error:
        merge([parts[0], tmp_path / "c"], tmp_path / "whole")
    assert "sketch.seed is 3 there and 5 here" in str(error.value)
    assert "identity.output" in str(error.value)
    assert not (tmp_path / "whole").exists()
    folder = StoreFolder.create(tmp_path / "d", HEAD)
    write(folder, folder.missing(folder.begin(13, "m"))[0])
    with pytest.raises(StoreError, match="expected a finished store"):
        merge([parts[0], tmp_path / "d"], tmp_path / "whole")
    with pytest.raises(StoreError, match="a folder of its own"):
        merge(parts, parts[0])
    with pytest.raises(StoreError, match="another store is there"):
        merge([parts[1]], parts[0])
    with pytest.raises(StoreError, match="expected the paths"):
        merge([], tmp_path / "whole")


def test_damage_is_not_taken_over(tmp_path: Path, parts) -> None:
    file = parts[1] / "samples" / "shard-000001.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"shard-000001\.parquet: its bytes .*repair\(\) it first"):
        merge(parts, tmp_path / "whole")
