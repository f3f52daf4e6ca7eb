"""Work in this process: the interface, the order, the threads, the names of engines."""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engines.cases import adding, traced
from kinsight.engines.choice import engine_of
from kinsight.engines.engine import ordered
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray
from kinsight.engines.pool import Shape
from kinsight.errors import ArgumentError, MissingExtraError, StoreError


@given(st.lists(st.integers(0, 50)))
def test_every_item_comes_back_once_in_order_with_its_result(items: list[int]) -> None:
    assert list(Local().run(adding, items)) == [(i, i * (i + 1) // 2) for i in items]


@given(st.data(), st.lists(st.integers(0, 5)))
def test_ordered_gives_the_order_of_the_items_whatever_came_first(data, items: list[int]) -> None:
    """Items that are equal keep their results, in the order in which these came."""
    came = data.draw(st.permutations(list(enumerate(items))))
    results = list(ordered(((item, number) for number, item in came), items))
    assert [item for item, _ in results] == items
    assert sorted(number for _, number in results) == list(range(len(items)))
    assert all(items[number] == item for item, number in results)


def test_ordered_holds_only_what_came_early() -> None:
    """The first result is handed on before the second was asked for."""
    seen = []

    def stream():
        for item in range(3):
            seen.append(item)
            yield item, item

    results = ordered(stream(), range(3))
    assert next(results) == (0, 0)
    assert seen == [0]


def test_ordered_stops_the_work_when_nobody_listens() -> None:
    ended = []

    def stream():
        try:
            yield 1, 1
            yield 0, 0
        finally:
            ended.append(True)

    results = ordered(stream(), [1, 0])
    next(results)
    results.close()
    assert ended == [True]


def test_ordered_says_which_result_is_missing() -> None:
    with pytest.raises(ArgumentError, match="none for 2"):
        list(ordered([(1, "a")], [1, 2]))


def test_the_worker_is_made_once_and_has_its_threads(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    engine = Local(threads=before + 1)
    results = []
    for _, result in engine.run(traced(tmp_path), range(3)):
        assert torch.get_num_threads() == before  # outside the worker nothing has changed
        results.append(result)
    assert (
        [result["threads"] for result in results] == [before + 1] * 3 == [engine.thread_count] * 3
    )
    assert len(list(tmp_path.glob("start-*"))) == 1


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()

    def make():
        def work(item):
            raise StoreError("x: expected y, got z")

        return work

    with pytest.raises(StoreError, match="expected y"):
        list(Local(threads=before + 1).run(make, [0]))
    assert torch.get_num_threads() == before


def test_without_items_nothing_is_made() -> None:
    def make():
        raise AssertionError

    assert list(Local().run(make, [])) == []


def test_the_bar_moves_by_weight_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    list(Local().run(adding, [1, 2, 3], what="adding", progress=True, weights=lambda item: item))
    last = capsys.readouterr().err.split("\r")[-1]
    assert "adding" in last
    assert "100%" in last
    assert "6/6" in last


@pytest.mark.parametrize(
    ("given", "engine"),
    [
        ("local", Local()),
        ("ray", Ray()),
        ("ray://head:10001", Ray(address="ray://head:10001")),
        (Local(3), Local(3)),
        (Ray(gpus=1), Ray(gpus=1)),
    ],
)
def test_engines_have_names(given, engine) -> None:
    assert engine_of(given) == engine


@pytest.mark.parametrize("given", ["", "auto", "Ray", "rays", "spark", None, 3, Local])
def test_other_names_are_refused(given) -> None:
    with pytest.raises(ArgumentError, match="expected 'local', 'ray'"):
        engine_of(given)


@pytest.mark.parametrize(
    "arguments",
    [
        {"cpus": 0},
        {"gpus": -1},
        {"workers": 0},
        {"threads": 1.5},
        {"retries": -1},
        {"cpus": float("nan")},
        {"cpus": 1.5},
        {"gpus": "all"},
    ],
)
def test_resources_are_checked_when_they_are_named(arguments: dict) -> None:
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        Ray(**arguments)


@pytest.mark.parametrize(
    ("engine", "count"),
    [
        (Ray(), 1),
        (Ray(threads=3), 3),
        (Ray(cpus=4), 4),
        (Ray(cpus=0.5), 1),
        (Ray(1, 2, 1, 1, 5), 5),
    ],
)
def test_the_number_of_threads_follows_from_the_arguments_alone(engine: Ray, count: int) -> None:
    assert engine.thread_count == count


@pytest.mark.parametrize(
    ("cpus", "gpus", "places"),
    [
        (1, 0, 10),
        (4, 0, 2),
        (1, 1, 2),
        (1, 0.5, 4),
        (8, 1, 1),
        (9, 0, 0),
        (1, 3, 0),
        (0.1, 0.1, 20),
    ],
)
def test_workers_fit_on_nodes_one_by_one(cpus: float, gpus: float, places: int) -> None:
    """8 cores with 2 GPUs, 2 cores without, and a node that is gone."""
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0, "memory": 1e9}},
        {"Alive": True, "Resources": {"CPU": 2.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    shape = Shape(cpus, gpus, 1, None, 0)
    assert shape.places(nodes) == places
    with nullcontext() if places else pytest.raises(ArgumentError, match=f"takes {cpus} CPU"):
        shape.check_fits(nodes)


def test_without_ray_the_error_names_the_line_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kinsight\[ray\]'"):
        Ray().run(adding, [1])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:x"])
def test_an_address_where_nobody_answers_is_an_error(address: str) -> None:
    pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")
    with pytest.raises(ArgumentError, match=f"answers at '{address}'"):
        list(Ray(address=address).run(adding, [1]))


def test_the_environment_names_a_cluster_as_it_does_for_ray(monkeypatch) -> None:
    pytest.importorskip("ray", reason="the extra kinsight[ray] is not installed")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:2")
    with pytest.raises(ArgumentError, match=r"answers at '127\.0\.0\.1:2'"):
        list(Ray().run(adding, [1]))
