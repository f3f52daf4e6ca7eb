"""Candidates of a search compared with their queries once more, in float64, and sorted anew.

A matrix product in float32 rounds differently at the edge of a block, so that two equal rows may
come out unequal by the last digit. Here every pair is summed in the same way: equal rows tie.
"""

import torch
from torch import Tensor

from kinsight.kernel.neighbours import Neighbours
from kinsight.search.rows import Rows

_NUMBERS = 1 << 22  # of the pairs that are multiplied at a time


def rescored(rows: Rows, queries: Tensor, candidates: Tensor, k: int) -> Neighbours:
    """The k best of each query's candidates, of equal ones the smaller row number first.

    Args:
        queries: (Q, S).
        candidates: (Q, C) row numbers in any order, −1 for none.

    Returns: similarities rounded to float32 and clamped to [−1, 1], (Q, k).
    Cost: Q C S; each shard is read once.
    """
    scores = torch.full(candidates.shape, -torch.inf)
    step = max(1, _NUMBERS // rows.dim)
    for number, where in enumerate(rows.shards):
        asked, place = ((candidates >= where.start) & (candidates < where.stop)).nonzero(
            as_tuple=True
        )
        values = rows.read(number) if len(asked) else torch.empty(0)
        for start in range(0, len(asked), step):
            q, c = asked[start : start + step], place[start : start + step]
            found = values[candidates[q, c] - where.start].double()
            scores[q, c] = (found * queries[q]).sum(1).float().clamp(-1, 1)
    candidates, order = candidates.sort(dim=1, stable=True)
    scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
    indices = candidates.gather(1, order).masked_fill(scores == -torch.inf, -1)
    return Neighbours(scores[:, :k], indices[:, :k])
