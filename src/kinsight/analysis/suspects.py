"""Labels that the rest of the data, as this network sees it, does not support.

``"leave-one-out"``: what tangent-kernel ridge regression on all other samples answers, a_c
for class c (one-hot labels), exactly and without a refit:

    score = (1 − (a_y − max_{c≠y} a_c)) / 2, clamped to [0, 1].

With the network's own class scores z as ``logits`` both witnesses are heard,
a = max(0.4 a + 0.6 softmax(z/3), 0), and doubt counts for more where both are sure:

    score = (1 + s)/2, s = (r − a_y) / (r + a_y + 0.6), r = max_{c≠y} a_c.

``"neighbours"``: the nearest samples vote with the weight max(k, 0):

    score = 1 − Σ_{j: y_j = y} max(k_j, 0) / Σ_j max(k_j, 0).

Real labels: the deviation from the others' answer in robust standard deviations (1.4826
times the median deviation), score = erf(|z|/√2).

Example:
    Three samples agree; the fourth, as similar to them as they are, says otherwise.

    >>> import torch, kinsight as ks
    >>> kernel = ks.TangentKernel(torch.nn.Linear(1, 1, bias=False))
    >>> source = kernel.on(torch.ones(4, 1))
    >>> found = ks.suspects(source, [0, 0, 0, 1], method="neighbours", neighbours=3)
    >>> found.score.round(decimals=2).tolist(), found.proposed.tolist()
    ([0.33, 0.33, 0.33, 1.0], [0, 0, 0, 0])
    >>> found.contradicted().tolist()
    [3]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from kinsight.analysis.answers import answer
from kinsight.analysis.result import Result, histogram
from kinsight.analysis.targets import Targets, read_targets
from kinsight.analysis.votes import vote
from kinsight.analysis.walk import require_similarity
from kinsight.checks import above_zero, one_of, positive
from kinsight.drawing.marks import logarithmic
from kinsight.drawing.style import new_figure
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["leave-one-out", "neighbours"]
METHODS = ("leave-one-out", "neighbours")
# Chosen on Fashion-MNIST alone; weights of 0.3 to 0.5, temperatures of 2 to 4 and constants of
# 0.2 to 1 differ by less than 0.003 in the mean (docs/experiments/label_noise.md).
_OTHERS, _TEMPERATURE, _SOFTENING = 0.4, 3.0, 0.6
_DOUBTED = 0.997  # score of a real label beyond three standard deviations


@dataclass(frozen=True)
class Suspects(Result):
    """One entry a sample, in the order of the data. N samples, C classes or D numbers."""

    score: Tensor  # (N,) in [0, 1]: 1 = the others say something else; NaN = cannot be said
    rank: Tensor  # (N,) 0 = most suspected; samples without a score come last
    proposed: Tensor  # (N,) the others' class, −1 = none; for real labels (N, D) their answer
    contradicts: Tensor  # (N,) bool: the others propose another label
    answers: Tensor  # (N, C) support of each class; for real labels (N, D) the others' answer
    neighbours: Tensor  # (N, K) the evidence: nearest samples, −1 where there are fewer
    similarity: Tensor  # (N, K) and how similar they are
    method: str

    def order(self) -> Tensor:
        """Positions of the samples, most suspected first; those without a score left out."""
        return self.rank.argsort()[: int(self.score.isfinite().sum())]

    def contradicted(self) -> Tensor:
        """Positions of samples for which the others propose another label, by rank."""
        order = self.order()
        return order[self.contradicts[order]]

    def figure(self) -> "Figure":
        """A histogram of the score, counts as logarithms; contradicted labels in another colour."""
        figure, (axes,) = new_figure()
        name = "suspicion, 1 = the others say something else"
        histogram(axes, self.score, name, self.contradicts, "contradicted")
        logarithmic(axes.yaxis)
        return figure


def suspects(
    source: Source,
    labels: Sequence[Any] | Tensor,
    *,
    logits: Tensor | None = None,
    method: Method = "leave-one-out",
    neighbours: int = 10,
    ridge: float | None = None,
    rank: int | None = None,
) -> Suspects:
    """How little the rest of the data supports each label. A reason to look, not a verdict.

    Args:
        labels: whole numbers are classes, real numbers quantities; −1 and NaN are missing: they
            support nobody, are not judged, and get a proposal.
        logits: (N, C) the network's own class scores, best of samples it was not trained on.
        neighbours: K, that vote or stand as evidence; 0 for none, with ``"leave-one-out"``, which
            then looks at no pairs where the source has features.
        ridge: in units of tr K/N; ``None`` chooses the one of least leave-one-out error.
        rank: eigenpairs; ``None`` for all up to 4,096 samples, 2,048 landmarks beyond.

    Cost: all pairs for the neighbours; leave-one-out O(N³) in full, O(N S²) with rank S.

    Raises:
        ArgumentError: labels of another length or type, one class only, an unknown method.
    """
    one_of("method", method, METHODS)
    above_zero("ridge", 1.0 if ridge is None else ridge)
    require_similarity(source)
    targets = read_targets(labels, len(source))
    if logits is not None:
        logits, targets = _matched(logits, targets)
    nearest = _evidence(source, neighbours, method)
    if method == "neighbours":
        answers = vote(*nearest, targets)
    else:
        answers = answer(source, targets, ridge, rank).left_out
    return judge(answers, targets, nearest, method, logits)


def _evidence(source: Source, neighbours: int, method: Method) -> Neighbours:
    """The nearest samples, or no columns of them."""
    if neighbours == 0 and method == "leave-one-out":
        empty = torch.empty(len(source), 0)
        return Neighbours(empty, empty.long())
    return source.nearest(k=min(positive("neighbours", neighbours), len(source) - 1))


def _matched(logits: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    """Class scores and labels of as many classes."""
    given = torch.as_tensor(logits).detach().cpu().double()
    count, classes = targets.values.shape
    if targets.kind != "classes" or given.dim() != 2 or len(given) != count or (
        given.shape[1] < classes
    ):  # fmt: skip
        raise ArgumentError(
            f"logits: expected class scores ({count}, C) with C ≥ {classes} beside class labels, "
            f"got shape {tuple(given.shape)} beside {targets.kind}"
        )
    wide = torch.nn.functional.pad(targets.values, (0, given.shape[1] - classes))
    return given, Targets("classes", wide, targets.present)


def judge(
    answers: Tensor,
    targets: Targets,
    nearest: Neighbours,
    method: str,
    logits: Tensor | None = None,
) -> Suspects:
    """Scores, ranks and proposals from what the others answer, (N, C) or (N, D)."""
    if logits is not None:
        own = (logits / _TEMPERATURE).softmax(1)
        answers = (_OTHERS * answers + (1 - _OTHERS) * own).clamp_min(0)
    said = answers.isfinite().all(1)
    judged = targets.present & said
    if targets.kind == "classes":
        score = _of_classes(answers, targets, method, logits is not None)
        proposed = torch.where(said, _proposed(answers, targets), -1)
        contradicts = judged & (proposed != targets.index)
    else:
        score, proposed = _of_numbers(answers, targets, judged), answers
        contradicts = judged & (score > _DOUBTED)
    score = score.masked_fill(~judged, torch.nan)
    similarity = nearest.values.masked_fill(nearest.indices < 0, torch.nan)
    ranks = _ranks(score, answers.nan_to_num().amax(1))
    return Suspects(
        score, ranks, proposed, contradicts, answers, nearest.indices, similarity, method
    )


def _support(answers: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Of the label, and of the best other class: (N,) each."""
    own = targets.index.clamp_min(0)[:, None]
    return answers.gather(1, own)[:, 0], answers.scatter(1, own, -torch.inf).amax(1)


