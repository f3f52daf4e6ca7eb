"""Wrong labels: how they are planted, how methods score them, how the scores are judged.

N samples, C classes, K neighbours. Every score is (N,), higher = more suspected.
"""

from dataclasses import dataclass

import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.nn import functional

import kinsight as ks

NEIGHBOURS = 25
WEIGHT, TEMPERATURE, SOFTENING = 0.4, 3.0, 0.6  # chosen on Fashion-MNIST alone
OURS = "tangent_mixed"
# What the page shows, ours last.
METHODS = {
    "confidence": "the network's own confidence, 1 − p_y",
    "self_confidence": "cleanlab, self_confidence",
    "normalized_margin": "cleanlab, normalized_margin",
    "adjusted_margin": "cleanlab, normalized_margin, adjusted",
    "hidden_neighbours": "25 nearest, last hidden layer",
    "tangent_neighbours": "25 nearest, tangent kernel",
    "tangent_alone": "leave-one-out, tangent kernel, without the network's answer",
    "hidden_mixed": "the recipe with the last hidden layer as kernel",
    "tangent_mixed": "**the recipe: leave-one-out, tangent kernel, with the network's answer**",
}
RIVALS = tuple(METHODS)[:5]
VARIANTS = {
    "tangent_mixed": "the recipe",
    "mixed_margin": "the plain margin in place of the contrast",
    "mixed_unsoftened": "the network's probabilities not softened",
    "residual": "leave-one-out on what the softened answer leaves unexplained, added to it",
    "softened_alone": "the softened answer alone, no kernel",
}
MEASURES = ("AUROC", "average precision", "precision at the noise rate")


def noisy_labels(
    labels: Tensor, rate: float, kind: str, similar: list[int], generator: torch.Generator
) -> Tensor:
    """A copy of ``labels`` (N,) of which exactly round(rate · N) were replaced by another class.

    ``"symmetric"``: by any other class with equal chances. ``"class-dependent"``: class c by
    ``similar[c]``.
    """
    classes = len(similar)
    chosen = torch.randperm(len(labels), generator=generator)[: round(rate * len(labels))]
    result = labels.clone()
    if kind == "symmetric":
        steps = torch.randint(1, classes, (len(chosen),), generator=generator)
        result[chosen] = (labels[chosen] + steps) % classes
    elif kind == "class-dependent":
        result[chosen] = torch.tensor(similar)[labels[chosen]]
    else:
        raise ValueError(f"kind: expected 'symmetric' or 'class-dependent', got {kind!r}")
    return result


def judged(score: Tensor, wrong: Tensor) -> dict[str, float]:
    """How well ``score`` (N,) puts the ``wrong`` (N,) bool first: each measure in [0, 1]."""
    first = score.argsort(descending=True, stable=True)[: int(wrong.sum())]
    values = (
        roc_auc_score(wrong.numpy(), score.numpy()),
        average_precision_score(wrong.numpy(), score.numpy()),
        wrong[first].double().mean(),
    )
    return {name: float(value) for name, value in zip(MEASURES, values, strict=True)}


@dataclass(frozen=True)
class Evidence:
    """What the methods may look at."""

    labels: Tensor  # (N,) as given, some of them wrong
    logits: Tensor  # (N, C) of the network
    hidden: Tensor  # (N, H) its last hidden layer
    gram: Tensor  # (N, N) its tangent kernel, Tr K

    def spectra(self) -> tuple[ks.Spectrum, ks.Spectrum]:
        """Eigenpairs of the tangent kernel and of the last hidden layer. Cost: O(N³)."""
        return (
            ks.Spectrum.of_gram(self.gram.double(), centred=True),
            ks.Spectrum.of_features(self.hidden, centred=True),
        )


