"""Losses for noisy labels, and estimates of the matrix that made them noisy.

T_ij = P(noisy label j | true label i), (C, C), rows sum to one. p = softmax of the class scores z,
(B, C). N samples, C classes, B samples of a batch; every loss is a mean over the batch.
"""

import torch
from noisy_methods_training import CLASSES, Loss
from torch import Tensor, nn
from torch.nn import functional

ANCHOR = 0.97  # quantile; the very largest answer may be an outlier (Patrini et al. 2017)
START = 4.0  # of the noise layer: 0.86 on the diagonal


def weighted(targets: Tensor, weights: Tensor | None = None) -> Loss:
    """−Σ w t·log p / Σ w for targets (N, C), and weights (N,), 0 = left out."""
    targets = targets.float()
    kept = torch.ones(len(targets)) if weights is None else weights.float()

    def loss(scores: Tensor, rows: Tensor) -> Tensor:
        each = -(targets[rows] * scores.log_softmax(1)).sum(1)  # (B,)
        return (kept[rows] * each).sum() / kept[rows].sum().clamp_min(1)

    return loss


def forward(labels: Tensor, matrix: Tensor) -> Loss:
    """−log (pᵀT)_y: the noise is put onto the answers (Patrini et al. 2017)."""
    matrix = matrix.float()

    def loss(scores: Tensor, rows: Tensor) -> Tensor:
        noisy = scores.softmax(1) @ matrix  # (B, C)
        return functional.nll_loss(noisy.clamp_min(1e-7).log(), labels[rows])

    return loss


def backward(labels: Tensor, matrix: Tensor) -> Loss:
    """(T⁻¹ v)_y with v_c = −log p_c: in the mean over the noise, the loss on the true labels.

    Two classes: Natarajan et al. 2013. It can be negative.
    """
    inverse = torch.linalg.inv(matrix.double()).float()

    def loss(scores: Tensor, rows: Tensor) -> Tensor:
        return -(inverse[labels[rows]] * scores.log_softmax(1)).sum(1).mean()

    return loss


class NoiseLayer(nn.Module):
    """T as a layer behind the softmax that learns along (Sukhbaatar et al. 2014).

    Rows are the softmax of parameters that start near the identity; weight decay draws them
    towards equal chances, so that the network and not the layer explains what both could.
    """

    def __init__(self, classes: int = CLASSES):
        super().__init__()
        self.logits = nn.Parameter(START * torch.eye(classes))

    def forward(self) -> Tensor:
        """T: (C, C)."""
        return self.logits.softmax(1)

    def loss(self, labels: Tensor) -> Loss:
        """The forward loss with T as it is at each step."""
        return lambda scores, rows: forward(labels, self())(scores, rows)


def true_matrix(rate: float, kind: str, similar: list[int]) -> Tensor:
    """T of ``label_scores.noisy_labels``: (C, C)."""
    classes = len(similar)
    stays = (1 - rate) * torch.eye(classes, dtype=torch.float64)
    if kind == "symmetric":
        others = 1 - torch.eye(classes, dtype=torch.float64)
        return stays + rate / (classes - 1) * others
    if kind == "class-dependent":
        return stays + rate * torch.eye(classes, dtype=torch.float64)[similar]
    raise ValueError(f"kind: expected 'symmetric' or 'class-dependent', got {kind!r}")


def anchored(probabilities: Tensor) -> Tensor:
    """T whose row i is what the network answers for the sample that looks most like class i.

    ``probabilities`` (N, C) of a network trained on the noisy labels. The most: the 97 % quantile
    of column i.
    """
    place = round(ANCHOR * (len(probabilities) - 1))
    return probabilities[probabilities.argsort(0)[place]]


def counted(labels: Tensor, probabilities: Tensor) -> Tensor:
    """T from cleanlab's joint counts of given labels and confident answers (N, C).

    The answers should be of samples that the network was not trained on. A class that no sample
    counts for keeps its label.
    """
    from cleanlab.count import estimate_joint  # the experiments' own dependency

    joint = estimate_joint(labels.numpy(), probabilities.numpy())  # given × true
    counts = torch.as_tensor(joint).double().T
    total = counts.sum(1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp_min(1e-12), torch.eye(len(counts)).double())


def issues(labels: Tensor, probabilities: Tensor) -> Tensor:
    """Which labels cleanlab's ``find_label_issues`` calls wrong, with its defaults: (N,) bool."""
    from cleanlab.filter import find_label_issues  # the experiments' own dependency

    found = find_label_issues(labels.numpy(), probabilities.numpy(), n_jobs=1)
    return torch.as_tensor(found)
