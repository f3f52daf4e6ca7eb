"""The smoother that training applied to the labels, and what it left of their noise."""

from dataclasses import dataclass

from torch import Tensor

from kinsight.analysis.smoothing import Smoother, choose_ridge, descent, matched
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.training import Descent, Training
from kinsight.errors import ArgumentError


@dataclass(frozen=True)
class Applied:
    """n samples, D outputs."""

    kind: str  # "descent" or "ridge"
    parameter: float  # Σ η, or the ridge ρ
    gain: Tensor  # (n,) std of the answer for label noise of std 1, root mean square over D
    noise_gain: float  # √(tr H Hᵀ/(n D))
    noise_level: float  # σ̂ of the labels, in their units; NaN where it cannot be told
    rank: int  # eigenpairs; the gain is at most √(rank/(n D))


def applied(
    spectrum: Spectrum,
    labels: Tensor,
    outputs: Tensor,
    weights: Tensor,
    training: Training,
    samples: int,
) -> Applied:
    """The filter of gradient descent if ``training`` is known, else leave-one-out ridge.

    ``training="residual"``: descent for as long as leaves the residual that the network left.

    Args:
        spectrum: of c^{1/2} K c^{1/2}, n·D rows, K not normalised. With √c on both sides the
            weighted loss is the plain one: H = c^{-1/2} h(c^{1/2} K c^{1/2}) c^{1/2}.
        labels, outputs: (n, D) ỹ and ŷ.
        weights: (n,) c of each sample in the loss, above 0.
        samples: that the loss is a mean over, those of weight 0 included.
    """
    d = labels.shape[1]
    root = weights.repeat_interleave(d).sqrt()
    smoother, parameter = _smoother(spectrum, labels, outputs, root, training, samples)
    square = _squared_gains(smoother, root).reshape(-1, d)
    level = smoother.noise_level((labels - outputs).reshape(-1) * root)
    scale = root.square().mean().sqrt()  # noise of the weighted labels back in units of labels
    return Applied(
        smoother.kind,
        parameter,
        square.mean(1).sqrt(),
        float(square.mean().sqrt()),
        float(level / scale),
        len(spectrum.eigenvalues),
    )


def _smoother(
    spectrum: Spectrum, labels: Tensor, outputs: Tensor, root: Tensor, training: Training,
    samples: int,
) -> tuple[Smoother, float]:  # fmt: skip
    """And its parameter. The filters' N is the samples of the loss, not rows of the spectrum."""
    per_row = len(spectrum) / samples
    if isinstance(training, Descent):
        return descent(spectrum, training.time * per_row, 1), training.time
    if training is None:
        smoother, _ = choose_ridge(spectrum, (labels - labels.mean(0)).reshape(-1) * root)
        return smoother, smoother.parameter
    given, residual = (v.reshape(-1) * root for v in (labels, labels - outputs))
    if float(residual.norm()) > 0.999 * float(given.norm()):
        raise ArgumentError(
            "training='residual': expected a network that fits a part of its labels, got a "
            "residual as large as the labels themselves; say how long it was trained, "
            "training=ks.Descent.of(rate, steps)"
        )
    smoother = matched(spectrum, given, float(residual.norm()))
    return smoother, smoother.parameter / per_row


def _squared_gains(smoother: Smoother, root: Tensor) -> Tensor:
    """Diagonal of H Hᵀ: (n·D,)."""
    if bool((root == root[0]).all()):
        return smoother.gains().square()
    vectors = smoother.spectrum.eigenvectors
    hat = (vectors * smoother.weights) @ vectors.T
    return (hat * root / root[:, None]).square().sum(1)