def _of_classes(answers: Tensor, targets: Targets, method: str, mixed: bool) -> Tensor:
    support, rest = _support(answers, targets)
    if method == "neighbours" and not mixed:
        return (1 - support).clamp(0, 1)
    scale = rest + support + _SOFTENING if mixed else 1.0
    return ((1 + (rest - support) / scale) / 2).clamp(0, 1)


def _proposed(answers: Tensor, targets: Targets) -> Tensor:
    """The class of most support; a tie between the label and another is no contradiction."""
    support, rest = _support(answers, targets)
    best = answers.nan_to_num(nan=-1.0).argmax(1)
    return torch.where(targets.present & (support >= rest), targets.index, best)


def _of_numbers(answers: Tensor, targets: Targets, judged: Tensor) -> Tensor:
    off = (targets.values - answers).norm(dim=1)
    typical = off[judged].median() if bool(judged.any()) else off.new_ones(())
    deviation = 1.4826 * typical.clamp_min(1e-300)
    return torch.erf(off / deviation / 2**0.5)


def _ranks(score: Tensor, best: Tensor) -> Tensor:
    """Place of each sample, 0 = most suspected: (N,).

    Ties at score 1 are many: there the more unanimous answer comes first.
    """
    first, second = (-score.nan_to_num(nan=-1.0)).tolist(), (-best).tolist()
    order = sorted(range(len(first)), key=lambda i: (first[i], second[i], i))
    ranks = torch.empty(len(order), dtype=torch.long)
    ranks[torch.tensor(order)] = torch.arange(len(order))
    return ranks
