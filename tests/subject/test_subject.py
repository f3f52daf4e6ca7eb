"""What a user's function may return, and what is said of the rest."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinsight.errors import ImportTargetError, SubjectError
from kinsight.run import Subject
from kinsight.subject.subject import as_subject, check_lengths
from kinsight.subject.target import load_target
from run.subjects import COUNT, inputs, network, subject


def test_a_subject_a_dict_and_a_tuple_mean_the_same() -> None:
    model, x, y = network(), inputs(), [0] * COUNT
    for given in (Subject(model, x, y), {"model": model, "data": x, "labels": y}, (model, x, y)):
        found = as_subject(given)
        assert (found.model, found.data, found.labels) == (model, x, y)
    assert as_subject((model, x)).labels is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "got NoneType"),
        ((1, 2, 3, 4), "got tuple"),
        ({"model": None}, "'data' is missing"),
        ({"model": None, "data": None, "label": 1}, "unknown key 'label'; expected some of"),
    ],
)
def test_anything_else_is_refused(given, said: str) -> None:
    with pytest.raises(SubjectError, match=said):
        as_subject(given)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"labels": [0]}, "labels: expected one for each of the 60 samples, got 1"),
        ({"names": ["a"]}, "names"),
        ({"texts": ["a"]}, "texts"),
        ({"pictures": torch.zeros(2, 4, 4)}, "pictures"),
        ({"columns": {"age": [1]}}, "column 'age'"),
        ({"planted": {60: 1}}, "positions from 0 to 59"),
    ],
)
def test_what_does_not_fit_the_samples_is_refused(more: dict, said: str) -> None:
    with pytest.raises(SubjectError, match=said):
        check_lengths(replace(subject(), **more))


MODULE = """
import torch
from torch.nn import Linear
from collections import OrderedDict
from torch.nn.functional import relu
def needy(width, *, depth, seed=0, **more):
    return torch.nn.Linear(width, depth), torch.zeros(3, width)
def good():
    return torch.nn.Linear(2, 1), torch.zeros(3, 2)
def bad():
    return {}["weights"]
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "minestrone.py").write_text(MODULE)
    (tmp_path / "brokenone.py").write_text("import nothing_of_that_name\n")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["minestrone:good", "minestrone.py:good", "./minestrone.py:good"]
)
def test_a_target_is_found_by_module_and_by_file(module: Path, target: str) -> None:
    assert len(load_target(target).data) == 3


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("minestrone", "expected MODULE:CALLABLE"),
        (":good", "expected MODULE:CALLABLE"),
        ("minestrone:", "expected MODULE:CALLABLE"),
        ("minestroni:good", "no module 'minestroni'"),
        ("no.such.package:good", "no module"),
        ("nowhere.py:good", "no file nowhere.py"),
        ("minestrone:god", "no 'god'; its functions that .* without arguments: good, bad$"),
        ("minestrone:needy", "got one that needs width, depth; give them defaults"),
        ("collections:god", "no function of its own"),
        ("minestrone:number", "function without arguments, got int"),
        ("minestrone:bad", r"raised KeyError: 'weights' .at .*minestrone.py, line 11"),
        ("brokenone:good", "raised ModuleNotFoundError: No module named 'nothing_of_that_name'"),
    ],
)
def test_a_target_that_cannot_be_had_is_explained(module: Path, target: str, said: str) -> None:
    with pytest.raises(ImportTargetError, match=said):
        load_target(target)
