"""A result is only returned for what it was computed from: code, values and data, not batches."""

import functools
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from kinsight.errors import RunFolderError
from kinsight.network import outputs
from kinsight.provenance.data import DataDigest
from kinsight.provenance.digest import Digest, described
from kinsight.run import RunFolder, Settings, analyze
from kinsight.run.identity import Answers, differing
from run.subjects import COUNT, inputs, subject


class Bent(nn.Module):
    """A network whose code changes while its name and weights stay."""

    bend = staticmethod(torch.tanh)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 40), nn.Linear(40, 3)

    def forward(self, x):
        return self.last(self.bend(self.first(x)))


def pick(z, _, i=0):
    return z[:, i]


def picking(i: int):
    return lambda z, _: z[:, i]


def test_a_change_of_the_networks_code_is_another_run(tmp_path: Path, monkeypatch) -> None:
    analyze(subject(model=Bent().eval()), tmp_path)
    monkeypatch.setattr(Bent, "bend", staticmethod(torch.relu))
    with pytest.raises(RunFolderError, match="its code must have changed"):
        analyze(subject(model=Bent().eval()), tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (functools.partial(pick, i=0), functools.partial(pick, i=2)),
        (picking(0), picking(2)),
    ],
    ids=["partial", "closure"],
)
def test_a_change_of_what_the_output_picks_is_another_run(tmp_path: Path, before, after) -> None:
    analyze(subject(output=before), tmp_path)
    with pytest.raises(RunFolderError, match="another output"):
        analyze(subject(output=after), tmp_path)


@pytest.mark.parametrize("batch_size", [7, 16, COUNT])
def test_other_batches_are_the_same_run(tmp_path: Path, batch_size: int) -> None:
    loader = DataLoader(TensorDataset(inputs(), torch.arange(COUNT) % 3), batch_size=5)
    given = subject()
    given = replace(given, data=loader)
    analyze(given, tmp_path)
    before = (tmp_path / "samples.parquet").stat().st_mtime_ns
    analyze(given, tmp_path, Settings(batch_size=batch_size))
    assert (tmp_path / "samples.parquet").stat().st_mtime_ns == before


def test_another_number_of_threads_is_the_same_run(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        analyze(subject(), tmp_path)
        torch.set_num_threads(2)
        assert analyze(subject(), tmp_path).finished
    finally:
        torch.set_num_threads(before)


def test_the_answers_of_an_older_record_are_compared_as_untrusted() -> None:
    now = {"answers": [1.0, 2.0], "dtype": "float32"}
    assert differing({"answers": [1.0, 2.00001], "dtype": "float32"}, now) == []
    for known in (None, "x", [1.0], [1.0, "x"], {}, [1.0, 2.1], [1.0, None]):
        assert differing({"answers": known, "dtype": "float32"}, now) == ["answers"]


def test_answers_notice_one_sample_in_many_and_an_exchange_of_outputs() -> None:
    rows = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    assert _differ(rows, rows + 1e-6 * rows.abs()) == []
    one = rows.clone()
    one[2500] += 1
    assert _differ(rows, one) == ["answers"]
    assert _differ(rows, rows[:, [1, 0, 2]]) == ["answers"]
    assert _differ(rows, rows.flip(0)) == ["answers"]
    assert _differ(rows, 1.001 * rows) == ["answers"]
    assert _differ(rows.fill_(torch.nan), rows) == []


def _differ(a: torch.Tensor, b: torch.Tensor) -> list[str]:
    found = []
    for rows, size in ((a, 100), (b, 999)):
        answers = Answers()
        for start in range(0, len(rows), size):
            answers.add(start, rows[start : start + size])
        found.append({"answers": answers.numbers(), "dtype": "float32"})
    return differing(*found)


@dataclass(frozen=True)
class Scaled:
    by: torch.Tensor

    def __call__(self, z, _):
        return z * self.by


class Plain:
    def __init__(self, value):
        self.value = value

    def __call__(self, z, _):
        return z[:, self.value]


LONG = np.arange(5000.0)
CHANGED = LONG.copy()
CHANGED[2500] = -1  # in the middle, which str() leaves out


def nested(constant: int):
    def outer(z, _):
        inner = {1: lambda v: v + 1, 2: lambda v: v + 2}[constant]
        return inner(z)

    return outer


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (functools.partial(pick, i=0), functools.partial(pick, i=1)),
        (functools.partial(pick, None), functools.partial(pick, 1)),
        (picking(0), picking(1)),
        (picking(0), picking(True)),
        (nested(1), nested(2)),
        (lambda z, _, i=0: z, lambda z, _, i=1: z),
        (lambda z, _, *, i=0: z, lambda z, _, *, i=1: z),
        (lambda z, _: [v + 1 for v in z], lambda z, _: [v + 2 for v in z]),
        (lambda z, _: z in {1, 2}, lambda z, _: z in {1, 3}),
        (Scaled(torch.from_numpy(LONG)), Scaled(torch.from_numpy(CHANGED))),
        (Plain(0), Plain(1)),
        (Plain(0).__call__, Plain(1).__call__),
        (nn.Linear(2, 2), nn.Linear(2, 2)),
        (outputs.Probes(3), outputs.Probes(4)),
    ],
)
def test_callables_that_do_something_else_are_described_otherwise(a, b) -> None:
    assert described(a) == described(a)
    assert described(a) != described(b)


