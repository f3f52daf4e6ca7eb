"""The benchmark against other packages: its race, its accounts, its page, on a few samples."""

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def found():
    """The folder of benchmarks among those where modules are sought."""
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path[:] = before


@pytest.fixture
def rules(tmp_path):
    from peers.race import Rules

    return Rules(environments=tmp_path, threads=1, rounds=2, patience=200.0)


def test_two_packages_take_turns_and_agree_with_float64(rules):
    from peers.jobs import JOBS
    from peers.race import race
    from peers.truth import errors

    job = JOBS["cross"].shrunk(100)
    entries, unit, made = race(job, ("kinsight", "torch_func", "captum"), rules)
    ours, torch_func, captum = entries
    for entry in (ours, torch_func):
        assert entry.refused == ""
        assert entry.result.shape == (12, 12)
        assert errors(job, made, entry.result)["largest_error"] < 1e-5
        assert entry.seconds == min(v for v in entry.tried.values() if isinstance(v, float))
    assert unit > 0
    assert captum.seconds is None
    assert "not installed" in captum.refused


def test_an_answer_that_is_wrong_is_seen(rules):
    from peers.jobs import JOBS, materials
    from peers.truth import errors

    job = JOBS["cross"].shrunk(100)
    network, inputs = materials(job, None)
    wrong = torch.zeros(12, 12).numpy()
    assert errors(job, {"network": network, **inputs}, wrong)["largest_error"] > 0.1


def test_what_takes_too_long_is_ended(rules, tmp_path):
    from peers.jobs import JOBS
    from peers.race import Entry, Rules, _started, _written

    job = JOBS["matrix"].shrunk(100)
    _written(job, tmp_path, rules)
    entry = Entry("torch_func")
    worker = _started(entry, tmp_path, rules)
    assert worker is not None
    answer = worker.ask({"do": "run", "way": "tiles of 50"}, 0.0)
    assert answer == {"error": "over 0 s on the clock"}
    assert worker.ask({"do": "pass"}, 5.0) == {"error": "the process has ended"}
    assert Rules(tmp_path).memory > 0


def test_an_exception_of_a_package_is_its_answer(rules, tmp_path):
    from peers.jobs import JOBS
    from peers.race import Entry, _started, _written

    _written(JOBS["matrix"].shrunk(100), tmp_path, rules)
    worker = _started(Entry("torch_func"), tmp_path, rules)
    assert worker is not None
    answer = worker.ask({"do": "run", "way": "by magic"}, 60.0)
    worker.end()
    assert answer["error"].startswith("KeyError")


def test_memory_is_the_peak_and_not_what_is_left():
    from peers import memory

    base = memory.begin()
    held = torch.ones(64 << 18)  # 64 MiB
    del held
    assert 60 << 20 < memory.peak() - base < 128 << 20


def test_operations_of_an_mlp_are_those_counted_by_hand():
    from peers.bounds import operations
    from peers.jobs import JOBS, materials

    job = JOBS["trace"].shrunk(100)
    network, inputs = materials(job, None)
    weights = 784 * 512 + 512 * 256 + 256 * 10
    factors = 784 + 512 + 256 + 10 * (512 + 256 + 10)
    expected = 12 * 2 * weights * 11 + 2 * (12**2 / 2) * factors
    assert operations(job, {"network": network, **inputs}) == pytest.approx(expected)


def test_every_package_that_a_job_names_has_a_method_and_requirements():
    from peers.environments import OURS, packages
    from peers.jobs import JOBS

    for job in JOBS.values():
        for package in job.packages:
            assert (BENCHMARKS / "peers" / "methods" / f"{package}.py").exists()
            assert package in OURS or package in packages()


def test_the_page_says_who_was_refused_and_why():
    from peers import page

    row = {"package": "kinsight", "seconds": 1.0, "passes": 2.0, "memory": 1 << 20, "way": "a",
           "refused": "", "median_error": 1e-8, "largest_error": 2e-8}  # fmt: skip
    slow = {"package": "captum", "seconds": None, "refused": "over 120 s", "way": ""}
    job = {"title": "T", "goal": "g", "pass_seconds": 0.5, "rows": [slow, row], "shrink": 1,
           "load": 3.0, "threads": 1, "clock": "wall", "rounds": 3, "ways": 100,
           "gflops": 90.0, "bound": 2.0}  # fmt: skip
    text = page.section(job)
    assert "| **kinsight** | 1 | 2.0 | 1 MiB | 1e-08 | 2e-08 | a |" in text
    assert text.index("kinsight") < text.index("captum")
    assert "over 120 s" in text
    assert "1 thread, time on the clock, 3 rounds, load 3.0." in text
    assert "over 120 s" in page.table(job)
