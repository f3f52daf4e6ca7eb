"""The k most similar samples for every row of a stream of blocks, merged block by block."""

from typing import NamedTuple

import torch
from torch import Tensor


class Neighbours(NamedTuple):
    """Nearest samples, most similar first. Where fewer than k exist: value −inf, index −1."""

    values: Tensor  # (Q, k) similarity
    indices: Tensor  # (Q, k) position in the data


class TopK:
    """Running top-k over columns for a range of rows. Ties go to the smaller index."""

    def __init__(self, rows: int, k: int, like: Tensor):
        self.values = torch.full((rows, k), -torch.inf, dtype=like.dtype, device=like.device)
        self.indices = torch.full((rows, k), -1, dtype=torch.long, device=like.device)

    def add(self, values: Tensor, first_column: int, self_index: Tensor | None) -> None:
        """Merge a block (rows, columns); ``self_index[r]`` is the column that is row r itself."""
        values = torch.where(values.isnan(), -torch.inf, values)
        if self_index is not None:
            own = self_index.to(values.device) - first_column
            inside = ((own >= 0) & (own < values.shape[1])).nonzero()[:, 0]
            values[inside, own[inside]] = -torch.inf
        found, columns = _first_best(values, self.values.shape[1])
        merged = torch.cat([self.values, found], 1)
        indices = torch.cat([self.indices, columns + first_column], 1)
        order = merged.sort(dim=1, descending=True, stable=True).indices[:, : self.values.shape[1]]
        self.values = merged.gather(1, order)
        kept = indices.gather(1, order)
        self.indices = torch.where(self.values == -torch.inf, -1, kept)


def _first_best(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, in the order of their columns; of equal ones the first columns.

    A partial selection says which, but not which of several equal ones: rows where that matters
    at the border are sorted.
    """
    k = min(k, values.shape[1])
    best, columns = values.topk(k, dim=1)
    border = best[:, -1:]
    tied = (values == border).sum(1) > (best == border).sum(1)
    if bool(tied.any()):
        chosen = values[tied]
        order = chosen.sort(dim=1, descending=True, stable=True).indices[:, :k]
        best[tied], columns[tied] = chosen.gather(1, order), order
    order = columns.argsort(1)
    return best.gather(1, order), columns.gather(1, order)
