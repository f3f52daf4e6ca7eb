"""One altered byte anywhere is found and its file named; what can be restored is, byte for byte."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import Shard
from kinsight.store.repair import repair
from store.small import HEAD, changed, files, fill, made, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The files of a store of two segments with a group of columns over the first."""
    path = tmp_path_factory.mktemp("whole")
    fill(made(path), 7, "more")
    assert verify(path) == []
    return files(path)


def put(path: Path, content: dict[str, bytes]) -> None:
    """Make a folder hold these files and no others."""
    shutil.rmtree(path, ignore_errors=True)
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def named(path: Path) -> set[str]:
    return {damage.file for damage in verify(path)}


def remake_columns(folder: StoreFolder, group: str, shard: Shard) -> None:
    values = [i / 4 for i in range(shard.start, shard.stop)]
    folder.write_columns(group, shard, pa.table({group: values}))


def test_an_altered_byte_is_found_wherever_it_is(tmp_path: Path, whole) -> None:
    choice = random.Random(5)
    assert len(whole) == 1 + 5 * 3 + 3 * 2
    for name, content in whole.items():
        put(tmp_path / "s", whole)
        size = len(content)
        places = {0, size - 1, size - 80, *choice.sample(range(size), 3)}
        for at in sorted(places):
            altered = bytearray(content)
            altered[at] ^= 1 << choice.randrange(8)
            (tmp_path / "s" / name).write_bytes(altered)
            assert named(tmp_path / "s") == {name}, (name, at)
        (tmp_path / "s" / name).write_bytes(content)


@given(st.data())
def test_every_byte_of_run_json_counts(tmp_path_factory, whole, data) -> None:
    path = tmp_path_factory.mktemp("one")
    put(path, whole)
    content = bytearray(whole["run.json"])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    (path / "run.json").write_bytes(content)
    assert named(path) == {"run.json"}
    with pytest.raises(StoreError, match=r"run\.json"):
        StoreFolder.open(path)
    assert repair(path) == []
    assert files(path) == whole


def cut(path: Path, name: str) -> None:
    (path / name).write_bytes((path / name).read_bytes()[:-9])


def grow(path: Path, name: str) -> None:
    (path / name).write_bytes((path / name).read_bytes() + b"\n")


def lose(path: Path, name: str) -> None:
    (path / name).unlink()


def flip(path: Path, name: str) -> None:
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 16
    (path / name).write_bytes(content)


@pytest.mark.parametrize("harm", [cut, grow, lose, flip])
def test_each_file_is_found_and_restored(
    tmp_path: Path, whole, harm: Callable[[Path, str], None]
) -> None:
    for name in whole:
        put(tmp_path, whole)
        harm(tmp_path, name)
        (damage,) = verify(tmp_path)
        assert damage.file == name
        assert damage.shard == (None if name == "run.json" else int(name[-12:].split(".")[0][-6:]))
        if name.startswith("columns/") and name.endswith(".parquet"):
            with pytest.raises(StoreError, match="take remake=, those in columns/"):
                repair(tmp_path, write)
        asked: list[int] = []

        def remake(folder: StoreFolder, shard: Shard, asked: list[int] = asked) -> None:
            asked.append(shard.index)
            write(folder, shard)

        assert repair(tmp_path, remake, remake_columns=remake_columns) == []
        assert files(tmp_path) == whole
        data = name.startswith("s") and not name.endswith(".json")
        assert asked == ([damage.shard] if data else [])  # that shard alone


def test_swapped_files_are_found_and_restored(tmp_path: Path, whole) -> None:
    for name in whole:
        folder, _, file = name.rpartition("/")
        other = f"{folder}/{file.replace('000000', '000001')}"
        if other == name or other not in whole:
            continue
        put(tmp_path, {**whole, name: whole[other], other: whole[name]})
        assert named(tmp_path) == {name, other}
        assert repair(tmp_path, write, remake_columns=remake_columns) == []
        assert files(tmp_path) == whole


