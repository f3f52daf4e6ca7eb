"""Linear smoothers ŷ = H ỹ that training applies to labels: filters on eigenvalues, what they do.

H = V h(λ) Vᵀ over the eigenpairs of the tangent Gram. With h = λ/(λ + ρ) it is tangent-kernel
ridge regression; with h = 1 − exp(−λ η T/N) gradient descent on the mean of ½‖ŷ − y‖², step η,
T steps, of a network that behaves linearly in its parameters.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kinsight.analysis.spectrum import Spectrum
from kinsight.errors import ArgumentError

_ROWS = 8192  # samples that are judged at a time
_NUMBERS = 1 << 24  # answers at a time
_FITTED = 1 - 1e-12  # leverage of a sample that fits itself alone
RIDGES = torch.logspace(-8, 2, 61, dtype=torch.float64)  # of the mean eigenvalue tr K / N


@dataclass(frozen=True)
class Smoother:
    """h(λ) for every eigenpair, and what it stands for."""

    spectrum: Spectrum
    weights: Tensor  # (r,) h(λ) in [0, 1)
    kind: Literal["ridge", "descent"]
    parameter: float  # ρ, or η T

    def smooth(self, labels: Tensor) -> Tensor:
        """H y, plus the mean of y where the spectrum is centred: (N,) or (N, D), float64."""
        values, flat = _columns(labels, len(self.spectrum))
        mean = values.mean(0) if self.spectrum.centred else values.new_zeros(values.shape[1])
        vectors = self.spectrum.eigenvectors
        result = vectors @ (self.weights[:, None] * (vectors.T @ (values - mean))) + mean
        return result[:, 0] if flat else result

    def leverage(self) -> Tensor:
        """Diagonal of the smoother, the intercept's 1/N included where centred: (N,) in [0, 1]."""
        own = self.spectrum.eigenvectors.square() @ self.weights
        return own + 1 / len(self.spectrum) if self.spectrum.centred else own

    def gains(self) -> Tensor:
        """√(H Hᵀ)_ii, std of the answer at each sample for labels with noise of std 1: (N,)."""
        square = self.spectrum.eigenvectors.square() @ self.weights.square()
        square = square + 1 / len(self.spectrum) if self.spectrum.centred else square
        return square.sqrt()

    def noise_gain(self) -> float:
        """√(tr(H Hᵀ)/N) in [0, 1]: the share of the labels' noise that is in the answers."""
        return float(self.gains().square().mean().sqrt())

    def noise_level(self, residual: Tensor) -> Tensor:
        """σ̂ = √(‖ỹ − ŷ‖² / tr((I−H)ᵀ(I−H))) of ``residual`` ỹ − ŷ, (N,) or (N, D): () or (D,).

        Right where the signal itself is fitted; an upper bound otherwise. NaN where the smoother
        leaves less than one part in a hundred of the degrees of freedom.
        """
        values, flat = _columns(residual, len(self.spectrum))
        lost = (1 - self.weights).square().sum()
        rest = len(self.spectrum) - len(self.weights) - int(self.spectrum.centred)
        free = float(lost) + rest
        if free < 0.01 * len(self.spectrum):
            free = math.nan
        level = (values.square().sum(0) / free).sqrt()
        return level[0] if flat else level


def ridge(spectrum: Spectrum, ridge: float) -> Smoother:
    """Kernel ridge regression: minimises ‖y − f‖² + ρ‖f‖²_K, h = λ/(λ + ρ)."""
    if not ridge >= 0:
        raise ArgumentError(f"ridge: expected a number of at least 0, got {ridge!r}")
    values = spectrum.eigenvalues
    return Smoother(spectrum, values / (values + ridge), "ridge", float(ridge))


def descent(spectrum: Spectrum, rate: float, steps: int, momentum: float = 0.0) -> Smoother:
    """(Stochastic) gradient descent on the mean ½-squared loss: h = 1 − exp(−λ η T/N).

    ``spectrum`` must be of the unnormalised inner products k_I. Momentum μ makes the step
    η/(1 − μ). Holds for wide networks, whose kernel hardly moves; not for Adam. Where it moved,
    the kernel after training overestimates the gain and that at the start may underestimate it.
    """
    if not (rate > 0 and steps > 0 and 0 <= momentum < 1):
        raise ArgumentError(
            "descent: expected rate > 0, steps > 0 and 0 ≤ momentum < 1, "
            f"got {rate!r}, {steps!r}, {momentum!r}"
        )
    time = rate / (1 - momentum) * steps
    weights = -torch.expm1(-spectrum.eigenvalues * time / len(spectrum))
    return Smoother(spectrum, weights, "descent", time)


