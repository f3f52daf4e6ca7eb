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
        columns = torch.arange(values.shape[1], device=values.device) + first_column
        if self_index is not None:
            values = values.masked_fill(
                columns == self_index.to(values.device)[:, None], -torch.inf
            )
        merged = torch.cat([self.values, values], 1)
        indices = torch.cat([self.indices, columns.expand(len(values), -1)], 1)
        order = merged.sort(dim=1, descending=True, stable=True).indices[:, : self.values.shape[1]]
        self.values = merged.gather(1, order)
        found = indices.gather(1, order)
        self.indices = torch.where(self.values == -torch.inf, -1, found)
