"""Labels of every kind people have, read as classes, real numbers or missing."""

import numpy as np
import pytest
import torch

from kinsight.errors import SubjectError
from kinsight.subject.labels import read_labels


@pytest.mark.parametrize(
    ("given", "classes", "index", "names"),
    [
        ([0, 2, 1], None, [0, 2, 1], ("0", "1", "2")),
        (torch.tensor([0, 1, -100]), None, [0, 1, -1], ("0", "1")),
        (np.array([True, False]), None, [1, 0], ("0", "1")),
        ([1, None, 0], ["a", "b"], [1, -1, 0], ("a", "b")),
        (["cat", "ant", "cat"], None, [1, 0, 1], ("ant", "cat")),
        (["cat", None, "ant"], ["cat", "ant"], [0, -1, 1], ("cat", "ant")),
        ([90_000, 7, 7], None, [1, 0, 0], ("7", "90000")),
        ([[1], [0]], None, [1, 0], ("0", "1")),
        ([None, None], None, [-1, -1], ()),
        ([float("nan"), "b", "a"], None, [-1, 1, 0], ("a", "b")),
        ([np.float64("nan"), "b", "a"], ["b", "a"], [-1, 0, 1], ("b", "a")),
        ([float("nan"), 1, 0], None, [-1, 1, 0], ("0", "1")),
        ([torch.tensor(1), np.int64(0)], None, [1, 0], ("0", "1")),
        (["caf\udce9", "a"], None, [1, 0], ("a", "caf\ufffd")),
    ],
)
def test_classes(given, classes, index, names) -> None:
    found = read_labels(given, classes)
    assert found.index is not None
    assert found.index.tolist() == index
    assert found.names == names
    assert found.missing == index.count(-1)
    assert found.shown() == [None if i < 0 else names[i] for i in index]


def test_real_numbers_are_kept_and_a_missing_one_is_said() -> None:
    found = read_labels([0.5, float("nan"), 2.0], None)
    assert found.index is None
    assert found.missing == 1
    assert found.shown() == ["0.5", None, "2"]
    mixed = read_labels([None, np.float32(0.5), 2], None)
    assert mixed.shown() == [None, "0.5", "2"]


def test_a_class_index_is_an_output_of_the_network_only_where_it_was_given_as_one() -> None:
    assert read_labels([0, 1], None).numbered
    assert read_labels(["a", "b"], ["b", "a"]).numbered
    assert not read_labels(["a", "b"], None).numbered
    assert not read_labels([90_000, 7], None).numbered


@pytest.mark.parametrize(
    ("given", "classes", "said"),
    [
        (torch.eye(3), None, "one-hot"),
        ([0, 5], ["a", "b"], "a name for every label up to 5"),
        (["a", "c"], ["a", "b"], "'c' is not among"),
        (["a", 1, None], None, "got int, str"),
        ([1 << 70, 2], None, "at most 63 bits"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(given, classes, said) -> None:
    with pytest.raises(SubjectError, match=said):
        read_labels(given, classes)
