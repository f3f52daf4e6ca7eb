"""A parameter that is used several times: its uses add up, factored where they match."""

from collections.abc import Sequence

import torch

from kinsight.tangent.blocks.base import Block
from kinsight.tangent.blocks.dense import Dense
from kinsight.tangent.blocks.outer import Outer
from kinsight.tangent.blocks.rows import Rows


def add_up(blocks: list[Block]) -> Block:
    """J of a parameter that is used several times: the uses add up, factored where they match."""
    if len(blocks) == 1:
        return blocks[0]
    outers = [b for b in blocks if type(b) is Outer]
    kinds = {(b.left.shape[1], b.left.shape[3], b.right.shape[4], b.flipped) for b in outers}
    if len(outers) == len(blocks) and len(kinds) == 1:
        left = torch.cat([b.left for b in outers], 2)
        right = torch.cat([b.right for b in outers], 3)
        return Outer(left, right, outers[0].flipped, _uses(outers))
    tables = [b for b in blocks if isinstance(b, Rows)]
    if len(tables) == len(blocks):
        index = torch.cat([b.index for b in tables], 1)
        right = torch.cat([b.right for b in tables], 2)
        return Rows(index, right, tables[0].height, _uses(tables))
    total = blocks[0].dense()
    for block in blocks[1:]:
        total = total + block.dense()
    return Dense(total)


def _uses(blocks: Sequence[Outer | Rows]) -> tuple[int, ...]:
    return tuple(positions for block in blocks for positions in block.uses)
