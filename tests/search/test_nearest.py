"""Exact search by blocks finds what a sort of all similarities finds, whatever the blocks."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.errors import ArgumentError
from kinsight.search import nearest as search
from search.rows import DIM, MemoryRows, stores, unit


def sorted_by_hand(rows, queries, k, own, apart):
    """Positions by falling similarity, of equal ones the smaller first."""
    pairs = queries.double()[:, None] * rows.values.double()  # (Q, N, S)
    values = pairs.sum(2).float().clamp(-1, 1).tolist()
    found = []
    for q, row in enumerate(values):
        order = sorted((-v, j) for j, v in enumerate(row) if j != own[q] and not apart[j])
        found.append([j for _, j in order[:k]] + [-1] * max(0, k - len(order)))
    return found


@given(stores(), st.integers(1, 3), st.integers(1, 400), st.integers(1, 5), st.booleans())
def test_lists_are_those_of_a_sort(rows, k, block, step, themselves) -> None:
    count = len(rows)
    queries = rows.values.float() if themselves else unit(9, seed=5).float()
    own = torch.arange(count) if themselves else torch.full((9,), -1)
    zero = ~rows.values.any(1)
    with patch.multiple(search, _BLOCK=block, PRODUCT=block, _RANGE=step):
        found = search.nearest(rows, queries, k, own)
    expected = sorted_by_hand(rows, queries, k, own.tolist(), zero.tolist())
    assert found.indices.tolist() == expected
    exact = queries.double() @ rows.values.double().T
    kept = found.indices >= 0
    picked = exact.gather(1, found.indices.clamp_min(0)).clamp(-1, 1)
    torch.testing.assert_close(found.values.double()[kept], picked[kept], atol=1e-6, rtol=0)
    assert bool((found.values[~kept] == -torch.inf).all())


@given(stores(), st.integers(1, 2), st.integers(1, 7))
def test_the_graph_is_each_row_against_the_others(rows, k, step) -> None:
    zero = ~rows.values.any(1)
    with patch.multiple(search, _RANGE=step, PRODUCT=2 * DIM):
        found = search.graph(rows, k)
        part = search.graph(rows, k, 1, len(rows) - 1)
    queries = rows.values.float()
    expected = sorted_by_hand(rows, queries, k, list(range(len(rows))), zero.tolist())
    for row in zero.nonzero()[:, 0].tolist():
        expected[row] = [-1] * k
    assert found.indices.tolist() == expected
    assert part.indices.tolist() == expected[1:-1]


@pytest.mark.parametrize("rising", [True, False])
def test_rows_that_come_ever_closer_or_ever_farther(rising) -> None:
    """The worst and the best case of the running threshold."""
    angle = torch.linspace(1.5, 0.1, 500) if rising else torch.linspace(0.1, 1.5, 500)
    rows = MemoryRows(torch.stack([angle.cos(), angle.sin()], 1).half(), [100, 400])
    query = torch.tensor([[1.0, 0.0]])
    with patch.multiple(search, _BLOCK=64, PRODUCT=64):
        found = search.nearest(rows, query, 5)
    best = rows.values[:, 0].float().sort(descending=True, stable=True).indices[:5]
    assert found.indices[0].tolist() == best.tolist()


def test_rows_that_are_apart_or_nan_are_never_found() -> None:
    values = unit(20)
    values[3] = torch.nan
    rows = MemoryRows(values, [7, 13])
    apart = torch.zeros(20, dtype=torch.bool)
    apart[[0, 19]] = True
    queries = unit(4, seed=1).float()
    queries[2] = torch.nan
    found = search.nearest(rows, queries, 20, apart=apart)
    for q in (0, 1, 3):
        assert sorted(found.indices[q].tolist()) == [-1] * 3 + [
            j for j in range(20) if j not in (0, 3, 19)
        ]
    assert found.indices[2].tolist() == [-1] * 20


def test_wrong_queries_are_refused() -> None:
    rows = MemoryRows(unit(5), [5])
    for queries, k in (
        (torch.zeros(2, DIM + 1), 1),
        (torch.zeros(2, DIM), 6),
        (torch.ones(DIM), 1),
    ):
        with pytest.raises(ArgumentError):
            search.nearest(rows, queries, k)
