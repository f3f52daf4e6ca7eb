"""Votes of the nearest samples: each for its own label, weighted by similarity."""

import torch
from torch import Tensor

from kinsight.analysis.targets import Targets


def vote(similarity: Tensor, neighbours: Tensor, targets: Targets) -> Tensor:
    """Share of the votes that each class gets, Σ_j max(k_j, 0) y_j / Σ_j max(k_j, 0): (N, C).

    For real labels the weighted mean of the neighbours. NaN where nobody votes; a sample without
    a label does not vote.

    Args:
        similarity, neighbours: (N, K) of the nearest samples; −1 for none.

    Cost: O(N K C). Source: Dudani 1976, with the tangent kernel as weight.
    """
    voters = neighbours.clamp_min(0)
    valid = (neighbours >= 0) & targets.present[voters]
    weights = torch.where(valid, similarity, 0.0).double().nan_to_num().clamp_min(0)  # (N, K)
    total = torch.zeros_like(targets.values)
    for k in range(neighbours.shape[1]):
        total += weights[:, k, None] * targets.values[voters[:, k]]
    return total / weights.sum(1, keepdim=True)  # 0/0 where nobody votes
