"""Blocks by position: what is split adds up to what the block says as a whole."""

import pytest
import torch
from torch.testing import assert_close

from kinsight.tangent.blocks import Block, Convolution, Dense, Geometry, Outer, Rows, add_up

B, D = 3, 2


def outer(positions: int, flipped: bool = False) -> Outer:
    left = torch.randn(B, 2, positions, 3).double()
    return Outer(left, torch.randn(B, D, 2, positions, 4).double(), flipped)


def rows(positions: int) -> Rows:
    index = torch.randint(0, 5, (B, positions))
    return Rows(index, torch.randn(B, D, positions, 4).double(), 5)


def convolution() -> Convolution:
    geometry = Geometry((3, 2), (2, 1), (1, 0), (1, 2), 2)
    value, delta = torch.randn(B, 4, 5, 6).double(), torch.randn(B, D, 6, 3, 4).double()
    return Convolution(value, delta, geometry)


MAKE = {
    "outer": lambda: outer(5),
    "flipped": lambda: outer(5, True),
    "outer used twice": lambda: add_up([outer(5), outer(2)]),
    "rows": lambda: rows(5),
    "rows used three times": lambda: add_up([add_up([rows(1), rows(5)]), rows(2)]),
    "convolution": convolution,
}
SIZES = {
    "outer used twice": [(5,), (2,)],
    "rows used three times": [(1,), (5,), (2,)],
    "convolution": [(3, 4)],
}


@pytest.mark.parametrize("name", MAKE)
def test_positions_add_up_to_the_contraction(name: str) -> None:
    block: Block = MAKE[name]()
    direction = torch.randn_like(block.dense()[0])
    parts = block.by_position(direction)
    assert [tuple(part.shape[1:]) for part in parts] == SIZES.get(name, [(5,)])
    assert_close(sum(part.flatten(1).sum(1) for part in parts), block.contract(direction))
    assert_close(block.contract(direction), block.dense().flatten(1) @ direction.flatten())


@pytest.mark.parametrize("name", MAKE)
def test_pairs_add_up_to_the_product_and_by_rows_to_positions(name: str) -> None:
    ours, theirs = MAKE[name](), MAKE[name]()
    pairs = ours.by_pair(theirs)
    assert_close(pairs.sum((2, 3)), ours.dense().flatten(1) @ theirs.dense().flatten(1).T)
    for c in range(B):
        parts = ours.by_position(theirs.dense()[c])
        flat = torch.cat([part.flatten(1) for part in parts], 1)
        assert_close(pairs[:, c].sum(2), flat)


def test_mixing_keeping_cleaning_and_flipping_leave_the_uses_apart() -> None:
    for block in (add_up([outer(5), outer(2)]), add_up([rows(5), rows(2)])):
        bad = torch.tensor([True, False, False])
        mixed = block.mix(torch.randn(B, 4, D).double()).keep(torch.tensor([1, 2])).clean(bad[1:])
        parts = mixed.by_position(torch.randn_like(mixed.dense()[0]))
        assert [tuple(part.shape) for part in parts] == [(2, 5), (2, 2)]
    twice = add_up([outer(5), outer(2)])
    assert isinstance(twice, Outer)
    assert twice.flip().uses == (5, 2)


def test_what_was_written_out_has_no_positions() -> None:
    written = Dense(torch.randn(B, D, 7))
    assert written.by_position(torch.randn(D, 7)) == ()
    assert written.by_pair(written) is None
    assert outer(5).by_pair(written) is None
