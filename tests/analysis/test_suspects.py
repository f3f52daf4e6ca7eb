"""Suspected labels: planted ones come first, scores are their formulas, bad input is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kinsight as ks
from analysis.cases import features
from kinsight.analysis.suspects import METHODS, judge
from kinsight.analysis.targets import read_targets
from kinsight.analysis.votes import vote
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import Neighbours


def by_votes(similarity, neighbours, labels) -> ks.Suspects:
    """The verdict of given neighbours."""
    targets = read_targets(labels, len(labels))
    nearest = Neighbours(similarity, neighbours)
    return judge(vote(*nearest, targets), targets, nearest, "neighbours")


def by_hand(similarity, neighbours, labels):
    """The formula of votes, sample by sample."""
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
    found = by_votes(*case)
    expected = by_hand(*case)
    torch.testing.assert_close(found.score, expected, equal_nan=True, rtol=1e-6, atol=1e-6)
    assert sorted(found.rank.tolist()) == list(range(len(expected)))
    ordered = found.score[found.order()]
    assert bool((ordered[:-1] >= ordered[1:]).all())
    assert not found.score[found.rank.argsort()[len(ordered) :]].isfinite().any()


@given(neighbourhoods())
def test_a_contradicted_label_is_one_with_fewer_votes_than_the_proposed(case) -> None:
    found, labels = by_votes(*case), case[2]
    for i in found.contradicted().tolist():
        assert found.proposed[i] != labels[i]
        assert found.answers[i, found.proposed[i]] > 1 - found.score[i]


@pytest.mark.parametrize("method", METHODS)
def test_flipped_labels_of_two_clusters_come_first(method) -> None:
    truth = torch.tensor([0] * 10 + [1] * 10)
    labels = truth.clone()
    labels[[4, 15]] = 1 - labels[[4, 15]]
    phi = torch.eye(2).double()[truth] + 0.05 * torch.randn(20, 2).double()
    found = ks.suspects(ks.FeatureSource(phi), labels, method=method, neighbours=6)
    assert sorted(found.order()[:2].tolist()) == [4, 15]
    assert found.proposed[[4, 15]].tolist() == [0, 1]
    assert sorted(found.contradicted().tolist()) == [4, 15]
    assert found.neighbours.shape == found.similarity.shape == (20, 6)
    assert 0 <= float(found.score.min()) <= float(found.score.max()) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_label_is_not_judged_and_proposed_by_the_others(method) -> None:
    truth = torch.tensor([0] * 10 + [1] * 10)
    labels = truth.clone()
    labels[[3, 13]] = -1
    phi = torch.eye(2).double()[truth] + 0.05 * torch.randn(20, 2).double()
    source = ks.FeatureSource(phi)
    found = ks.suspects(source, labels, method=method, neighbours=6)
    assert found.score[[3, 13]].isnan().all()
    assert found.proposed[[3, 13]].tolist() == [0, 1]
    assert sorted(found.rank[[3, 13]].tolist()) == [18, 19]
    other = labels.clone()
    other[3] = -7  # any negative number is missing
    again = ks.suspects(source, other, method=method, neighbours=6)
    assert torch.equal(again.rank, found.rank)


def test_a_real_label_far_from_what_the_others_answer_is_suspected() -> None:
    source, _ = features(width=3)
    labels = source.features()[:, 1] * 2 + 0.01 * torch.randn(40).double()
    labels[7] += 3
    labels[11] = torch.nan
    found = ks.suspects(source, labels)
    assert found.rank[7] == 0
    assert 7 in found.contradicted().tolist()
    assert found.score[11].isnan()
    assert abs(float(found.answers[11, 0] - source.features()[11, 1] * 2)) < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_low_rank_says_what_full_rank_says_where_features_are_known(method) -> None:
    source, _ = features()
    labels = torch.arange(40) // 20
    full = ks.suspects(source, labels, method=method, ridge=0.1)
    low = ks.suspects(source, labels, method=method, ridge=0.1, rank=7)
    torch.testing.assert_close(full.score, low.score, rtol=1e-4, atol=1e-5)


def test_the_network_is_heard_beside_the_others() -> None:
    """The formula, class by class; and classes that no label names."""
    source, _ = features()
    labels = torch.arange(40) % 2
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).double()
    alone = ks.suspects(source, labels, ridge=0.1)
    both = ks.suspects(source, labels, ridge=0.1, logits=logits)
    others = torch.nn.functional.pad(alone.answers, (0, 1))
    for i in range(40):
        a = (0.4 * others[i] + 0.6 * (logits[i] / 3).softmax(0)).clamp_min(0)
        own, rest = float(a[labels[i]]), max(float(v) for c, v in enumerate(a) if c != labels[i])
        score = (1 + (rest - own) / (rest + own + 0.6)) / 2
        assert float(both.score[i]) == pytest.approx(score, abs=1e-9)
        assert int(both.proposed[i]) == int(a.argmax())
    assert not torch.equal(both.rank, alone.rank)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["cat", "dog"] * 20, "map names"),
        ([0, 1], "each of the 40 samples"),
        ([1] * 40, "at least two classes"),
        ([-1] * 40, "only missing"),
        ([float("inf")] * 40, "finite"),
        ([[0, 1]] * 40, "argmax"),
        ([0, 10**6] * 20, "number the classes"),
        ([True, False] * 20, "whole or real"),
        ([1j] * 40, "whole or real"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        ks.suspects(features()[0], labels)


def test_wrong_arguments_are_refused() -> None:
    source, labels = features()[0], torch.arange(40) // 20
    for logits in (torch.randn(40, 1), torch.randn(3, 2), torch.randn(40)):
        with pytest.raises(ArgumentError, match="class scores"):
            ks.suspects(source, labels, logits=logits)
    with pytest.raises(ArgumentError, match="beside numbers"):
        ks.suspects(source, labels.double(), logits=torch.randn(40, 2))
    for wrong in ({"method": "magic"}, {"ridge": -1.0}, {"neighbours": -1}, {"rank": 0}):
        with pytest.raises(ArgumentError, match="expected"):
            ks.suspects(source, labels, **wrong)
