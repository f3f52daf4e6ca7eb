"""What the rest of the data would answer for each sample: leave-one-out ridge regression."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.analysis.feature_spectrum import FeatureSpectrum, Pieces
from kinsight.analysis.smoothing import (
    Smoother,
    choose_ridge,
    leave_one_out,
    left_out,
    left_out_error,
    ridge,
    ridge_at,
)
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.targets import Targets
from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.kernel.source import Source

_LEAST = 1e-10
FULL = 4096  # samples up to which the whole Gram matrix is decomposed by default


@dataclass(frozen=True)
class Answers:
    """N samples, D columns of labels."""

    left_out: Tensor  # (N, D) the others' answer, NaN for samples set apart
    ridge: float  # ρ in units of the mean eigenvalue tr K/N; 0 where all samples are the same
    curve: Tensor | None  # mean squared leave-one-out error for each ridge that was tried
    rank: int  # eigenpairs


def answer(
    source: Source,
    targets: Targets,
    rho: float | None,
    rank: int | None,
    gram: Tensor | None = None,
) -> Answers:
    """Leave-one-out answers of kernel ridge regression with an unpenalised intercept.

    ``rho``: the ridge, in units of the mean eigenvalue tr K/N; ``None`` chooses the one of least
    leave-one-out error. ``rank``: eigenpairs, ``None`` for all up to 4,096 samples and features
    of 2,048 landmarks beyond. Samples without a label do not take part and are predicted.
    ``gram``: (N, N) similarities, where somebody has them already. The features are
    normalised: norms that differ by much (sure and unsure samples) would drown the rest.

    Cost: O(N³) in full. With rank S three passes over the features, which are never held:
    O(N S²) operations, memory O(S²) and the answers.
    """
    if rank is not None:
        positive("rank", rank)
    fit = source.norms().isfinite() & (source.ranks() > 0)
    known = fit & targets.present
    if int(known.sum()) < 2:
        raise ArgumentError("labels: expected at least two samples with label and gradient")
    if rho is not None and rho < _LEAST:
        raise ArgumentError(
            f"ridge: expected at least {_LEAST:g} of the mean eigenvalue, where leave-one-out is "
            f"exact to 1e-5, got {rho!r}"
        )
    small = len(source) <= FULL and 8 * len(source) ** 2 <= source.memory_budget
    if rank is None and (gram is not None or small):
        gram = source.gram() if gram is None else gram
        return _by_gram(gram, targets, known, fit & ~targets.present, rho)
    return _by_features(source.feature_blocks(rank or 2048), targets, known, fit, rho)


def _by_gram(
    gram: Tensor, targets: Targets, known: Tensor, asked: Tensor, rho: float | None
) -> Answers:
    """From all similarities: (N, N)."""
    spectrum = Spectrum.of_gram(gram[known][:, known], centred=True)
    labels = targets.values[known]
    unit = float(spectrum.eigenvalues.sum()) / len(spectrum)
    if rho is None:
        smoother, curve = choose_ridge(spectrum, labels)
    else:
        smoother, curve = ridge(spectrum, rho * unit), None
    result = torch.full_like(targets.values, torch.nan)
    result[known] = leave_one_out(smoother, labels)
    if bool(asked.any()):
        result[asked] = _predicted(gram.double(), known, asked, smoother, labels)
    return Answers(
        result, smoother.parameter / unit if unit else 0.0, curve, len(spectrum.eigenvalues)
    )


def _predicted(
    gram: Tensor, known: Tensor, asked: Tensor, smoother: Smoother, labels: Tensor
) -> Tensor:
    """For samples without a label, from their similarities to those with one: (M, D)."""
    vectors, values = smoother.spectrum.eigenvectors, smoother.spectrum.eigenvalues
    mean = labels.mean(0)
    dual = vectors @ ((vectors.T @ (labels - mean)) / (values + smoother.parameter)[:, None])
    cross, among = gram[asked][:, known], gram[known][:, known]
    centred = cross - among.mean(0) - cross.mean(1, keepdim=True) + among.mean()
    return centred @ dual + mean


def _by_features(
    pieces: Pieces, targets: Targets, known: Tensor, fit: Tensor, rho: float | None
) -> Answers:
    """From features that stream by: what they add up to, the ridge, the answers."""
    spectrum = FeatureSpectrum.of(pieces, targets.values, known)
    values, count = spectrum.eigenvalues, len(spectrum)
    unit, curve = float(values.sum()) / count, None
    if rho is None:
        parts = (
            (vectors[known[rows]], targets.values[rows][known[rows]])
            for rows, vectors in spectrum.vectors(pieces)
        )
        error = left_out_error(
            parts, values, spectrum.inside, spectrum.label_mean, count, 1 / count
        )
        curve = error / (count * targets.values.shape[1])
        parameter = ridge_at(curve, values, count)
    else:
        parameter = rho * unit
    weights = values / (values + parameter)
    result = torch.full_like(targets.values, torch.nan)
    for rows, vectors in spectrum.vectors(pieces):
        answer = vectors @ (weights[:, None] * spectrum.inside) + spectrum.label_mean
        own = vectors.square() @ weights + 1 / count
        others = left_out(answer, own, targets.values[rows])
        chosen = torch.where(known[rows, None], others, answer)
        result[rows] = chosen.masked_fill(~fit[rows, None], torch.nan)
    return Answers(result, parameter / unit if unit else 0.0, curve, len(values))
