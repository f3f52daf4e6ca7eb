"""The same bytes from a Ray cluster, with workers killed and a node lost on the way."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import kinsight as ks
from kinsight.engines import Local, Ray
from kinsight.sketching.worker import ShardWorker
from sketching.cases import content, images, kernel

ray = pytest.importorskip("ray", reason="optional: pip install 'kinsight[ray]'")

PLAN = {"dim": 64, "shard_rows": 24, "micro_batch": 8, "progress": False}
COUNT = 240


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local") / "run"
    ks.sketch(kernel(), images(COUNT), out, engine=Local(threads=1), **PLAN)
    ks.survey(ks.Store(out), engine=Local(threads=1))
    return content(out)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import the networks of these tests."""
    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))


class Fatal:
    """Loads kernel and data; the first worker that has done three shards is killed."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __call__(self):
        plain, marker, done = ShardWorker.__call__, self.marker, [0]

        def work(self, shard):
            found = plain(self, shard)
            done[0] += 1
            if done[0] == 3 and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)  # after writing, before saying so
            return found

        ShardWorker.__call__ = work
        return kernel(), images(COUNT)


def test_workers_that_are_killed_are_replaced_and_the_bytes_are_the_same(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    engine, out = Ray(threads=1, workers=2), tmp_path / "run"
    marker = tmp_path / "killed"
    store = ks.sketch(kernel(), images(COUNT), out, engine=engine, load=Fatal(marker), **PLAN)
    assert marker.exists()
    ks.survey(store, engine=engine)
    assert content(out) == undisturbed


def test_a_cluster_that_loses_a_node(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """Two nodes; the second goes while shards are being made."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        out = tmp_path / "run"

        def lose_a_node() -> None:
            while len(list((out / "sketch").glob("*.json"))) < 3:
                time.sleep(0.01)
            cluster.remove_node(second)

        watcher = threading.Thread(target=lose_a_node, daemon=True)
        watcher.start()
        engine = Ray(address=cluster.address, threads=1)
        ks.survey(
            ks.sketch(kernel(), images(COUNT), out, engine=engine, **PLAN),
            engine=Local(threads=1),
        )
        watcher.join(20)
        assert not watcher.is_alive()
        assert content(out) == undisturbed
    finally:
        ray.shutdown()
        cluster.shutdown()