def all_scores(evidence: Evidence, spectra: tuple[ks.Spectrum, ks.Spectrum]) -> dict[str, Tensor]:
    """Every method of :data:`METHODS` and :data:`VARIANTS`: its score (N,)."""
    labels, logits = evidence.labels, evidence.logits.double()
    probabilities, soft = logits.softmax(1), (logits / TEMPERATURE).softmax(1)
    tangent, hidden = (left_out(spectrum, labels, logits.shape[1]) for spectrum in spectra)
    missing = functional.one_hot(labels, logits.shape[1]).double() - soft
    residual = soft + leave_one_out_of(spectra[0], missing)
    unit = evidence.gram.diagonal().clamp_min(1e-30).rsqrt()
    directions = functional.normalize(evidence.hidden.double())
    return {
        "confidence": 1 - own(probabilities, labels),
        "self_confidence": cleanlab(labels, probabilities, "self_confidence"),
        "normalized_margin": cleanlab(labels, probabilities, "normalized_margin"),
        "adjusted_margin": cleanlab(labels, probabilities, "normalized_margin", adjusted=True),
        "hidden_neighbours": neighbours(directions @ directions.T, labels),
        "tangent_neighbours": neighbours(evidence.gram * unit * unit[:, None], labels),
        "tangent_alone": margin(tangent, labels),
        "hidden_mixed": contrast(mixed(hidden, soft), labels),
        "tangent_mixed": contrast(mixed(tangent, soft), labels),
        "mixed_margin": margin(mixed(tangent, soft), labels),
        "mixed_unsoftened": contrast(mixed(tangent, probabilities), labels),
        "residual": contrast(residual, labels),
        "softened_alone": contrast(soft, labels),
    }


def left_out(spectrum: ks.Spectrum, labels: Tensor, classes: int) -> Tensor:
    """What kernel ridge regression on all other samples answers for each: (N, C)."""
    return leave_one_out_of(spectrum, functional.one_hot(labels, classes).double())


def leave_one_out_of(spectrum: ks.Spectrum, targets: Tensor) -> Tensor:
    """The same for any targets (N, C), the ridge of least leave-one-out error."""
    smoother, _ = ks.smoothing.choose_ridge(spectrum, targets)
    return ks.smoothing.leave_one_out(smoother, targets)


def mixed(left_out: Tensor, probabilities: Tensor) -> Tensor:
    """0.4 of what the other samples say, 0.6 of what the network says: (N, C)."""
    return WEIGHT * left_out + (1 - WEIGHT) * probabilities


def contrast(answers: Tensor, labels: Tensor) -> Tensor:
    """(r − a_y) / (r + a_y + 0.6), with r the largest of the other classes: (N,) in (−1, 1)."""
    support = answers.clamp_min(0)
    mine, rest = own(support, labels), best_other(support, labels)
    return (rest - mine) / (rest + mine + SOFTENING)


def margin(answers: Tensor, labels: Tensor) -> Tensor:
    """r − a_y: (N,)."""
    return best_other(answers, labels) - own(answers, labels)


def neighbours(similarity: Tensor, labels: Tensor) -> Tensor:
    """Share of the votes of the 25 most similar samples, with their similarity, against y: (N,)."""
    count = min(NEIGHBOURS, len(labels) - 1)
    found = similarity.clone().fill_diagonal_(-torch.inf).topk(count, dim=1)
    votes = found.values.clamp_min(0).double()  # (N, K)
    agree = labels[found.indices] == labels[:, None]
    return 1 - (votes * agree).sum(1) / votes.sum(1).clamp_min(1e-30)


def cleanlab(labels: Tensor, probabilities: Tensor, method: str, adjusted: bool = False) -> Tensor:
    """1 − cleanlab's label quality score: (N,)."""
    from cleanlab.rank import get_label_quality_scores  # the experiments' own dependency

    quality = get_label_quality_scores(
        labels.numpy(), probabilities.numpy(), method=method, adjust_pred_probs=adjusted
    )
    return 1 - torch.from_numpy(quality)


def own(answers: Tensor, labels: Tensor) -> Tensor:
    """a_y of each sample: (N,)."""
    return answers.gather(1, labels[:, None])[:, 0]


def best_other(answers: Tensor, labels: Tensor) -> Tensor:
    """max_{c≠y} a_c of each sample: (N,)."""
    return answers.scatter(1, labels[:, None], -torch.inf).max(1).values
