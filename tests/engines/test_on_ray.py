"""The workers of one machine: results, lost workers, errors, threads, and what listens where."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch

from engines import cases
from engines.cases import adding, by_value, drawing, finished, killing, started, traced
from engines.processes import listening, parents, tree, wait_until
from kinsight.engines.engine import ordered
from kinsight.engines.failures import WorkerError, WorkerLostError
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray
from kinsight.engines.session import session
from kinsight.errors import ArgumentError, StoreError

ray = pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")


@pytest.fixture(scope="module")
def here() -> Iterator[None]:
    """One cluster of this machine for the whole module, started as `Ray()` starts it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with session(ray, None, logs=False) as alone:
            assert alone
            by_value(cases)
            yield


def test_results_are_those_of_this_process_and_can_be_written_to(here: None, capsys) -> None:
    """Equal items come back as often as they were given, the bar ends at 100 %, and sums in the
    order of the items have the same bits; results are no views of memory that is shared."""
    items = [*range(30), 3, 3]
    engine = Ray(address="auto", workers=1)
    found = list(engine.run(drawing, items, what="d", progress=True, weights=lambda item: item))
    text = capsys.readouterr().err
    expected = list(Local(1).run(drawing, items))
    total = numpy.zeros(1000, numpy.float32)
    for (item, result), (same, wanted) in zip(ordered(found, items), expected, strict=True):
        assert item == same
        assert numpy.array_equal(result, wanted)
        result += total
        total = result
    assert f"{sum(items)}/{sum(items)}" in text.split("\r")[-1]
    assert "100%" in text.split("\r")[-1]
    assert "1 worker" in text


def test_items_are_computed_once_by_as_many_workers_and_threads_as_asked(
    here: None, tmp_path: Path
) -> None:
    items, engine = range(12), Ray(workers=2, cpus=1, threads=3)
    results = dict(engine.run(traced(tmp_path, seconds=0.05), items))
    processes = {result["process"] for result in results.values()}
    assert set(results) == finished(tmp_path) == set(items)
    assert len(list(tmp_path.glob("start-*"))) == 2
    assert len(list(tmp_path.glob("done-*"))) == len(items)  # one file each time it was computed
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    assert {(result["threads"], result["omp"]) for result in results.values()} == {(3, "3")}
    assert engine.thread_count == 3


def test_an_item_whose_worker_is_killed_is_done_by_another(here: None, tmp_path: Path) -> None:
    items = range(6)
    found = list(Ray(workers=1, retries=1).run(killing(tmp_path, victim=3, times=1), items))
    assert sorted(found) == [(item, item * item) for item in items]
    assert len(list(tmp_path.glob("killed-*"))) == 1


def test_an_item_that_always_kills_its_worker_ends_the_job(here: None, tmp_path: Path) -> None:
    engine = Ray(workers=1, retries=0)
    with pytest.raises(WorkerLostError, match=r"item 3: .* lost 1; .*died") as caught:
        list(engine.run(killing(tmp_path, victim=3, times=99), range(6)))
    assert len(list(tmp_path.glob("killed-*"))) == 1
    assert len(str(caught.value)) < 1200
    assert "\x1b" not in str(caught.value)


def test_workers_that_never_start_end_the_job(here: None) -> None:
    def make():
        os._exit(1)

    with pytest.raises(WorkerLostError, match="could take an item"):
        list(Ray(workers=1, retries=0).run(make, [0]))


def test_errors_of_kinsight_are_themselves(here: None, tmp_path: Path) -> None:
    """And end the job at once: nothing is tried again."""

    def make():
        from kinsight.errors import StoreError

        def work(item):
            with open(tmp_path / "tries", "a") as file:
                file.write("x")
            raise StoreError("shard 1: expected y, got z")

        return work

    with pytest.raises(StoreError, match="shard 1") as caught:
        list(Ray(workers=1).run(make, [0]))
    assert type(caught.value) is StoreError
    assert str(caught.value) == "shard 1: expected y, got z"
    assert "in work" in caught.value.__notes__[0]
    assert (tmp_path / "tries").read_text() == "x"


def test_other_errors_come_with_the_traceback_of_the_worker(here: None) -> None:
    def make():
        def divide(item):
            return 1 / item

        return divide

    with pytest.raises(WorkerError, match=r"item 0: .*ZeroDivisionError") as caught:
        list(Ray(workers=1).run(make, [0]))
    assert re.search(r"in divide\n\s+return 1 / item", str(caught.value))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not isinstance(caught.value, WorkerLostError)


def test_an_error_while_a_worker_is_made_ends_the_job(here: None) -> None:
    def make():
        import a_module_that_nobody_has  # pyright: ignore[reportMissingImports]

        return a_module_that_nobody_has

    with pytest.raises(WorkerError, match=r"start: .*a_module_that_nobody_has"):
        list(Ray(workers=1).run(make, [0]))


def test_what_cannot_be_sent_is_refused_before_anything_starts() -> None:
    import threading

    lock = threading.Lock()
    with pytest.raises(ArgumentError, match=r"make: .*pickle"):
        Ray().run(lambda: lambda item: lock, [0])


def test_a_worker_is_one_item_ahead_and_gone_when_nobody_listens(
    here: None, tmp_path: Path
) -> None:
    results = Ray(workers=1).run(traced(tmp_path), range(1000))
    next(results)
    assert wait_until(lambda: len(finished(tmp_path)) == 2, seconds=30)
    time.sleep(0.3)
    assert len(finished(tmp_path)) == 2  # and waits until the next one is asked for
    (process,) = started(tmp_path)
    assert process in parents()
    results.close()
    assert wait_until(lambda: process not in parents(), seconds=30)


def test_without_items_nothing_is_started() -> None:
    assert list(Ray(address="ray://nobody:1").run(adding, [])) == []


def test_another_address_than_the_connected_one_is_refused(here: None) -> None:
    with pytest.raises(ArgumentError, match="connected already"):
        list(Ray(address="192.0.2.99:6379").run(adding, [1]))


def test_the_cluster_listens_on_this_machine_only(here: None) -> None:
    """Every socket of every process of it, this one's too; and nothing serves a dashboard."""
    sockets = listening({os.getpid(), *tree(os.getpid())})
    assert len(sockets) >= 3  # the test sees Ray's
    assert {address for address, _ in sockets} == {"127.0.0.1"}
    assert 8265 not in {port for _, port in sockets}
    assert ray._private.worker.global_worker.node.webui_url in (None, "")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_each_worker_sees_one_gpu(here: None) -> None:
    def make():
        import torch

        return lambda item: torch.cuda.device_count()

    assert list(Ray(gpus=1).run(make, [0, 1])) == [(0, 1), (1, 1)]
