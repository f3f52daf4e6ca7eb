"""Suspected labels: planted ones come first, votes are the formula, bad input is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.analysis.suspects import suspects
from kinsight.errors import ArgumentError


def by_hand(similarity, neighbours, labels):
    """The formula, sample by sample."""
    scores = []
    for row in range(len(labels)):
        total = agree = 0.0
        for value, j in zip(similarity[row].tolist(), neighbours[row].tolist(), strict=True):
            if j >= 0 and labels[j] >= 0 and value > 0:
                total += value
                agree += value if labels[j] == labels[row] else 0.0
        judged = labels[row] >= 0 and total > 0
        scores.append(1 - agree / total if judged else float("nan"))
    return torch.tensor(scores, dtype=torch.float64)


@st.composite
def neighbourhoods(draw):
    count, k, classes = draw(st.integers(3, 9)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    similarity = torch.rand(count, k, generator=generator) * 2 - 1
    neighbours = torch.randint(-1, count, (count, k), generator=generator)
    labels = torch.randint(-1, classes, (count,), generator=generator)
    labels[:2] = torch.tensor([0, 1])
    return similarity, neighbours, labels


@given(neighbourhoods())
def test_the_score_is_the_formula(case) -> None:
    found = suspects(*case)
    expected = by_hand(*case)
    torch.testing.assert_close(found.score, expected, equal_nan=True, rtol=1e-6, atol=1e-6)
    assert sorted(found.rank.tolist()) == list(range(len(expected)))
    ordered = found.score[found.order()]
    assert bool((ordered[:-1] >= ordered[1:]).all())
    assert not found.score[found.rank.argsort()[len(ordered) :]].isfinite().any()


@given(neighbourhoods())
def test_a_contradicted_label_is_one_with_fewer_votes_than_the_proposed(case) -> None:
    found, labels = suspects(*case), case[2]
    for i in found.contradicted().tolist():
        assert found.proposed[i] != labels[i]
        assert found.votes[i] > 1 - found.score[i]


def test_flipped_labels_of_two_clusters_come_first() -> None:
    truth = torch.tensor([0] * 10 + [1] * 10)
    labels = truth.clone()
    labels[[4, 15]] = 1 - labels[[4, 15]]
    kernel = torch.where(truth[:, None] == truth, 0.9, 0.1).fill_diagonal_(-1)
    near = kernel.topk(6)
    found = suspects(near.values, near.indices, labels)
    assert sorted(found.order()[:2].tolist()) == [4, 15]
    assert found.proposed[[4, 15]].tolist() == [0, 1]
    assert sorted(found.contradicted().tolist()) == [4, 15]


def test_a_missing_label_neither_votes_nor_is_judged() -> None:
    others = torch.tensor([[1, 2], [0, 2], [0, 1]])
    found = suspects(torch.ones(3, 2), others, [0, 1, -1])
    assert found.score[2].isnan()
    assert found.rank[2] == 2
    assert found.score[:2].tolist() == [1.0, 1.0]  # only the other one votes


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0.0, 1.0, 0.0], "whole numbers"),
        ([0, 1], "with N = 2"),
        ([1, 1, 1], "two classes"),
        ([-1, -1, -1], "two classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        suspects(torch.ones(3, 2), torch.zeros(3, 2, dtype=torch.long), labels)
