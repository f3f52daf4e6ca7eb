"""Moments of rows against sums over all pairs in float64, for any cut into shards."""

import torch
from hypothesis import given
from torch.testing import assert_close

import kinsight as ks
from kinsight.search import moments
from search.rows import MemoryRows, stores, unit


@given(stores())
def test_moments_and_projections_are_sums_over_pairs(rows) -> None:
    phi = rows.values.double()
    pairs = phi @ phi.T
    close = {"atol": 1e-5, "rtol": 1e-5}
    assert_close(moments.first(rows), phi.sum(0), **close)
    assert_close(moments.second(rows), phi.T @ phi, **close)
    assert_close(moments.soft(rows), pairs.sum(1), **close)
    assert_close(moments.square(rows), pairs.square().sum(1), **close)
    values = torch.randn(len(rows), 2, dtype=torch.float64)
    assert_close(moments.weighted(rows, values), pairs @ values, **close)


@given(stores())
def test_shards_added_in_their_order_give_the_same_bits(rows) -> None:
    parts = [moments.shard_moments(rows, shard) for shard in range(len(rows.sizes))]
    one, two = torch.zeros_like(parts[0][0]), torch.zeros_like(parts[0][1])
    for a, b in parts:
        one += a
        two += b
    assert torch.equal(one, moments.first(rows))
    assert torch.equal(two, moments.second(rows))


def test_another_cut_gives_the_same_to_the_stated_tolerance() -> None:
    values = unit(5000, 48)
    cuts = [MemoryRows(values, sizes) for sizes in ([5000], [1] * 100 + [4900], [2500, 2500])]
    for find in (moments.first, moments.second):
        exact = values.double().sum(0) if find is moments.first else values.double().T @ (
            values.double()
        )  # fmt: skip
        for rows in cuts:
            assert float((find(rows) - exact).abs().max()) <= 1e-6 * float(exact.abs().max())


def test_the_correction_for_sketches_is_that_of_a_feature_source() -> None:
    rows = MemoryRows(unit(40, zero=(4,)), [11, 29])
    source = ks.FeatureSource(rows.values.float(), sketched=True)
    alive = rows.values.any(1)
    assert_close(moments.square(rows, alive=alive), source.moments(2), atol=0.05, rtol=2e-3)
