"""Labels that the rest of the data does not support, by the votes of the nearest samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.errors import ArgumentError


@dataclass(frozen=True)
class Suspects:
    """One entry a sample, in the order of the data. N samples, C classes."""

    score: Tensor  # (N,) in [0, 1]: 1 = no similar sample has this label; NaN = cannot be said
    proposed: Tensor  # (N,) the class with most votes; −1 = nobody votes
    votes: Tensor  # (N,) share of the votes that the proposed class got, in [0, 1]
    rank: Tensor  # (N,) 0 = most suspected; samples without a score come last
    contradicts: Tensor  # (N,) bool: the proposed class is another than the label

    def order(self) -> Tensor:
        """Positions of the samples, most suspected first; those without a score left out."""
        return self.rank.argsort()[: int(self.score.isfinite().sum())]

    def contradicted(self) -> Tensor:
        """Positions of samples whose neighbours vote for another label, most suspected first."""
        order = self.order()
        return order[self.contradicts[order]]


def suspects(similarity: Tensor, neighbours: Tensor, labels: Sequence[int] | Tensor) -> Suspects:
    """How little the nearest samples support each label.

    Each neighbour j votes for its own label with the weight max(k(x, x_j), 0):

        score(x) = 1 − Σ_{j: y_j = y} max(k_j, 0) / Σ_j max(k_j, 0)

    A high score is a reason to look, not a verdict: a rare but correct sample has one, too.

    Args:
        similarity: (N, K) to the nearest samples.
        neighbours: (N, K) their positions; −1 for none.
        labels: (N,) class indices; −1 for a missing label, which neither votes nor is judged.

    Cost: O(N (K + C)).

    Raises:
        ArgumentError: shapes that do not belong together, real-valued labels, one class only.

    Source: weighted nearest-neighbour voting, Dudani 1976, with the tangent kernel as weight.

    Example:
        Three samples agree; the fourth, as similar to them as they are, says otherwise.

        >>> import torch
        >>> others = torch.tensor([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
        >>> found = suspects(torch.full((4, 3), 0.9), others, [0, 0, 0, 1])
        >>> found.score.tolist()[3], found.proposed.tolist(), found.contradicted().tolist()
        (1.0, [0, 0, 0, 0], [3])
    """
    own = torch.as_tensor(labels)
    _check(similarity, neighbours, own)
    votes = _votes(similarity, neighbours, own)  # (N, C)
    total = votes.sum(1)
    shares = votes / total.clamp_min(torch.finfo(torch.float64).tiny)[:, None]
    support = shares.gather(1, own.clamp_min(0)[:, None])[:, 0]
    judged = (own >= 0) & (total > 0)
    score = torch.where(judged, (1 - support).clamp(0, 1), torch.nan)
    best, proposed = shares.max(1)
    proposed = torch.where(total > 0, proposed, -1)
    return Suspects(score, proposed, best, _ranks(score, best), judged & (best > support))


def _votes(similarity: Tensor, neighbours: Tensor, labels: Tensor) -> Tensor:
    """Similarity of the neighbours of each class, negative ones left out: (N, C)."""
    voters = neighbours.clamp_min(0)
    valid = (neighbours >= 0) & (labels[voters] >= 0)
    weights = torch.where(valid, similarity, 0.0).double().nan_to_num().clamp_min(0)  # (N, K)
    votes = torch.zeros(len(labels), int(labels.max()) + 1, dtype=torch.float64)
    return votes.scatter_add_(1, labels[voters].clamp_min(0), weights)


def _ranks(score: Tensor, best: Tensor) -> Tensor:
    """Place of each sample, 0 = most suspected: (N,).

    Ties at score 1 are many: there the more unanimous neighbourhood comes first.
    """
    first, second = (-score.nan_to_num(nan=-1.0)).tolist(), (-best).tolist()
    order = sorted(range(len(first)), key=lambda i: (first[i], second[i], i))
    ranks = torch.empty(len(order), dtype=torch.long)
    ranks[torch.tensor(order)] = torch.arange(len(order))
    return ranks


def _check(similarity: Tensor, neighbours: Tensor, labels: Tensor) -> None:
    if labels.is_floating_point() or labels.dim() != 1:
        raise ArgumentError(
            "labels: expected one class index per sample, whole numbers of shape (N,), got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    if similarity.shape != neighbours.shape or len(similarity) != len(labels):
        raise ArgumentError(
            f"expected similarity and neighbours of shape (N, K) with N = {len(labels)} labels, "
            f"got {tuple(similarity.shape)} and {tuple(neighbours.shape)}"
        )
    if len(labels[labels >= 0].unique()) < 2:
        raise ArgumentError(
            "labels: expected at least two classes, got fewer; with one class no label can be "
            "contradicted"
        )
