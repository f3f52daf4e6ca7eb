"""Signs and buckets: the same everywhere, unbiased, with the variance that the law states."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from kinsight.tangent.hashing import Hash, folded

PINNED = {
    "column_sign": [-1.0, 1.0, -1.0, -1.0, -1.0],
    "row": [729, 1879, 59],
    "row_sign": [1.0, -1.0, -1.0],
    "vector": [399],
    "wide": [0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 0, 5, 6, 7, 0],
}


def sketched(hashing: Hash, value: Tensor) -> Tensor:
    """(B, D, P) -> (B, D, S) by the plainest way: one entry after the other."""
    rows, columns = len(hashing.row), len(hashing.column)
    result = torch.zeros(*value.shape[:2], hashing.dim, dtype=value.dtype)
    for o in range(rows):
        for i in range(columns):
            bucket = int(hashing.row[o] + hashing.column[i]) % hashing.dim
            sign = float(hashing.row_sign[o] * hashing.column_sign[o // hashing.dim, i])
            result[..., bucket] += sign * value[..., o * columns + i]
    return result


def totals(hashing: Hash, batch: int, outputs: int) -> Tensor:
    return torch.zeros(batch, outputs, 2 * hashing.dim, dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 30),
    positions=st.integers(1, 3),
    outputs=st.integers(1, 3),
    dim=st.integers(1, 40),
    seed=st.integers(0, 2**40),
)
def test_all_ways_lead_to_the_same_sketch(
    rows: int, columns: int, positions: int, outputs: int, dim: int, seed: int
) -> None:
    hashing = Hash.of("layer.weight", (rows, columns), dim, seed)
    generator = torch.Generator().manual_seed(seed % 1000)
    left = torch.randn(2, outputs, positions, rows, generator=generator, dtype=torch.float64)
    right = torch.randn(2, 1, positions, columns, generator=generator, dtype=torch.float64)
    value = torch.einsum("bdto,beti->bdoi", left, right).flatten(2)
    expected = sketched(hashing, value)
    precise = hashing.to(value)
    scattered, convolved = totals(hashing, 2, outputs), totals(hashing, 2, outputs)
    precise.scatter(value, scattered)
    precise.convolve(left, right, convolved)
    assert_close(folded(scattered), expected, rtol=1e-10, atol=1e-10)
    assert_close(folded(convolved), expected, rtol=1e-10, atol=1e-10)

    index = torch.randint(0, rows, (2, positions), generator=generator)
    picked, table = totals(hashing, 2, 1), torch.zeros(2, 1, rows, columns, dtype=torch.float64)
    for t in range(positions):
        table[torch.arange(2), 0, index[:, t]] += right[:, 0, t]
    precise.pick(index, right, picked)
    assert_close(folded(picked), sketched(hashing, table.flatten(2)), rtol=1e-10, atol=1e-10)


def test_entries_in_another_order_find_their_buckets() -> None:
    hashing = Hash.of("w", (4, 6), 16, 0).to(torch.zeros(1, dtype=torch.float64))
    value, order = torch.randn(3, 1, 24, dtype=torch.float64), torch.randperm(6)
    plain, moved = totals(hashing, 3, 1), totals(hashing, 3, 1)
    hashing.scatter(value, plain)
    hashing.of_columns(order).scatter(value.reshape(3, 1, 4, 6)[..., order].flatten(2), moved)
    assert_close(folded(moved), folded(plain))


def test_signs_and_buckets_never_change() -> None:
    """A store that is gone on with next year, or elsewhere, needs the very same ones."""
    hashing = Hash.of("layer1.0.conv1.weight", (3, 5), 2048, 7)
    assert hashing.row.tolist() == PINNED["row"]
    assert hashing.row_sign.tolist() == PINNED["row_sign"]
    assert hashing.column_sign[0].tolist() == PINNED["column_sign"]
    wide = Hash.of("w", (2, 20), 8, 7)  # columns beyond S are shifted at random, 8 at a time
    assert wide.column.tolist() == PINNED["wide"]
    assert Hash.of("b", (5,), 2048, 7).row.tolist() == PINNED["vector"]


def test_names_seeds_and_parts_are_independent() -> None:
    one = Hash.of("a", (50, 50), 64, 0)
    for other in (Hash.of("b", (50, 50), 64, 0), Hash.of("a", (50, 50), 64, 1)):
        assert (one.row == other.row).float().mean() < 0.2
        assert 0.2 < (one.column_sign == other.column_sign).float().mean() < 0.8
    assert 0.2 < (one.row_sign == one.column_sign[0]).float().mean() < 0.8


def test_products_are_unbiased_with_the_variance_of_the_law() -> None:
    """Over 400 seeds: mean within five standard errors, variance (1 + k²)/S to a fifth."""
    torch.manual_seed(0)
    x, y = torch.randn(2, 40 * 60, dtype=torch.float64)
    y = 0.5 * x + y
    x, y = x / x.norm(), y / y.norm()
    k, dim, found = float(x @ y), 64, []
    for seed in range(400):
        total = torch.zeros(2, 1, 2 * dim, dtype=torch.float64)
        Hash.of("w", (40, 60), dim, seed).to(x).scatter(torch.stack([x, y])[:, None], total)
        left, right = folded(total)[:, 0]
        found.append(float(left @ right))
    values = torch.tensor(found)
    law = (1 + k**2) / dim
    assert abs(float(values.mean()) - k) < 5 * (law / 400) ** 0.5
    assert abs(float(values.var()) / law - 1) < 0.25


def test_outer_products_keep_to_the_law_too() -> None:
    """One position, all entries positive: the hardest case for signs that are products."""
    torch.manual_seed(0)
    left, right = torch.rand(2, 1, 1, 40).double(), torch.rand(2, 1, 1, 60).double()
    value = torch.einsum("bdto,bdti->bdoi", left, right).flatten(2)
    unit = value / value.norm(dim=2, keepdim=True)
    k, dim, found = float(unit[0, 0] @ unit[1, 0]), 64, []
    for seed in range(400):
        total = torch.zeros(2, 1, 2 * dim, dtype=torch.float64)
        Hash.of("w", (40, 60), dim, seed).to(value).scatter(unit, total)
        found.append(float(folded(total)[0, 0] @ folded(total)[1, 0]))
    assert torch.tensor(found).var() < 1.3 * (1 + k**2) / dim
    assert abs(float(torch.tensor(found).mean()) - k) < 0.05


@pytest.mark.parametrize("rows", [60, 300])  # fewer and more than there are places
def test_rows_that_are_alike_never_add_up_as_one(rows: int) -> None:
    """Samples that differ in the row alone, as classes of a head or words of a table do."""
    dim, columns = 64, 24
    values = torch.randn(columns, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unit = values / values.norm()
    eye = torch.eye(rows, dtype=torch.float64)[:, None, :, None]
    entries = (eye * unit).flatten(2)  # (rows, 1, R·C): orthogonal
    worst, squares = 0.0, []
    for seed in range(20):
        total = torch.zeros(rows, 1, 2 * dim, dtype=torch.float64)
        Hash.of("head", (rows, columns), dim, seed).to(entries).scatter(entries, total)
        phi = folded(total)[:, 0]
        off = (phi @ phi.T)[~torch.eye(rows, dtype=torch.bool)]
        worst, squares = max(worst, float(off.abs().max())), [*squares, float(off.square().mean())]
    assert worst < 0.85  # 1 where two rows lie over each other
    assert sum(squares) / 20 < 1.3 / dim
