"""Similarities that somebody has already, as a source: judgements of people, a saved kernel."""

from typing import Any

import torch
from torch import Tensor

from kinsight.baselines.tiles import TileSource
from kinsight.errors import ArgumentError
from kinsight.kernel.budget import memory_budget as budget_for

_ROUNDING = 1e-4


class SimilaritySource(TileSource):
    """N samples whose similarities are given, for every analysis and comparison.

    Args:
        similarities: (N, N), symmetric, in [−1, 1], 1 on the diagonal (0 where there is nothing
            to compare); rows of NaN for samples set apart. Kept as they are, in their precision.
        memory_budget: bytes for tiles and results; default a quarter of the machine's.

    Raises:
        ArgumentError: another shape, not symmetric, or not within [−1, 1].

    Example:
        >>> import torch, kinsight as ks
        >>> judged = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> ks.baselines.SimilaritySource(judged).nearest(k=1).indices[:, 0].tolist()
        [1, 0, 1]
    """

    def __init__(self, similarities: Tensor, *, memory_budget: int | None = None):
        value = _checked(torch.as_tensor(similarities).detach().cpu())
        own = value.diagonal().double()
        super().__init__(own.clamp(0, 1).sqrt(), budget_for(memory_budget, value.device))
        self._similarities = value.clamp(-1, 1)

    def tile(self, columns: Tensor) -> Tensor:
        """Similarities of all samples with those at ``columns``: (N, C)."""
        return self._similarities[:, columns]

    def cross(self, queries: Any) -> Tensor:
        """Similarities of queries with all samples, given as (Q, N).

        Raises:
            ArgumentError: another shape.
        """
        if not isinstance(queries, Tensor) or queries.shape[1:] != (len(self),):
            raise ArgumentError(
                f"queries: expected their similarities with the samples, shape (Q, {len(self)}), "
                f"got {type(queries).__name__}"
            )
        return queries


def _checked(value: Tensor) -> Tensor:
    shape = tuple(value.shape)
    if value.dim() != 2 or shape[0] != shape[1] or not value.is_floating_point() or not len(value):
        raise ArgumentError(
            f"similarities: expected real numbers of shape (N, N), got {value.dtype} of shape "
            f"{shape}"
        )
    own = value.diagonal().double()
    difference = (value - value.T).abs().nan_to_num(0)
    if bool((difference > _ROUNDING).any()) or not torch.equal(value.isnan(), value.T.isnan()):
        raise ArgumentError(
            "similarities: expected a symmetric matrix, got one that differs from its "
            f"transpose by up to {float(difference.max()):.2g}; average both directions"
        )
    if bool((value.abs() > 1 + _ROUNDING).any()) or bool((own < 0).any()):
        raise ArgumentError(
            "similarities: expected values in [−1, 1] and 1 with itself; divide a kernel by "
            "√(k(x,x) k(x',x'))"
        )
    apart = own.isnan()
    if bool(value[~apart][:, ~apart].isnan().any()):
        raise ArgumentError(
            "similarities: expected NaN in whole rows only, on the diagonal too, for samples "
            "set apart"
        )
    return value
