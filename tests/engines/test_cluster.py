"""Clusters that change while a job runs, and drivers that connect from elsewhere or are stopped."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from warnings import catch_warnings

import pytest

from engines import cases
from engines.cases import by_value, finished, started, traced
from engines.processes import parents, tree, wait_until
from kinsight.engines import pool
from kinsight.engines.on_ray import Ray
from kinsight.errors import KinsightWarning

ray = pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

ITEMS = range(14)


DRIVER = """
    import os, sys, time
    from pathlib import Path
    from kinsight.engines.on_ray import Ray

    folder = Path(sys.argv[1])
    def make():
        (folder / f"start-{os.getpid()}").touch()
        return lambda item: time.sleep(0.2 if item == 0 else 1000)

    for item, _ in Ray(workers=1).run(make, range(4), progress=True):
        (folder / f"done-{item}-0").touch()
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
    try:
        assert wait_until(lambda: finished(tmp_path) == {0}, seconds=120)
        family = tree(driver.pid)
        assert len(family) > 3
        assert started(tmp_path) <= family
        os.killpg(driver.pid, signal.SIGINT)
        _, said = driver.communicate(timeout=30)
    finally:
        driver.kill()
    assert "KeyboardInterrupt" in said
    assert wait_until(lambda: not family & set(parents()), seconds=30)


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


def test_a_job_without_room_says_what_it_waits_for(cluster, monkeypatch) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 0.1)
    monkeypatch.setattr(pool, "_LOOK", 0.2)
    with (
        pytest.raises(KinsightWarning, match="a node with 1 CPU and 1 GPU free"),
        catch_warnings(action="error"),
    ):
        list(Ray(gpus=1).run(list, [0]))


def test_work_goes_on_through_nodes_that_come_and_go(cluster, tmp_path: Path) -> None:
    """One node, then another in the middle, which gets work; then the first is lost at work."""
    first, second = cluster.add_node(num_cpus=1), None
    results = {}
    for item, result in Ray().run(traced(tmp_path, 0.3, together=2), ITEMS):
        assert item not in results
        results[item] = result
        nodes = {result["node"] for result in results.values()}
        if len(results) == 2:
            second = cluster.add_node(num_cpus=1)
        if first is not None and len(nodes) == 2:
            cluster.remove_node(first, allow_graceful=False)
            first = None
    assert second is not None
    assert first is None  # lost, after the second had work
    assert set(results) == finished(tmp_path) == set(ITEMS)
    assert list(results.values())[-1]["node"] == second.node_id