def test_ours_are_described_in_full() -> None:
    assert described(outputs.OwnClass()) == "OwnClass(label='predicted')"
    assert described(None) == "the network's own output"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (LONG, CHANGED),
        (torch.from_numpy(LONG), torch.from_numpy(CHANGED)),
        (LONG.tolist(), CHANGED.tolist()),
        (LONG, LONG.astype(np.float32)),
        ([1], [True]),
        (["ab", "c"], ["a", "bc"]),
        ([["a"], "b"], [["a", "b"]]),
        (np.array(["a", None], object), np.array(["a", "b"], object)),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    ],
)
def test_digests_tell_values_apart(a, b) -> None:
    assert Digest(a).hex() == Digest(a).hex()
    assert Digest(a).hex() != Digest(b).hex()


def test_digests_end_where_a_value_holds_itself() -> None:
    circle: list = [1]
    circle.append(circle)
    assert Digest(circle).hex() != Digest([1]).hex()
    assert Digest(torch.tensor([1j]).conj()).hex() == Digest(torch.tensor([complex(0, -1)])).hex()


def test_a_set_is_described_the_same_in_every_process() -> None:
    code = (
        "from kinsight.provenance.digest import described\n"
        "names = frozenset('kettle pot pan lid'.split())\n"
        "print(described(lambda z, _: z if z in {'kettle', 'pot', 'pan', 'lid'} else names))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["tensor", "tuple", "mapping"])
def test_the_digest_of_data_does_not_know_of_batches(kind: str) -> None:
    x, y = torch.randn(10, 3), torch.arange(10)
    texts = [f"text {i}" for i in range(10)]

    def batch(rows: slice):
        if kind == "tensor":
            return x[rows]
        if kind == "tuple":
            return [x[rows], texts[rows], tuple(texts[rows]), y[rows]]
        return {"x": x[rows], "deep": {"y": y[rows], "texts": texts[rows]}}

    def digest(size: int) -> str:
        found = DataDigest()
        for start in range(0, 10, size):
            found.add(batch(slice(start, min(start + size, 10))))
        return found.hex()

    before = digest(1)
    assert {digest(3), digest(10)} == {before}
    x[5, 1] += 1
    assert digest(3) != before


def test_an_unfinished_run_keeps_what_it_was_asked(tmp_path: Path) -> None:
    analyze(subject(), tmp_path, Settings(target="mine:trained"))
    assert RunFolder(tmp_path).record["identity"]["answers"][0] > 0
