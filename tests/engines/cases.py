"""Made-up work for the engines: cheap, with the same bits everywhere, and some that goes wrong.

They travel by value (`by_value`): the processes of a cluster do not have the tests.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def by_value(module: Any) -> None:
    """Let what is defined in a module of the tests travel with its code."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(module)


def adding() -> Callable[[int], int]:
    """A worker that adds up the numbers up to an item: item (item + 1) / 2."""

    def work(item: int) -> int:
        return sum(range(item + 1))

    return work


def drawing() -> Callable[[int], Any]:
    """A worker whose results are of very different sizes: the order of their sum shows."""
    import torch

    def work(item: int) -> Any:
        generator = torch.Generator().manual_seed(item)
        return (torch.randn(1000, generator=generator) * 10.0 ** (item % 7)).numpy()

    return work


def traced(
    folder: Path, seconds: float = 0.0, together: int = 1
) -> Callable[[], Callable[[int], dict[str, Any]]]:
    """Workers that say where they live, and leave files: start-PROCESS, done-ITEM-PROCESS.

    From the fourth item on they wait until ``together`` workers were made.
    """

    def make() -> Callable[[int], dict[str, Any]]:
        import ray
        import torch

        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else None
        (folder / f"start-{os.getpid()}").touch()

        def work(item: int) -> dict[str, Any]:
            time.sleep(seconds)
            while item > 2 and len(started(folder)) < together:
                time.sleep(0.05)
            aside = folder / f".{item}.{os.getpid()}"
            aside.touch()
            os.replace(aside, folder / f"done-{item}-{os.getpid()}")
            return {
                "process": os.getpid(),
                "threads": torch.get_num_threads(),
                "node": node,
                "omp": os.environ.get("OMP_NUM_THREADS"),
            }

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
    """The items that were computed, as the files say."""
    return {int(path.name.split("-")[1]) for path in folder.glob("done-*")}


def started(folder: Path) -> set[int]:
    """The processes in which a worker was made, as the files say."""
    return {int(path.name.split("-")[1]) for path in folder.glob("start-*")}
