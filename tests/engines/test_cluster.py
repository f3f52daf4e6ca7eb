"""Clusters that change while a job runs, and drivers that connect from elsewhere or are stopped."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines import cases
from engines.cases import by_value, finished, started, traced
from engines.processes import parents, tree, wait_until
from kinsight.engines.on_ray import Ray
from kinsight.errors import ArgumentError

ray = pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

ITEMS = range(16)


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head without room for workers; nodes are added by the tests."""
    made = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    by_value(cases)
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def after(true: Callable[[], bool], do: Callable[[], object]) -> threading.Thread:
    """Do something as soon as something is true, while the test goes on."""

    def wait() -> None:
        if wait_until(true, seconds=30):
            do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_work_goes_on_through_nodes_that_come_and_go(cluster, tmp_path: Path) -> None:
    """A job that finds no room, then one node, then another in the middle, then loses the first."""
    first: list = []
    changes = [
        after(lambda: True, lambda: first.append(cluster.add_node(num_cpus=1))),
        after(lambda: len(finished(tmp_path)) >= 2, lambda: cluster.add_node(num_cpus=1)),
        after(lambda: len(started(tmp_path)) >= 2, lambda: cluster.remove_node(first[0], False)),
    ]
    results = list(Ray().run(traced(tmp_path, seconds=0.4), ITEMS))
    for change in changes:
        change.join()
    assert sorted(item for item, _ in results) == list(ITEMS) == sorted(finished(tmp_path))
    nodes = {result["node"] for _, result in results}
    assert len(nodes) == 2  # the first one worked, and so did the one that came in the middle
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2  # the head and the second


DRIVER = """
    import sys, time
    from pathlib import Path
    from kinsight.engines.on_ray import Ray

    def make():
        def work(item):
            import os, time
            (Path(sys.argv[1]) / f"start-{os.getpid()}").touch()
            time.sleep(0.2 if item == 0 else 1000)
        return work

    for item, _ in Ray(workers=2, cpus=0.5, threads=1).run(make, range(4), progress=True):
        Path(sys.argv[1], f"done-{item}-0").touch()
"""


def test_an_interrupt_ends_everything_that_was_started(tmp_path: Path) -> None:
    """As on a terminal: the signal goes to the group of the driver."""
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    driver = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert wait_until(lambda: finished(tmp_path) == {0}, seconds=60)
    family = tree(driver.pid)
    assert len(family) > 3
    assert started(tmp_path) <= family
    os.killpg(driver.pid, signal.SIGINT)
    _, said = driver.communicate(timeout=15)
    assert "KeyboardInterrupt" in said
    assert wait_until(lambda: not family & set(parents()), seconds=10)


def test_a_worker_larger_than_this_machine_is_refused(tmp_path: Path) -> None:
    """Nothing could ever make room for it; what was started is gone again."""
    code = "from kinsight.engines.on_ray import Ray; list(Ray(gpus=99).run(list, [0]))"
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "ArgumentError: a worker takes 1 CPU and 99 GPUs" in done.stderr
    assert done.stderr.count("\n") < 30
    assert done.stdout == ""


def test_an_address_where_nobody_answers_is_an_error(monkeypatch) -> None:
    monkeypatch.setenv("RAY_grpc_connect_timeout", "1")
    with pytest.raises(ArgumentError, match="expected a Ray cluster that answers"):
        list(Ray(address="auto").run(list, [0]))
