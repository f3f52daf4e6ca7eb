"""Made-up work for the engines: cheap, with the same bits everywhere, and some that goes wrong.

Workers are made inside functions, so that they travel by value: other processes do not have the
tests.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sums(item: int) -> Any:
    """What `adding` should give for an item: an independent way to the same number."""
    return item * (item + 1) // 2


def adding() -> Callable[[int], int]:
    """A worker that adds up the numbers up to an item."""

    def work(item: int) -> int:
        return sum(range(item + 1))

    return work


def traced(folder: Path, seconds: float = 0.0) -> Callable[[], Callable[[int], dict[str, Any]]]:
    """Workers that leave a file for each item and say where they live.

    ``starts`` counts the workers made, ``done-ITEM`` the finished items, one line each time.
    """

    def make() -> Callable[[int], dict[str, Any]]:
        import torch

        with open(folder / "starts", "a") as file:
            file.write(f"{os.getpid()}\n")

        def work(item: int) -> dict[str, Any]:
            time.sleep(seconds)
            aside = folder / f".{item}.{os.getpid()}"
            aside.write_text(str(item))
            os.replace(aside, folder / f"done-{item}")
            return {
                "process": os.getpid(),
                "threads": torch.get_num_threads(),
                "omp": os.environ.get("OMP_NUM_THREADS"),
                "node": os.environ.get("RAY_NODE_ID") or _node(),
            }

        def _node() -> str:
            import ray

            return ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""

        return work

    return make


def killing(folder: Path, victim: int, times: int) -> Callable[[], Callable[[int], int]]:
    """Workers that are killed by an item as by the system, the first ``times`` times."""

    def make() -> Callable[[int], int]:
        import signal

        def work(item: int) -> int:
            marks = len(list(folder.glob("killed-*")))
            if item == victim and marks < times:
                (folder / f"killed-{marks}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return item * item

        return work

    return make


def finished(folder: Path) -> set[int]:
    """The items whose files lie in the folder."""
    return {int(path.name.removeprefix("done-")) for path in folder.glob("done-*")}
