"""A process that writes a store in any order and may be ended at any of its steps."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import kinsight.store.place as place
from kinsight.store.folder import StoreFolder
from store.small import HEAD, write


def everything(path: str, order: int = 0) -> None:
    """Two segments, a group of columns after each, shards in an order of its own."""
    folder = StoreFolder.create(path, HEAD)
    for rows, mark in ((12, "first"), (8, "second")):
        if len(folder.segments) == 2 and mark == "first":
            continue  # the store has grown already
        segment = folder.begin(rows, mark)
        shards = folder.missing(segment)
        random.Random(order).shuffle(shards)
        for shard in shards:
            write(folder, shard)
        folder.finish()
        folder.begin_columns("more", {"of": "all"})
        shards = folder.missing_columns("more")
        random.Random(order).shuffle(shards)
        for shard in shards:
            table = folder.samples(shard, ["norm"]).rename_columns(["twice"])
            folder.write_columns("more", shard, table)
        folder.finish_columns("more")


def until(path: str, order: int, step: int) -> None:
    """End without a word at one step: half a file written, all of it, before or after a rename."""
    left = iter(range(step))
    real_fill, real_replace, real_fsync = place._fill, os.replace, os.fsync

    def count() -> None:
        if next(left, None) is None:
            os._exit(9)

    def fill(aside: Path, content) -> None:
        aside.write_bytes(memoryview(content)[: len(memoryview(content)) // 2])
        count()
        real_fill(aside, content)

    def replace(source, target) -> None:
        count()
        real_replace(source, target)
        count()

    def fsync(handle: int) -> None:
        real_fsync(handle)
        count()

    place._fill, os.replace, os.fsync = fill, replace, fsync
    everything(path, order)


class Writers:
    """Starts processes in milliseconds: one that has imported everything forks them, one at a time.

    ``start`` gives the process number, ``end`` waits for it and gives its exit code.
    """

    def __init__(self) -> None:
        tests = str(Path(__file__).parents[1])
        self._parent = subprocess.Popen(
            [sys.executable, "-c", "from store.writer import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
            text=True,
        )

    def start(self, name: str, *arguments: Any) -> int:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._parent.stdin.flush()
        return self._answer()

    def end(self) -> int:
        return self._answer()

    def close(self) -> None:
        self._parent.kill()
        self._parent.wait()

    def _answer(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())


def serve() -> None:
    """The parent's loop."""
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                {"everything": everything, "until": until}[name](*arguments)
                os._exit(0)
            finally:
                os._exit(1)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
