"""Rows on disk as a source say what a source of the same features in memory says."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import kinsight as ks
from kinsight.errors import ArgumentError, OutputSizeError
from kinsight.search import source as search
from kinsight.search.source import RowsSource
from search.rows import DIM, MemoryRows, cut, stores, unit

CLOSE = {"atol": 2e-3, "rtol": 2e-3, "equal_nan": True, "check_dtype": False}  # float16 rows


def pair(rows: MemoryRows, **more) -> tuple[RowsSource, ks.FeatureSource]:
    """Both kinds of source; norms that differ, of which one is not finite."""
    norms = torch.rand(len(rows), dtype=torch.float64) + 0.5
    norms[~rows.values.any(1)] = 0
    norms[1] = torch.nan
    ours = RowsSource(rows, norms=norms, sketched=True, **more)
    return ours, ks.FeatureSource(rows.values.float(), norms=norms, sketched=True, **more)


def dense(blocks, rows: int, columns: int) -> torch.Tensor:
    """A stream of blocks as one matrix; the order of the protocol is checked on the way."""
    result, seen = torch.full((rows, columns), torch.inf), []
    for block in blocks:
        values = block.values.reshape(block.values.shape[:2])
        result[block.rows, block.columns] = values.float()
        seen.append((block.rows.start, block.columns.start))
    assert seen == sorted(seen)
    assert not result.isposinf().any()
    return result


@given(stores(), st.integers(1, 9), st.integers(1, 60), st.booleans())
def test_every_method_says_what_features_in_memory_say(rows, step, block, with_outputs) -> None:
    count = len(rows)
    outputs = torch.arange(count).double() if with_outputs else None
    ours, theirs = pair(rows, outputs=outputs)
    with patch.multiple(search, _RANGE=step, _BLOCK=block, _PIECE=3 * DIM):
        assert len(ours) == count
        assert_close(ours.norms(), theirs.norms(), equal_nan=True, rtol=0, atol=0)
        assert torch.equal(ours.ranks(), theirs.ranks())
        assert torch.equal(ours.non_finite(), theirs.non_finite())
        square = (count, count)
        assert_close(dense(ours.blocks(), *square), dense(theirs.blocks(), *square), **CLOSE)
        assert_close(dense(ours.products(), *square), dense(theirs.products(), *square), **CLOSE)
        assert_close(
            dense(ours.influences(), *square), dense(theirs.influences(), *square), **CLOSE
        )
        some = torch.tensor([count - 1, 0, 1])
        assert_close(
            dense(ours.against(some), count, 3), dense(theirs.against(some), count, 3), **CLOSE
        )
        assert_close(ours.moments(1), theirs.moments(1), **CLOSE)
        wide = CLOSE | {"atol": 2e-2}
        assert_close(ours.moments(2), theirs.moments(2), **wide)
        values = torch.randn(count, 2)
        assert_close(ours.weighted(values), theirs.weighted(values), **wide)
        assert_close(ours.features(), theirs.features(), **CLOSE)
        assert_close(ours.gram(), theirs.gram(), **CLOSE)
        pieces = ours.feature_blocks()
        for _ in range(2):
            assert_close(torch.cat([piece for _, piece in pieces]), theirs.features(), **CLOSE)
        if with_outputs:
            assert_close(ours.outputs(), theirs.outputs())


@given(stores(), st.integers(1, 2))
def test_nearest_are_those_of_features_in_memory(rows, k) -> None:
    ours, theirs = pair(rows)
    assert_close(ours.nearest(k=k).values, theirs.nearest(k=k).values, **CLOSE)
    other, same = pair(MemoryRows(unit(7, seed=3, zero=(2,)), [3, 4]))
    assert_close(ours.nearest(other, k).values, theirs.nearest(same, k).values, **CLOSE)
    asked = torch.randn(4, DIM)
    of_features = ks.FeatureSource(asked)
    expected = theirs.nearest(of_features, k)
    for queries in (asked, 7 * asked.double(), of_features):
        assert_close(ours.nearest(queries, k).values, expected.values, **CLOSE)


def test_nearest_of_rows_by_number_leave_out_the_row_itself() -> None:
    ours, _ = pair(MemoryRows(unit(30), [11, 19]))
    all_rows = ours.nearest(k=4)
    found = ours.nearest([7, 29, 1], 4)
    assert found.indices.tolist() == all_rows.indices[[7, 29, 1]].tolist()
    assert found.indices[2].tolist() == [-1] * 4  # set apart


@given(st.lists(st.integers(1, 20), max_size=5), st.integers(0, 39))
def test_blocks_of_shards_and_a_later_start_are_the_same_blocks(sizes, first) -> None:
    rows = MemoryRows(unit(40), cut(40, sizes))
    ours, _ = pair(rows)
    with patch.multiple(search, _RANGE=6):
        whole = dense(ours.blocks(), 40, 40)
        shards = [b for shard in range(len(rows.sizes)) for b in ours.blocks_of(shard)]
        assert_close(dense(shards, 40, 40), whole, equal_nan=True)
        later = torch.zeros(40, 40)
        for block in ours.blocks(first):
            assert block.rows.start >= first
            later[block.rows, block.columns] = block.values
    assert_close(later[first:], whole[first:], equal_nan=True, atol=1e-6, rtol=0)


def test_influences_of_others_and_of_rows_by_number() -> None:
    ours, theirs = pair(MemoryRows(unit(12), [5, 7]))
    other, same = pair(MemoryRows(unit(7, seed=3, zero=(2,)), [3, 4]))
    found = dense(ours.influences(other), 7, 12)
    assert_close(found, dense(theirs.influences(same), 7, 12), **CLOSE)
    whole = dense(ours.influences(), 12, 12)
    assert_close(dense(ours.influences([4, 2]), 2, 12), whole[[4, 2]], equal_nan=True)


def test_leading_directions_are_those_of_features_in_memory() -> None:
    ours, theirs = pair(MemoryRows(unit(30), [11, 19]))
    low, other = ours.features(3), theirs.features(3)
    fit = ours.norms().isfinite()
    assert_close(low[fit] @ low[fit].T, other[fit] @ other[fit].T, **CLOSE)
    assert low[~fit].isnan().all()


def test_by_default_rows_of_zeros_have_no_gradient_and_nan_is_apart() -> None:
    values = unit(9, zero=(3,))
    values[5, 0] = torch.nan
    source = RowsSource(MemoryRows(values, [4, 5]))
    assert source.norms().nan_to_num(-1).tolist() == [1, 1, 1, 0, 1, -1, 1, 1, 1]
    assert source.moments().isnan().nonzero().flatten().tolist() == [5]


def test_a_sketch_norm_or_an_output_that_is_not_finite_sets_the_sample_apart() -> None:
    bad = torch.ones(9)
    bad[4] = torch.inf
    rows = MemoryRows(unit(9), [9])
    for more in ({"sketch_norms": bad}, {"outputs": bad}):
        source = RowsSource(rows, **more)
        assert source.non_finite().tolist() == [4]
        kept = torch.tensor([j for j in range(9) if j != 4])
        whole = rows.values[kept].float()
        assert_close(source.moments()[kept].float(), (whole @ whole.T).sum(1), **CLOSE)


def test_outputs_are_loaded_when_they_are_asked_for() -> None:
    calls = []

    def load() -> torch.Tensor:
        calls.append(1)
        return torch.arange(9.0)

    source = RowsSource(MemoryRows(unit(9), [9]), outputs=load)
    assert not calls
    assert source.outputs().shape == source.outputs().shape == (9, 1)
    assert len(calls) == 1


def test_what_does_not_fit_is_refused_with_a_way_out() -> None:
    rows = MemoryRows(torch.zeros(2**16, DIM, dtype=torch.float16), [2**16])
    source = RowsSource(rows, memory_budget=1 << 20)
    with pytest.raises(OutputSizeError, match=r"feature_blocks\(\)"):
        source.features()
    assert sum(len(piece) for _, piece in source.feature_blocks()) == 2**16


@pytest.mark.parametrize(
    "queries", [[0.5], [[1, 2]], [9], [-1], [], torch.zeros(2, DIM + 1), "rows", [True]]
)
def test_queries_of_another_kind_are_refused(queries) -> None:
    source = RowsSource(MemoryRows(unit(9), [9]))
    with pytest.raises(ArgumentError, match="queries"):
        source.nearest(queries, 2)


def test_columns_of_another_length_are_refused() -> None:
    rows = MemoryRows(unit(9), [9])
    for name in ("norms", "sketch_norms", "ranks", "outputs"):
        with pytest.raises(ArgumentError, match=name):
            RowsSource(rows, **{name: torch.ones(8)})
    with pytest.raises(ArgumentError, match="negative"):
        RowsSource(rows, norms=-torch.ones(9))
    with pytest.raises(ArgumentError, match="outputs="):
        RowsSource(rows).outputs()
