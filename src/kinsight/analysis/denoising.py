"""How far label noise is averaged away by similar samples: measurable without true labels.

At a stationary point Σ_j K(x_i, x_j)(ŷ_j − ỹ_j) = 0, so that with
E_k[a](x_i) = (Σ_j K_ij)⁻¹ Σ_j K_ij a_j

    ŷ_i − E_k[y] = E_k[ε] + (ŷ_i − E_k[ŷ]):    averaged noise + shift.

The factor std(E_k[ε])/σ alone is optimistic where the network fits its samples one by one;
the noise gain is that of the smoother H which training applied to all labels: of gradient
descent if ``training`` says how long (or that the residual tells), else of the ridge regression of
least leave-one-out error. Self-similarity is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kinsight.analysis.answers import answer
from kinsight.analysis.applied import applied
from kinsight.analysis.assumptions import Assumption, check_assumptions
from kinsight.analysis.averages import Averages, averages
from kinsight.analysis.result import Result, histogram
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.targets import Targets, read_targets
from kinsight.analysis.training import Descent, Training, check_training
from kinsight.analysis.walk import require_similarity
from kinsight.checks import above_zero
from kinsight.drawing.marks import line_at
from kinsight.drawing.style import new_figure
from kinsight.errors import ArgumentError
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST, RANK = 4096, 2048  # N·D up to which the Gram matrix is decomposed; landmarks beyond


@dataclass(frozen=True)
class Denoising(Result):
    """N samples, D outputs. E_k averages over the labelled samples, itself included."""

    neighbourhood: Tensor  # (N, D) E_k[ỹ], the neighbourhood's label
    factor: Tensor  # (N,) std of E_k[ε] for noise of std 1: √(tr C/D); 1/√N … 1 for k ≥ 0
    covariance: Tensor  # (N, D, D) C = Σ_j W_ij W_ijᵀ; its matrix square root is the std factor
    effective: Tensor  # (N,) 1/factor², Kish's effective number of neighbours
    shift: Tensor  # (N, D) ŷ − E_k[ŷ], the part of the answer that is no average
    residual: Tensor  # (N, D) E_k[ŷ] − E_k[ỹ], zero at a stationary point of the L2 loss
    decay: Tensor  # (N, D) the part of the residual that weight decay explains
    negative: Tensor  # (N,) share of the weights that is negative
    left_out: Tensor  # (N, D) leave-one-out answer of ridge regression on the similarity
    ridge: float  # its ρ, in units of tr K/N
    gain: Tensor | None  # (N,) std of the smoother's answer for noise of std 1
    noise_gain: float | None  # √(tr H Hᵀ/(N D)), the share of the noise that is in the answers
    noise_level: float | None  # σ̂ of the labels, in their units
    smoother: str  # that of noise_gain: "descent", "ridge" (not normalised) or "none"
    parameter: float | None  # Σ η, or the ridge ρ
    rank: int | None  # eigenpairs of that smoother; the gain is at most √(rank/(N D))
    assumptions: tuple[Assumption, ...]

    def summary(self) -> str:
        """The findings, then every assumption and whether it holds."""
        middle = float(self.factor[self.factor.isfinite()].median())
        lines = [f"denoising factor, median {middle:.3g}"]
        if self.noise_gain is not None and self.noise_level is not None:
            told = self.noise_level == self.noise_level  # NaN: nearly all is fitted
            level = f"σ̂ = {self.noise_level:.3g}" if told else "not to be told"
            gain = f"noise gain {self.noise_gain:.3g} by {self.smoother}"
            lines.append(f"{gain}, noise level {level}")
        lines += [
            f"{'holds' if a.holds else 'FAILS'}: {a.name} ({a.says})" for a in self.assumptions
        ]
        return "\n".join(lines)

    def figure(self) -> "Figure":
        """Factor and shift as histograms."""
        figure, (left, right) = new_figure(2, 5)
        histogram(left, self.factor, "denoising factor")
        if self.noise_gain is not None:
            line_at(left, self.noise_gain, f"noise gain by {self.smoother}")
        histogram(right, self.shift.norm(dim=1), "‖shift‖, in units of the label")
        return figure


def denoise(
    source: Source,
    labels: Sequence[Any] | Tensor,
    *,
    training: Training = None,
    ridge: float | None = None,
    loss_weights: Tensor | None = None,
    weight_decay: float = 0.0,
    rank: int | None = None,
) -> Denoising:
    """Averaged noise and shift of a network trained on noisy labels with the L2 loss.

    Args:
        source: ``kernel.on(data)`` with ``output`` = what the loss compares with the labels.
        labels: ỹ, real numbers (N,) or (N, D); NaN = missing, predicted from the others. Whole
            numbers are classes and compared one-hot with D = C outputs.
        training: step sizes times steps of (stochastic) gradient descent on the mean of
            ½‖ŷ − y‖², not for Adam; ``"residual"``: as long as leaves the network's residual.
        ridge: ρ in units of tr K/N; ``None`` chooses it by exact leave-one-out.
        loss_weights: (N,) the weight of each sample in the loss, a mean over the labelled ones;
            weight 0 is as no label. ``left_out`` weighs the others alike.
        weight_decay: λ of the optimiser, with the loss averaged over samples.
        rank: eigenpairs for ridge and smoother; ``None`` for all if N·D ≤ 4,096, beyond it 2,048
            landmarks where D = 1, and no smoother for several outputs.

    Cost: all pairs, D² products each, and O((N D)³), or O(N S²) with rank S.

    Raises:
        ArgumentError: labels of another length or type, or of another D than the outputs.

    Source: Charpiat et al., NeurIPS 2019, section 5; Golub, Heath and Wahba 1979 for
    leave-one-out.
    """
    above_zero("ridge", 1.0 if ridge is None else ridge)
    loss, targets = _read(source, labels, loss_weights, weight_decay, training)
    others = answer(source, targets, ridge, rank)
    parts = _parts(source, targets, loss, rank)
    return Denoising(**parts, left_out=others.left_out, ridge=others.ridge)


@dataclass(frozen=True)
class _Loss:
    """The loss that the network was trained with: a weighted mean over the labelled samples."""

    labelled: Tensor  # (N,) bool
    weights: Tensor  # (N,)
    decay: float
    training: Training


def _read(
    source: Source, labels: Any, loss_weights: Tensor | None, weight_decay: float,
    training: Training,
) -> tuple[_Loss, Targets]:  # fmt: skip
    """The loss, and the labels that count in it."""
    require_similarity(source)
    check_training(training)
    targets = read_targets(labels, len(source), varied=False)
    _check_width(targets, source.dimension)
    weights = _loss_weights(loss_weights, len(source))
    _check_decay(source, weight_decay)
    present = targets.present & (weights > 0)
    if not bool(present.any()):
        raise ArgumentError("loss_weights: expected a labelled sample with a weight above 0")
    loss = _Loss(targets.present, weights, weight_decay, training)
    return loss, Targets(targets.kind, targets.values, present)


def _parts(source: Source, targets: Targets, loss: _Loss, rank: int | None) -> dict[str, Any]:
    """Averages, smoother and assumptions, from one walk over K_ij."""
    outputs, weak = source.outputs().double(), source.ranks() == 0
    apart = source.norms().isnan() | weak  # without a gradient there is nothing to average
    count = int((loss.labelled & ~apart).sum())
    stacked = torch.stack([targets.values, outputs.nan_to_num()], 2)  # (N, D, 2)
    whole = rank is None and len(source) * source.dimension <= LARGEST
    found = averages(source, stacked, loss.weights, targets.present, keep_gram=whole)
    averaged = _averaged(found, outputs, _decay(source, found, loss.decay, count))
    result = {n: v.masked_fill(_like(apart, v), torch.nan) for n, v in averaged.items()}
    known = targets.present & ~apart
    spectrum = _spectrum(source, found, known, loss.weights, rank)
    done = _applied(spectrum, targets, outputs, known, loss, count)
    told = isinstance(loss.training, Descent) and done["smoother"] == "descent"
    assumed = check_assumptions(result, targets, found.condition, done["smoother"], told)
    return {**result, **done, "assumptions": assumed}


def _check_width(targets: Targets, dimension: int) -> None:
    if targets.values.shape[1] != dimension:
        raise ArgumentError(
            f"labels: expected {dimension} numbers a sample, as many as f(x) has, got "
            f"{targets.values.shape[1]}; choose the kernel's output= to be what the loss compares "
            "with the labels"
        )


def _loss_weights(given: Tensor | None, count: int) -> Tensor:
    if given is None:
        return torch.ones(count, dtype=torch.float64)
    weights = torch.as_tensor(given).double().reshape(-1)
    if len(weights) != count or not bool((weights.isfinite() & (weights >= 0)).all()):
        raise ArgumentError(
            f"loss_weights: expected {count} finite numbers of at least 0, got "
            f"{len(weights)}, the least of them {float(weights.min()) if len(weights) else 0:g}"
        )
    return weights


def _check_decay(source: Source, weight_decay: float) -> None:
    if not (0 <= weight_decay < float("inf")):
        raise ArgumentError(f"weight_decay: expected a number of at least 0, got {weight_decay!r}")
    if weight_decay and not isinstance(source, ExactSource):
        raise ArgumentError(
            "weight_decay: expected a source of the exact kernel, kernel.on(data), which knows "
            f"the parameters; got {type(source).__name__}"
        )


def _decay(source: Source, found: Averages, weight_decay: float, count: int) -> Tensor:
    """−n λ (Σ_j c_j K_ij)⁻¹ J_i θ, n labelled samples: what weight decay leaves. (N, D)."""
    if not (weight_decay and isinstance(source, ExactSource)):
        return torch.zeros(found.of.shape[:2], dtype=torch.float64)
    pull = found.inverse @ source.along_parameters().nan_to_num()[:, :, None]
    return -count * weight_decay * pull[:, :, 0]


def _averaged(found: Averages, outputs: Tensor, decay: Tensor) -> dict[str, Tensor]:
    label, answer = found.of.unbind(2)
    variance = found.covariance.diagonal(dim1=1, dim2=2).mean(1)
    return {
        "neighbourhood": label,
        "factor": variance.sqrt(),
        "covariance": found.covariance,
        "effective": 1 / variance,
        "shift": outputs - answer,
        "residual": answer - label,
        "decay": decay,
        "negative": found.negative,
    }


def _spectrum(
    source: Source, found: Averages, known: Tensor, weights: Tensor, rank: int | None
) -> Spectrum | None:
    """Of c^{1/2} K c^{1/2} over the labelled samples; None where that is out of reach."""
    if int(known.sum()) < 2:
        return None
    root = weights.sqrt()
    if found.gram is not None:
        each, scale = (v.repeat_interleave(source.dimension) for v in (known, root))
        gram = found.gram[each][:, each] * scale[each, None] * scale[each]
        return Spectrum.of_gram(gram, precision=found.precision)
    if source.dimension > 1:
        return None
    phi = source.features(rank or RANK).double() * (source.norms().double() * root)[:, None]
    return Spectrum.of_features(phi[known])


def _applied(
    spectrum: Spectrum | None, targets: Targets, outputs: Tensor, known: Tensor, loss: _Loss,
    count: int,
) -> dict[str, Any]:  # fmt: skip
    """What training did to the noise, where the spectrum is at hand."""
    if spectrum is None:
        nothing = dict.fromkeys(("gain", "noise_gain", "noise_level", "parameter", "rank"))
        return {**nothing, "smoother": "none"}
    values, answers, weights = (v[known] for v in (targets.values, outputs, loss.weights))
    done = applied(spectrum, values, answers, weights, loss.training, count)
    gain = torch.full((len(known),), torch.nan, dtype=torch.float64)
    gain[known] = done.gain
    return {
        "gain": gain,
        "noise_gain": done.noise_gain,
        "noise_level": done.noise_level,
        "smoother": done.kind,
        "parameter": done.parameter,
        "rank": done.rank,
    }


def _like(apart: Tensor, value: Tensor) -> Tensor:
    return apart.reshape(-1, *[1] * (value.dim() - 1))
