"""Several processes write one store, and readers see whole files only."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kinsight.errors import StoreError
from kinsight.store.folder import StoreFolder
from kinsight.store.place import Place
from store.small import HEAD, files, fill, write


def test_several_processes_share_a_store(tmp_path: Path) -> None:
    one = StoreFolder.create(tmp_path, HEAD)
    segment = one.begin(13, "mark")
    other = pickle.loads(pickle.dumps(StoreFolder.create(tmp_path, HEAD)))
    first, second, third = one.missing(segment)
    write(other, third)
    assert len(one) == 0  # without a gap
    write(other, first)
    one.refresh()
    assert len(one) == 5
    assert one.missing(segment) == [second]
    with pytest.raises(StoreError, match="1 shards are not written, the first is shard 1"):
        one.finish()
    write(one, second)
    one.finish()
    other.refresh()
    assert other.finished
    assert len(other) == 13


def test_a_record_replaced_while_it_is_read_is_read_whole(tmp_path: Path, monkeypatch) -> None:
    folder = StoreFolder.create(tmp_path, HEAD)
    real, times = Place.size, iter(range(1))

    def size(self: Place, name: str) -> int | None:
        found = real(self, name)
        for _ in times:  # once, after the old size was seen
            folder.begin(13, "mark" * 50)
        return found

    monkeypatch.setattr(Place, "size", size)
    assert StoreFolder.open(tmp_path).segments == folder.segments


def test_a_file_system_that_does_not_answer_is_no_empty_store(tmp_path: Path, monkeypatch) -> None:
    folder = StoreFolder.create(tmp_path, HEAD)
    for shard in folder.missing(folder.begin(13, "mark")):
        write(folder, shard)
    real = Place.read

    def read(self: Place, name: str, limit: int) -> bytes:
        if name == "sketch/shard-000001.json":
            raise StoreError("the network is down")
        return real(self, name, limit)

    monkeypatch.setattr(Place, "read", read)
    with pytest.raises(StoreError, match="the network is down"):
        StoreFolder.open(tmp_path)


def test_two_may_write_the_same_shards_at_once(tmp_path: Path) -> None:
    """Each takes away what it holds for left over of the other; both come to the same end."""
    folder = StoreFolder.create(tmp_path / "a", HEAD)
    shards = folder.missing(folder.begin(43, "mark"))

    def all_of_them(_: int) -> None:
        own = StoreFolder.open(tmp_path / "a")
        for shard in shards:
            write(own, shard)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(all_of_them, range(3)))
    folder.finish()
    fill(StoreFolder.create(tmp_path / "b", HEAD), 43)
    assert files(tmp_path / "a") == files(tmp_path / "b")