def test_several_damages_at_once(tmp_path: Path, whole) -> None:
    put(tmp_path, whole)
    harmed = {"run.json", "sketch/shard-000001.arrow", "samples/shard-000003.parquet",
              "sketch/shard-000004.json", "columns/score/shard-000002.json"}  # fmt: skip
    for name in harmed:
        flip(tmp_path, name)
    assert named(tmp_path) == harmed
    with pytest.raises(StoreError, match=r"\d files are still damaged, the rest is restored"):
        repair(tmp_path)
    put(tmp_path, whole)
    for name in harmed:
        flip(tmp_path, name)
    # Without its sidecar the last segment counts as under way: that shard is made again as well.
    assert repair(tmp_path, write, remake_columns=remake_columns) == []
    assert files(tmp_path) == whole


def test_a_shard_must_come_out_as_it_was(tmp_path: Path, whole) -> None:
    put(tmp_path, whole)
    flip(tmp_path, "samples/shard-000001.parquet")
    with pytest.raises(StoreError, match="came out differently"):
        repair(tmp_path, lambda folder, shard: write(folder, shard, shift=1))
    with pytest.raises(StoreError, match="1 files are still damaged"):
        repair(tmp_path, lambda folder, shard: None)


def test_a_segment_under_way_is_checked_and_repaired(tmp_path: Path, whole) -> None:
    put(tmp_path, whole)
    folder = StoreFolder.create(tmp_path, HEAD)
    segment = folder.begin(14, "third")
    for shard in folder.missing(segment)[:2]:
        write(folder, shard)
    before = files(tmp_path)
    (tmp_path / "sketch" / ".shard-000007.arrow.12.tmp").write_bytes(b"being written")
    assert verify(tmp_path) == []
    for name in ("shard-000006.arrow", "shard-000006.json", "shard-000005.json"):
        flip(tmp_path / "sketch", name)
        assert named(tmp_path) == {f"sketch/{name}"}
        assert repair(tmp_path, write) == []
        (tmp_path / "run.json").unlink()
        assert repair(tmp_path, write) == []
    (tmp_path / "sketch" / ".shard-000007.arrow.12.tmp").unlink()
    assert files(tmp_path) == before


def test_surplus_files_are_named_and_left_alone(tmp_path: Path, whole) -> None:
    put(tmp_path, whole)
    surplus = {"sketch/shard-000005.arrow", "samples/notes.txt", "columns/old/shard-000000.json"}
    for name in surplus:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sketch" / ".shard-000000.arrow.5.tmp").write_bytes(b"x")
    (tmp_path / "report.html").write_bytes(b"not in the folders of the store")
    assert named(tmp_path) == {*surplus, "sketch/.shard-000000.arrow.5.tmp"}
    assert {damage.file for damage in repair(tmp_path)} == surplus
    assert files(tmp_path).keys() == {*whole, *surplus, "report.html"}


def test_a_shard_of_another_store_with_a_right_checksum_is_found(tmp_path: Path, whole) -> None:
    """What the files hold is checked, not their bytes alone."""
    put(tmp_path / "s", whole)
    made(tmp_path / "other", head=changed(HEAD, sketch__seed=8))
    there, here = files(tmp_path / "other"), files(tmp_path / "s")
    for name in ("run.json", *(f"sketch/shard-00000{i}.json" for i in range(3))):
        here[name] = there[name]
    put(tmp_path / "s", here)
    assert "sketch/shard-000000.arrow" in named(tmp_path / "s")


def test_nothing_left_to_go_by(tmp_path: Path, whole) -> None:
    with pytest.raises(StoreError, match="expected a file"):
        verify(tmp_path)
    put(tmp_path, {name: content for name, content in whole.items() if "arrow" not in name})
    flip(tmp_path, "run.json")
    assert named(tmp_path) == {"run.json"}
    with pytest.raises(StoreError, match="write the store again"):
        repair(tmp_path, write)
    put(tmp_path, whole)
    (tmp_path / "run.json").unlink()
    with pytest.raises(StoreError, match=r"run\.json is missing"):
        StoreFolder.create(tmp_path, HEAD)
    flip(tmp_path, "sketch/shard-000000.json")  # of the first segment, which is finished
    assert named(tmp_path) == {"run.json", "sketch/shard-000000.json"}
    with pytest.raises(StoreError, match="write the store again"):
        repair(tmp_path, write)