def matched(spectrum: Spectrum, labels: Tensor, residual: float) -> Smoother:
    """The descent filter that leaves as large a residual ‖(I − H) ỹ‖ as the network did.

    Asks for neither optimiser nor step. Good for wide networks under (stochastic) gradient
    descent, too low for Adam and where labels were learnt by heart
    (docs/experiments/noise_gain.md).

    Args:
        residual: ‖ỹ − ŷ‖ over all entries of ``labels``, ỹ less the network's first answers if
            they are known.

    Cost: O(N r) once, then 60 bisections of O(r).
    """
    values, _ = _columns(labels, len(spectrum))
    inside = (spectrum.eigenvectors.T @ values).square().sum(1)  # (r,)
    outside = float((values.square().sum() - inside.sum()).clamp_min(0))
    low, high = -30.0, 30.0  # log of time times the mean eigenvalue
    unit = float(spectrum.eigenvalues.mean()) / len(spectrum) if len(inside) else 1.0
    for _ in range(60):
        middle = (low + high) / 2
        left = (-2 * spectrum.eigenvalues / len(spectrum) * math.exp(middle) / unit).exp()
        if float((inside * left).sum()) + outside > residual**2:
            low = middle
        else:
            high = middle
    return descent(spectrum, math.exp((low + high) / 2) / unit, 1)


def leave_one_out(smoother: Smoother, labels: Tensor) -> Tensor:
    """What the ridge fit to all other samples answers for each: (N,) or (N, D), float64.

    (s_i − h_i y_i)/(1 − h_i) with s = H y and h the leverage: exact for ridge regression, with
    an unpenalised intercept where the spectrum is centred; an approximation for descent.
    """
    values, flat = _columns(labels, len(smoother.spectrum))
    answer = left_out(smoother.smooth(values), smoother.leverage(), values)
    return answer[:, 0] if flat else answer


def choose_ridge(spectrum: Spectrum, labels: Tensor) -> tuple[Smoother, Tensor]:
    """The ridge of least mean squared leave-one-out error over :data:`RIDGES`, and that curve.

    Cost: O(N r (D + 1)) for every ridge, in a few matrix products; no fit is repeated.
    """
    values, _ = _columns(labels, len(spectrum))
    mean = values.mean(0) if spectrum.centred else values.new_zeros(values.shape[1])
    inside = spectrum.eigenvectors.T @ (values - mean)  # (r, D)
    step = _rows_for(values.shape[1])
    parts = zip(spectrum.eigenvectors.split(step), values.split(step), strict=True)
    intercept = 1 / len(spectrum) if spectrum.centred else 0.0
    error = left_out_error(parts, spectrum.eigenvalues, inside, mean, len(spectrum), intercept)
    curve = error / values.numel()
    return ridge(spectrum, ridge_at(curve, spectrum.eigenvalues, len(spectrum))), curve


def ridge_at(curve: Tensor, eigenvalues: Tensor, count: int) -> float:
    """ρ of least error on ``curve`` over :data:`RIDGES`."""
    return float(RIDGES[curve.argmin()]) * float(eigenvalues.sum()) / count


def left_out_error(
    parts: Iterable[tuple[Tensor, Tensor]], eigenvalues: Tensor, inside: Tensor, mean: Tensor,
    count: int, intercept: float,
) -> Tensor:  # fmt: skip
    """Sum of the squared leave-one-out errors for each of :data:`RIDGES`: (R,).

    Args:
        parts: eigenvectors (B, r) and labels (B, D) of some samples after others.
        inside: (r, D) the labels along the eigenvectors, less their ``mean``, (D,).
        count: N of the mean eigenvalue tr K/N.
        intercept: what an unpenalised intercept adds to the leverage, 1/N or 0.
    """
    unit = float(eigenvalues.sum()) / count
    weights = eigenvalues[:, None] / (eigenvalues[:, None] + RIDGES * unit)  # (r, R)
    every = (weights[:, :, None] * inside[:, None]).flatten(1)  # (r, R·D)
    total = torch.zeros(len(RIDGES), dtype=torch.float64)
    step = _rows_for(inside.shape[1])
    for vectors, given in parts:
        for some, labels in zip(vectors.split(step), given.split(step), strict=True):
            own = some.square() @ weights + intercept
            answer = (some @ every).unflatten(1, (len(RIDGES), -1)) + mean  # (B, R, D)
            off = (labels[:, None] - answer) / (1 - own.clamp_max(_FITTED))[..., None]
            total += off.square().sum((0, 2))
    return total


def left_out(answer: Tensor, own: Tensor, labels: Tensor) -> Tensor:
    """(s − h y)/(1 − h) of fits s, (B, D), leverages h, (B,), and labels y, (B, D)."""
    own = own[:, None].clamp_max(_FITTED)
    return (answer - own * labels) / (1 - own)


def _rows_for(columns: int) -> int:
    """Samples that are judged at a time, so that their answers to all ridges fit into memory."""
    return max(1, min(_ROWS, _NUMBERS // (len(RIDGES) * max(columns, 1))))


def _columns(labels: Tensor, count: int) -> tuple[Tensor, bool]:
    """Labels as (N, D) float64, and whether they came as (N,)."""
    values = torch.as_tensor(labels).double()
    if len(values) != count or values.dim() not in (1, 2):
        raise ArgumentError(
            f"labels: expected shape ({count},) or ({count}, D), got {tuple(values.shape)}"
        )
    return (values[:, None], True) if values.dim() == 1 else (values, False)
