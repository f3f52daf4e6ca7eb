"""Owners of rows from evidence: any layout, packed rows, mixtures, silence."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.tangent.ownership import Cotangents, Layout, OwnedRows


def evidence_for(owner: torch.Tensor, batch: int, dtype=torch.float64):
    """Judge a made-up operand whose element e gets its gradient from sample ``owner[e]``."""
    generator = torch.Generator().manual_seed(0)
    cotangents = Cotangents(batch, 1, torch.zeros((), dtype=dtype))
    plain = torch.randn(owner.shape, generator=generator, dtype=dtype)
    return cotangents.judge(plain, plain * cotangents.values[owner])


@given(
    st.integers(2, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.integers(2, 4)
)
def test_any_layout_is_found(batch, outer, inner, dim, width) -> None:
    index = torch.arange(outer * batch * inner) // inner % batch
    owner = index[:, None].expand(-1, width)
    owner = owner if dim == 0 else owner.T
    found = evidence_for(owner, batch).owner
    assert found is not None
    values = found.to_samples(owner.contiguous())
    mine = torch.arange(batch).reshape(-1, 1, 1).expand_as(values)
    assert torch.equal(values, mine)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12), st.integers(1, 3))
def test_rows_in_any_order_are_found(rows, width) -> None:
    owner = torch.tensor(rows)[:, None].expand(-1, width)
    found = evidence_for(owner, 5).owner
    assert found is not None
    marked = (owner + 1).double()
    values = found.to_samples(marked)
    for sample in range(5):
        kept = values[sample][values[sample] != 0]
        assert (kept == sample + 1).all()
        assert len(kept) == rows.count(sample) * width


def test_a_weight_is_shared() -> None:
    cotangents = Cotangents(4, 1, torch.zeros(()))
    parts = torch.randn(4, 5, 4)
    plain = parts.sum(0)
    scaled = (parts * cotangents.values[:, None, None]).sum(0)
    assert cotangents.judge(plain, scaled).owner is None


def test_no_gradient_is_silence_and_not_evidence() -> None:
    cotangents = Cotangents(4, 1, torch.zeros(()))
    zero = torch.zeros(4, 3)
    assert cotangents.judge(zero, zero).silent
    assert cotangents.judge(None, None).silent


def test_one_sample_alone_is_not_certain() -> None:
    cotangents = Cotangents(4, 1, torch.zeros(()))
    plain = torch.zeros(4, 3)
    plain[1] = 1
    scaled = plain * cotangents.values[:, None]
    assert not cotangents.judge(plain, scaled).certain
    plain = torch.randn(4, 3)
    assert cotangents.judge(plain, plain * cotangents.values[:, None]).certain


def test_padded_rows_are_zero() -> None:
    owned = OwnedRows(0, torch.tensor([1, 0, 1]), batch=3)
    values = owned.to_samples(torch.tensor([[1.0], [2.0], [3.0]]))
    assert values.squeeze(2).tolist() == [[2.0, 0.0], [1.0, 3.0], [0.0, 0.0]]


def test_layout_moves_the_sample_axis_first() -> None:
    value = torch.arange(12).reshape(6, 2)
    assert Layout(0, 2, 1, 3).to_samples(value).tolist()[0] == [[0, 1], [6, 7]]
    assert Layout(0, 1, 2, 3).to_samples(value).tolist()[0] == [[0, 1], [2, 3]]
