"""One walk over all pairs says what the whole similarity matrix says, range by range."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kinsight as ks
from analysis.cases import COUNT, SOURCES, exact, network
from kinsight.analysis.tallies import THRESHOLDS, Centred, Counts, Influence, Nearest, Whole
from kinsight.analysis.walk import answers, joined, walk
from kinsight.errors import ArgumentError

SMALLEST_BUDGET = 1 << 20


def tallies() -> list:
    return [Nearest(5), Counts(True, THRESHOLDS, (4.0,), squares=True), Whole(COUNT)]


@pytest.mark.parametrize("make", SOURCES)
def test_one_walk_gives_what_the_matrix_says(make) -> None:
    source, similarity = make()
    found = answers(source, *tallies())
    tight = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(found["density"], similarity.sum(1), **tight)
    torch.testing.assert_close(found["squares"], similarity.square().sum(1), **tight)
    torch.testing.assert_close(
        found["powers"][:, 0], similarity.clamp_min(0).pow(4).sum(1), **tight
    )
    torch.testing.assert_close(found["row"].double(), similarity, **tight)
    for t, threshold in enumerate(THRESHOLDS):
        assert torch.equal(found["counts"][:, t], (similarity >= threshold).sum(1))
    best = similarity.clone().fill_diagonal_(-2).topk(5)
    torch.testing.assert_close(found["similarity"].double(), best.values, **tight)
    assert torch.equal(found["neighbours"], best.indices)


@pytest.mark.parametrize("make", SOURCES)
def test_the_centred_count_is_that_of_centred_features(make) -> None:
    source, similarity = make()
    centring = torch.eye(COUNT).double() - 1 / COUNT
    gram = centring @ similarity @ centring
    length = gram.diagonal().sqrt()
    expected = (gram / (length[:, None] * length)).clamp_min(0).sum(1)
    tally = Centred(source.moments(), source.norms() > 0)
    torch.testing.assert_close(answers(source, tally)["centred"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", SOURCES)
def test_influence_is_the_sum_of_the_influences(make) -> None:
    source = make(outputs=1)[0] if make is exact else make()[0]
    found = answers(source, Influence(source.norms()))["influence"]
    expected = torch.cat([b.values.abs().sum((1, 2, 3)) for b in source.influences()])
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-4)


@given(first=st.integers(0, COUNT - 1))
def test_going_on_from_any_row_gives_the_same_rows(first: int) -> None:
    whole = answers(exact()[0], *tallies())
    rest = joined(list(walk(exact()[0], tallies(), first=first)))
    assert rest.rows == slice(first, COUNT)
    assert torch.equal(rest.columns["neighbours"], whole["neighbours"][first:])
    torch.testing.assert_close(
        rest.columns["density"], whole["density"][first:], rtol=1e-5, atol=1e-5
    )


def test_a_small_budget_finishes_rows_range_by_range() -> None:
    source = exact(memory_budget=SMALLEST_BUDGET, batch_size=4)[0]
    parts = list(walk(source, tallies()))
    assert len(parts) > 1
    assert [p.rows.start for p in parts[1:]] == [p.rows.stop for p in parts[:-1]]
    whole = answers(exact()[0], *tallies())
    found = joined(parts).columns
    for name in whole:
        torch.testing.assert_close(found[name], whole[name], rtol=1e-4, atol=1e-5)


def test_the_columns_are_those_that_were_announced() -> None:
    source = exact()[0]
    asked = [*tallies(), Centred(source.moments(), source.norms() > 0)]
    found = answers(source, *asked)
    widths = {name: width for tally in asked for name, width in tally.widths.items()}
    assert {name: 0 if v.dim() == 1 else v.shape[1] for name, v in found.items()} == widths


def test_a_sample_without_finite_gradient_is_nobodys_neighbour() -> None:
    x = torch.randn(10, 6)
    x[3, 0] = torch.nan
    with pytest.warns(ks.errors.NonFiniteGradientWarning, match="3"):
        found = answers(ks.TangentKernel(network()).on(x), Nearest(9), Counts(soft=True))
    assert found["density"].isnan().nonzero().flatten().tolist() == [3]
    assert found["similarity"][3].isnan().all()
    assert (found["neighbours"][3] == -1).all()
    others = found["neighbours"][[i for i in range(10) if i != 3]]
    assert not (others == 3).any()
    assert (others[:, -1] == -1).all()  # eight are left where nine were asked for


def test_progress_tells_of_every_pair() -> None:
    told: list[int] = []
    list(walk(exact()[0], tallies(), on_pairs=told.append))
    assert sum(told) == COUNT * COUNT


@pytest.mark.parametrize("wrong", [{"thresholds": (0.5, 1.5)}, {"powers": (0.0,)}])
def test_what_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        Counts(**wrong)
