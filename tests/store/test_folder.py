"""A store gives back what was written, refuses what does not belong, and grows."""

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from store.small import HEAD, arrays, changed, files, fill, made, samples, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    made(tmp_path / "s")
    folder = StoreFolder.open(tmp_path / "s")
    assert (len(folder), folder.finished, folder.head) == (13, True, HEAD)
    assert [(s.start, s.stop) for s in folder.shards] == [(0, 5), (5, 10), (10, 13)]
    for shard in folder.shards:
        expected = arrays(shard.start, shard.stop)
        for name, read in (("sketch", folder.read), ("rows", folder.rows),
                           ("whitening", folder.whitening)):  # fmt: skip
            assert torch.equal(read(shard), torch.from_numpy(expected[name]))
        assert folder.samples(shard).equals(samples(shard.start, shard.stop))
        assert folder.samples(shard, ["norm"]).column_names == ["norm"]
    assert folder.column("id").to_pylist() == [f"image-{i}" for i in range(13)]
    assert folder.column("score").to_numpy().tolist() == [i / 4 for i in range(13)]
    assert folder.groups == {"score": True}
    assert verify(tmp_path / "s") == []


def test_a_shard_is_a_view_of_its_file(tmp_path: Path) -> None:
    rows = 1 << 14
    head = changed(HEAD, sketch__dim=256, sketch__outputs=1, plan__shard_rows=rows)
    folder = StoreFolder.create(tmp_path, head)
    sketch = np.zeros((rows, 256), np.float16)
    sketch[:, 3] = np.arange(rows) % 7
    (shard,) = folder.missing(folder.begin(rows, "m"))
    table = pa.table({"sample": pa.array(range(rows), pa.int64())})
    folder.write(shard, sketch=sketch, samples=table, data="d")
    folder.finish()
    before = pa.total_allocated_bytes()
    read = folder.read(0)
    gc.collect()
    assert pa.total_allocated_bytes() - before < 1 << 16  # the file has 8 MiB
    maps = Path("/proc/self/maps")
    if maps.exists():
        at = read.data_ptr()
        spans = [line.split() for line in maps.read_text().splitlines() if "shard-000000" in line]
        bounds = [[int(end, 16) for end in span[0].split("-")] for span in spans]
        assert any(low <= at < high for low, high in bounds)
        assert all("w" not in span[1] for span in spans)
    assert torch.equal(read, torch.from_numpy(sketch))


@given(order=st.permutations(range(4)), twice=st.integers(0, 3))
def test_the_order_of_shards_changes_no_byte(tmp_path_factory, order, twice: int) -> None:
    path = tmp_path_factory.mktemp("order")
    fill(StoreFolder.create(path / "a", HEAD), 18)
    folder = StoreFolder.create(path / "b", HEAD)
    shards = folder.missing(folder.begin(18, "mark"))
    for index in [*order, twice]:
        write(folder, shards[index])
    folder.finish()
    assert files(path / "a") == files(path / "b")


def test_another_head_is_refused_field_by_field(tmp_path: Path) -> None:
    made(tmp_path)
    before = files(tmp_path)
    other = changed(HEAD, identity__model="b", sketch__seed=4, plan__micro_batch=8, plan__more=1)
    with pytest.raises(StoreError) as error:
        StoreFolder.create(tmp_path, other)
    for part in ('identity.model is "aaaaaaaa" there and "b" here', "sketch.seed is 3 there and 4",
                 "plan.micro_batch", "plan.more is absent there", "fresh=True"):  # fmt: skip
        assert part in str(error.value)
    assert "identity.output" not in str(error.value)
    assert files(tmp_path) == before
    same = StoreFolder.create(tmp_path, changed(HEAD, identity__data="second", error__std=1.0))
    assert same.head == HEAD


def test_a_store_grows_by_segments(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert folder.begin(13, "mark") == folder.segments[0]  # nothing twice
    assert len(folder.segments) == 1
    fill(folder, 7, "more")
    assert [(s.start, s.rows, s.segment) for s in folder.shards] == [
        (0, 5, 0), (5, 5, 0), (10, 3, 0), (13, 5, 1), (18, 2, 1)]  # fmt: skip
    assert folder.column("sample").to_pylist() == list(range(20))
    assert folder.groups == {"score": False}
    with pytest.raises(StoreError, match="cover the first 3 shards only"):
        folder.column("score")
    assert verify(tmp_path) == []
    folder.begin_columns("again", {})
    with pytest.raises(StoreError, match="score is there, in columns score"):
        folder.write_columns("again", folder.shards[0], pa.table({"score": range(5)}))


def test_only_one_segment_is_under_way(tmp_path: Path) -> None:
    folder = StoreFolder.create(tmp_path, HEAD)
    segment = folder.begin(13, "mark")
    write(folder, folder.missing(segment)[0])
    assert folder.begin(13, "mark") == segment
    for rows, mark in ((13, "other"), (12, "mark")):
        with pytest.raises(StoreError, match="13 rows of data mark are being written"):
            folder.begin(rows, mark)
    with pytest.raises(StoreError, match="expected a whole number of 1"):
        StoreFolder.create(tmp_path / "x", HEAD).begin(0, "none")


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(StoreError, match="holds files that are not of a store"):
            StoreFolder.create(tmp_path, HEAD, fresh=fresh)
    for text in ('{"schema": 1, "status": "finished", "identity": {}, "tables": {}}', "{", "[1]"):
        (tmp_path / "run.json").write_text(text)
        for fresh in (False, True):
            with pytest.raises(StoreError, match="file of something else, which is left alone"):
                StoreFolder.create(tmp_path, HEAD, fresh=fresh)
        assert files(tmp_path) == {"run.json": text.encode(), "thesis.tex": b"mine"}
    with pytest.raises(StoreError, match="found a file"):
        StoreFolder.create(tmp_path / "thesis.tex", HEAD)


def test_fresh_removes_what_is_ours_by_name(tmp_path: Path) -> None:
    made(tmp_path)
    own = {"notes.txt": b"a", "sketch/shard.npy": b"b", "columns/score/x.csv": b"c"}
    for name, content in own.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "sketch" / ".shard-000001.arrow.77.tmp").write_bytes(b"killed")
    folder = StoreFolder.create(tmp_path, changed(HEAD, sketch__seed=9), fresh=True)
    there = files(tmp_path)
    assert there.pop("run.json")
    assert there == own
    assert (len(folder), folder.segments) == (0, [])


