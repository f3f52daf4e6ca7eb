"""Neighbours and counts from the stream of blocks are those of the whole similarity matrix."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import kinsight as ks
from kinsight.analysis.gather import THRESHOLDS, gather
from kinsight.errors import ArgumentError
from kinsight.run.parts import joined

SMALLEST_BUDGET = 1 << 20


def network() -> nn.Module:
    """Its features are wide enough for the smallest budget to split forty rows into ranges."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 2000), nn.Tanh(), nn.Linear(2000, 2)).eval()


def source(count: int = 40, **more) -> tuple[ks.ExactSource, torch.Tensor]:
    torch.manual_seed(2)
    x = torch.randn(count, 6)
    kernel = ks.TangentKernel(network(), **more)
    return kernel.on(x), kernel.similarity(x)


def test_one_stream_gives_what_the_matrix_says() -> None:
    seen, expected = source()
    (found,) = gather(seen, 5)
    torch.testing.assert_close(found.density, expected.double().sum(1), rtol=1e-5, atol=1e-5)
    best = expected.fill_diagonal_(-2).topk(5)
    torch.testing.assert_close(found.similarity, best.values)
    assert torch.equal(found.neighbours, best.indices)
    for t, threshold in enumerate(THRESHOLDS):
        inside = (expected >= threshold).sum(1) + 1  # itself, which is −2 by now
        assert torch.equal(found.counts[:, t], inside)


@given(first=st.integers(0, 39))
def test_going_on_from_any_row_gives_the_same_rows(first: int) -> None:
    whole = joined(list(gather(source()[0], 5)))
    rest = joined(list(gather(source()[0], 5, first=first)))
    assert rest.rows == slice(first, 40)
    assert torch.equal(rest.neighbours, whole.neighbours[first:])
    torch.testing.assert_close(rest.density, whole.density[first:], rtol=1e-5, atol=1e-5)


def test_a_small_budget_finishes_rows_range_by_range() -> None:
    parts = list(gather(source(memory_budget=SMALLEST_BUDGET, batch_size=4)[0], 5))
    assert len(parts) > 2
    assert [p.rows.start for p in parts[1:]] == [p.rows.stop for p in parts[:-1]]
    whole = joined(list(gather(source()[0], 5)))
    torch.testing.assert_close(joined(parts).similarity, whole.similarity, rtol=1e-4, atol=1e-5)


def test_a_sample_without_finite_gradient_is_nobodys_neighbour() -> None:
    x = torch.randn(10, 6)
    x[3, 0] = torch.nan
    with pytest.warns(ks.errors.NonFiniteGradientWarning, match="3"):
        (found,) = gather(ks.TangentKernel(network()).on(x), 9)
    assert found.density.isnan().nonzero().flatten().tolist() == [3]
    assert found.similarity[3].isnan().all()
    assert (found.neighbours[3] == -1).all()
    others = found.neighbours[[i for i in range(10) if i != 3]]
    assert not (others == 3).any()
    assert (others[:, -1] == -1).all()  # eight are left where nine were asked for


def test_progress_tells_of_every_pair() -> None:
    told: list[int] = []
    list(gather(source()[0], 5, on_pairs=told.append))
    assert sum(told) == 40 * 40


@pytest.mark.parametrize("wrong", [{"k": 40}, {"k": 0}, {"k": 5, "thresholds": (0.5, 1.5)}])
def test_what_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        list(gather(source()[0], **wrong))
