"""One look: from the Gram matrix of the probe to its figures, and one value of each a sample."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kinsight.analysis.density import density
from kinsight.analysis.fit import REGIMES, Fit, fit
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.suspects import suspects
from kinsight.analysis.targets import Targets
from kinsight.baselines.given import SimilaritySource
from kinsight.errors import ArgumentError
from kinsight.training.drift import centred_alignment, drift, finite_rows

EIGENVALUES = 10  # of the largest that are kept
_POWER = 4.0  # of the close neighbours, as in the report
_QUANTILES = {"q10": 0.1, "median": 0.5, "q90": 0.9}


@dataclass
class Look:
    """What was seen: figures of all samples together, and columns with one value a sample."""

    gram: Tensor  # (N, N) float32, Tr K(x, x'); NaN for samples set apart
    similarity: Tensor  # (N, N) in [−1, 1]
    figures: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Tensor] = field(default_factory=dict)
    fit: Fit | None = None


def look_at(
    gram: Tensor, targets: Targets | None, predicted: Tensor | None, streaks: "Streaks"
) -> Look:
    """All figures of one Gram matrix, drift left out.

    Args:
        gram: (N, N) Tr K(x, x').
        targets: the labels; None leaves out what needs them.
        predicted: (N,) the network's own classes, −1 = not finite; None = has none.
        streaks: of suspicion up to the look before.

    Cost: O(N²), and O(N³) for the spectrum and leave-one-out, in float64.
    """
    gram = gram.detach().cpu().float()
    gram = (gram + gram.T) / 2  # a sum in another order is off by rounding
    look = Look(gram, similarity_of(gram))
    apart = ~finite_rows(gram)
    look.figures["set_apart"] = int(apart.sum())
    look.samples["norm"] = gram.diagonal().clamp_min(0).sqrt()
    if targets is not None:
        look.samples |= {"looks_suspected": streaks.total, "in_a_row": streaks.row}
    if targets is not None and predicted is not None:
        _answers(look, targets, predicted)
    if len(gram) - int(apart.sum()) < 2:
        return look  # a training that diverged: nothing can be said
    source = SimilaritySource(look.similarity)
    _crowd(look, source)
    _spectrum(look, gram[~apart][:, ~apart])
    if targets is not None:
        _with_labels(look, source, targets, ~apart)
        _suspicion(look, source, targets, predicted, streaks)
    return look


def similarity_of(gram: Tensor) -> Tensor:
    """k = Tr K(x, x') / √(Tr K(x, x) Tr K(x', x')) in [−1, 1]: (N, N) float32.

    1 with itself, 0 where a gradient vanishes, NaN for samples set apart.
    """
    norms = gram.diagonal().double().clamp_min(0).sqrt()
    scale = torch.where(norms == 0, 1.0, norms)
    similarity = (gram.double() / scale / scale[:, None]).clamp(-1, 1)
    own = torch.where(norms.isnan(), norms, (norms > 0).double())
    return similarity.diagonal_scatter(own).float()


def add_drift(look: Look, start: Tensor | None, last: Tensor | None) -> None:
    """How far the kernel moved since the start, and since the look before: (N, N) each."""
    for since, before in (("start", start), ("last", last)):
        if before is not None:
            moved = drift(look.gram, before)
            look.figures[f"change_since_{since}"] = moved.change
            look.figures[f"alignment_since_{since}"] = moved.alignment
            look.figures[f"cka_since_{since}"] = moved.centred


def _crowd(look: Look, source: SimilaritySource) -> None:
    """Density, of all and of close neighbours."""
    soft = density(source, "soft").score
    close = density(source, "power", power=_POWER).score
    look.samples |= {"density": soft, "close": close}
    look.figures |= {"density_mean": float(soft.nanmean()), "close_mean": float(close.nanmean())}
    for name, quantile in _QUANTILES.items():
        look.figures[f"density_{name}"] = float(soft.nanquantile(quantile))
        look.figures[f"close_{name}"] = float(close.nanquantile(quantile))


def _spectrum(look: Look, gram: Tensor) -> None:
    """exp of the entropy of λ/Σλ (Roy and Vetterli 2007), and the largest eigenvalues."""
    values = Spectrum.of_gram(gram).eigenvalues
    look.figures["eigenvalues"] = values[:EIGENVALUES].tolist()
    look.figures["trace"] = float(gram.diagonal().double().sum())
    if len(values):
        share = values / values.sum()
        look.figures["effective_rank"] = float(torch.special.entr(share).sum().exp())


def _with_labels(look: Look, source: SimilaritySource, targets: Targets, kept: Tensor) -> None:
    """Fit, similarity within and between classes, alignment with the labels."""
    look.fit = fit(source, _given(targets))
    judged = look.fit.regime >= 0
    look.samples |= {"fit_count": look.fit.count, "fit_spread": look.fit.spread}
    look.samples["fit"] = look.fit.regime
    for number, name in enumerate(REGIMES):
        share = float((look.fit.regime[judged] == number).double().mean())
        look.figures["fit_" + name.replace(" ", "_").replace("-", "_")] = share
    known = kept & targets.present
    values = targets.values[known] - targets.values[known].mean(0)
    similarity = look.similarity[known][:, known].double()
    look.figures["label_alignment"] = centred_alignment(similarity, values @ values.T)
    if targets.kind == "classes":
        index = targets.index[known]
        same = index[:, None] == index
        others = ~torch.eye(len(index), dtype=torch.bool)
        look.figures["similarity_within"] = float(similarity[same & others].mean())
        look.figures["similarity_between"] = float(similarity[~same].mean())


def _answers(look: Look, targets: Targets, predicted: Tensor) -> None:
    """How often the network itself gives the label."""
    known = targets.present
    right = (predicted == targets.index)[known]
    look.samples["predicted"] = predicted
    look.figures["accuracy"] = float(right.double().mean())


def _suspicion(
    look: Look,
    source: SimilaritySource,
    targets: Targets,
    predicted: Tensor | None,
    streaks: "Streaks",
) -> None:
    """Which labels the rest of the probe contradicts, for how long, and which are learnt."""
    try:
        found = suspects(source, _given(targets), neighbours=0)
    except ArgumentError:  # fewer than two labelled samples have a gradient
        return
    streaks = streaks.after(found.contradicts)
    look.samples |= {
        "suspect_score": found.score,
        "suspect_rank": found.rank,
        "suspected": found.contradicts,
        "looks_suspected": streaks.total,
        "in_a_row": streaks.row,
        "persistent": streaks.persistent,
    }
    look.figures["suspects"] = int(found.contradicts.sum())
    look.figures["persistent_suspects"] = int(streaks.persistent.sum())
    if targets.kind == "classes":
        look.samples["proposed"] = found.proposed
        if predicted is not None:
            memorised = found.contradicts & (predicted == targets.index)
            look.samples["memorised"] = memorised
            look.figures["memorised"] = int(memorised.sum())


@dataclass(frozen=True)
class Streaks:
    """How often each label was suspected, and how often in a row up to the last look."""

    total: Tensor  # (N,) looks
    row: Tensor  # (N,) looks
    stays: int  # looks in a row from which a suspect is persistent

    @classmethod
    def none(cls, count: int, stays: int) -> "Streaks":
        """Before the first look."""
        zero = torch.zeros(count, dtype=torch.long)
        return cls(zero, zero, stays)

    @property
    def persistent(self) -> Tensor:
        """Suspected in each of the last ``stays`` looks: (N,) bool."""
        return self.row >= self.stays

    def after(self, suspected: Tensor) -> "Streaks":
        """With one more look, of which ``suspected`` (N,) bool were."""
        row = torch.where(suspected, self.row + 1, 0)
        return Streaks(self.total + suspected, row, self.stays)


def _given(targets: Targets) -> Tensor:
    """The labels again as analyses take them: missing ones −1 or NaN."""
    if targets.kind == "classes":
        return targets.index
    return targets.values.masked_fill(~targets.present[:, None], torch.nan)