def test_fresh_does_not_follow_links(tmp_path: Path) -> None:
    made(tmp_path / "s")
    (tmp_path / "s" / "samples").rename(tmp_path / "elsewhere")
    (tmp_path / "s" / "samples").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="found a link"):
        StoreFolder.create(tmp_path / "s", HEAD, fresh=True)
    assert len(files(tmp_path / "elsewhere")) == 3


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = StoreFolder.create(tmp_path, HEAD)
    shard = folder.missing(folder.begin(13, "mark"))[1]
    good = {"samples": samples(5, 10), "data": "d", **arrays(5, 10)}
    nan = arrays(5, 10)["sketch"]
    nan[2, 3] = np.inf
    bad = [
        ({"sketch": good["sketch"].astype(np.float32)}, "sketch: expected float16"),
        ({"sketch": good["sketch"][:4]}, r"expected float16 \(5, 6\)"),
        ({"sketch": nan}, "expected finite numbers"),
        ({"rows": good["rows"][:, :1]}, "rows: expected float16"),
        ({"samples": samples(5, 9)}, "expected 5 rows"),
        ({"samples": samples(0, 5)}, "whole numbers (int64) 5 to 9"),
        ({"samples": samples(5, 10).drop_columns(["sample"])}, "with a column 'sample'"),
        ({"data": 3}, "data of a shard: expected text"),
    ]
    for fields, said in bad:
        with pytest.raises(StoreError, match=said.replace("(int64)", r"\(int64\)")):
            folder.write(shard, **{**good, **fields})
    assert files(tmp_path).keys() == {"run.json"}
    with pytest.raises(StoreError, match="expected one of the shards that missing"):
        folder.write(type(shard)(1, 5, 4, 0), **good)
    with pytest.raises(StoreError, match="expected a committed shard"):
        folder.read(1)
    for head in ({}, {"sketch": {"dim": 0}, "plan": {"shard_rows": 1}}, {"x": float("nan")}):
        with pytest.raises(StoreError):
            StoreFolder.create(tmp_path / "other", head)
    with pytest.raises(StoreError, match="expected a store of sketches"):
        StoreFolder.open(tmp_path / "nothing")


def test_a_shard_that_comes_out_differently_is_refused(tmp_path: Path) -> None:
    folder = StoreFolder.create(tmp_path, HEAD)
    shard = folder.missing(folder.begin(13, "mark"))[0]
    write(folder, shard)
    before = files(tmp_path)
    with pytest.raises(StoreError, match="came out differently"):
        write(folder, shard, shift=1)
    assert files(tmp_path) == before
    table = samples(5, 10).append_column("more", pa.array(range(5)))
    folder = StoreFolder.create(tmp_path, HEAD)  # another process, which has seen no shard yet
    with pytest.raises(StoreError, match="more is absent there"):
        folder.write(
            folder.missing(folder.segments[0])[0], samples=table, data="d", **arrays(5, 10)
        )


def test_columns_of_another_identity_replace_only_on_request(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with pytest.raises(StoreError, match=r"identity\.values is"):
        folder.add_column("score", [0.5] * 13)
    folder.add_column("score", [0.5] * 13, replace=True)
    assert folder.column("score").to_pylist() == [0.5] * 13
    with pytest.raises(StoreError, match="expected 13 values"):
        folder.add_column("few", [1, 2])
    with pytest.raises(StoreError, match="a disk may not tell them apart"):
        folder.add_column("Score", [0.5] * 13)
    for name in ("../x", "", "a b", "a" * 65, ".a"):
        with pytest.raises(StoreError, match="name of columns"):
            folder.add_column(name, [0.5] * 13)
    with pytest.raises(StoreError, match="expected one of the columns id, label, norm"):
        folder.column("nothing")
    with pytest.raises(StoreError, match="is there, in the samples"):
        folder.add_column("norm", [0.5] * 13)


def test_columns_are_written_shard_by_shard(tmp_path: Path) -> None:
    folder = made(tmp_path)
    identity = {"neighbours": 2, "metric": None}
    folder.begin_columns("near", identity)
    assert folder.missing_columns("near") == folder.shards
    for shard in folder.shards[::-1]:
        with pytest.raises(StoreError, match="shards are not written"):
            folder.finish_columns("near")
        near = np.arange(shard.rows * 2, dtype=np.float32).reshape(-1, 2)
        lists = pa.FixedSizeListArray.from_arrays(near.reshape(-1), 2)
        folder.write_columns("near", shard, pa.table({"index": lists}))
        folder.begin_columns("near", identity)  # goes on
    assert folder.missing_columns("near") == []
    folder.finish_columns("near")
    folder.finish_columns("near")
    assert folder.column("index").type.list_size == 2
    assert StoreFolder.open(tmp_path).column("index")[12].as_py() == [4.0, 5.0]
    assert verify(tmp_path) == []
