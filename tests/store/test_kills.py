"""Nothing committed is lost and nothing is kept twice, at whatever moment a writer is killed."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from store.small import files
from store.writer import Writers, everything

STEPS = 170  # about as many as there are


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("undisturbed")
    everything(str(path))
    assert len(files(path)) == 1 + 5 * 5
    return files(path)


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    found = Writers()
    yield found
    found.close()


def check_readable(path: Path, undisturbed: dict[str, bytes]) -> int:
    """What a reader sees now is the beginning of the whole, and whole."""
    if not (path / "run.json").exists():
        return 0
    folder = StoreFolder.open(path)
    for shard in folder.shards:
        for name in (shard.sketch, shard.samples):
            assert (path / name).read_bytes() == undisturbed[name]
    assert [damage for damage in verify(path) if not damage.file.endswith(".tmp")] == []
    return len(folder)


@settings(max_examples=3)
@given(
    moments=st.lists(st.floats(0.01, 0.15), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_a_store_killed_at_random_moments_ends_the_same(
    tmp_path_factory, undisturbed, writers, moments: list[float], seed: int
) -> None:
    path, rows = tmp_path_factory.mktemp("killed"), 0
    for number, seconds in enumerate(moments):
        process = writers.start("everything", str(path), seed + number)
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)  # not waited for yet: its number is still its own
        assert writers.end() in (0, -signal.SIGKILL)
        now = check_readable(path, undisturbed)
        assert now >= rows  # nothing committed is lost
        rows = now
    everything(str(path), seed + 99)
    assert files(path) == undisturbed


def test_a_store_ended_at_every_kind_of_step_ends_the_same(
    tmp_path: Path, undisturbed, writers
) -> None:
    choice = random.Random(1)
    steps, ends = [*range(8), *sorted(choice.sample(range(8, STEPS), 6))], 0
    for step in steps:
        path = tmp_path / str(step)
        writers.start("until", str(path), step, step)
        ends += writers.end() == 9
        if path.exists():
            check_readable(path, undisturbed)
        everything(str(path), step + 1)
        assert files(path) == undisturbed, step
    assert ends > 10


def test_a_store_ended_again_and_again_ends_the_same(tmp_path: Path, undisturbed, writers) -> None:
    rows, left_over = 0, 0
    for order in range(60):
        writers.start("until", str(tmp_path), order, 16 + order % 7)
        code = writers.end()
        left_over += any(name.endswith(".tmp") for name in files(tmp_path))
        now = check_readable(tmp_path, undisturbed)
        assert now >= rows
        rows = now
        if code == 0:
            break
    assert code == 0
    assert left_over > 2  # there was something to tidy up
    assert files(tmp_path) == undisturbed


def test_a_reader_is_right_at_every_moment(tmp_path: Path, undisturbed, writers) -> None:
    writers.start("everything", str(tmp_path))
    seen: list[int] = []
    while not seen or seen[-1] < 20:
        try:
            folder = StoreFolder.open(tmp_path)
        except StoreError as error:
            if seen or "found no run.json" not in str(error):
                raise
            continue
        starts = [shard.start for shard in folder.shards]
        assert starts == sorted(set(starts))
        for shard in folder.shards:
            assert (tmp_path / shard.sketch).read_bytes() == undisturbed[shard.sketch]
            numbers = folder.samples(shard, ["sample"])["sample"].to_pylist()
            assert numbers == list(range(shard.start, shard.stop))
        seen.append(len(folder))
    assert writers.end() == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert files(tmp_path) == undisturbed
