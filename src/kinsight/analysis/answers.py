"""What the rest of the data would answer for each sample: leave-one-out ridge regression."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.analysis.smoothing import Smoother, choose_ridge, leave_one_out, ridge
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
    smoother: Smoother  # on the labelled samples
    curve: Tensor | None  # mean squared leave-one-out error for each ridge that was tried
    rank: int

    @property
    def ridge(self) -> float:
        """ρ in units of the mean eigenvalue tr K/N; 0 where all samples are the same."""
        total = float(self.smoother.spectrum.eigenvalues.sum())
        return self.smoother.parameter * len(self.smoother.spectrum) / total if total else 0.0


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

    Cost: O(N³) in full, O(N S²) with rank S.
    """
    if rank is not None:
        positive("rank", rank)
    fit = source.norms().isfinite() & (source.ranks() > 0)
    known, asked = fit & targets.present, fit & ~targets.present
    if int(known.sum()) < 2:
        raise ArgumentError("labels: expected at least two samples with label and gradient")
    labels = targets.values[known]
    small = len(source) <= FULL and 8 * len(source) ** 2 <= source.memory_budget
    if rank is None and (gram is not None or small):
        gram = source.gram() if gram is None else gram
        spectrum = Spectrum.of_gram(gram[known][:, known], centred=True)
        gram = gram.double()
        predict = _by_gram(gram, known, asked)
    else:
        phi = source.features(rank or 2048)
        spectrum = Spectrum.of_features(phi[known], centred=True)
        predict = _by_features(phi, known, asked)
    smoother, curve = _smoother(spectrum, labels, rho)
    result = torch.full((len(source), labels.shape[1]), torch.nan, dtype=torch.float64)
    result[known] = leave_one_out(smoother, labels)
    if bool(asked.any()):
        result[asked] = predict(smoother, labels)
    return Answers(result, smoother, curve, len(spectrum.eigenvalues))


def _smoother(
    spectrum: Spectrum, labels: Tensor, rho: float | None
) -> tuple[Smoother, Tensor | None]:
    if rho is None:
        return choose_ridge(spectrum, labels)
    if rho < _LEAST:
        raise ArgumentError(
            f"ridge: expected at least {_LEAST:g} of the mean eigenvalue, where leave-one-out is "
            f"exact to 1e-5, got {rho!r}"
        )
    unit = float(spectrum.eigenvalues.sum()) / len(spectrum)
    return ridge(spectrum, rho * unit), None


def _dual(smoother: Smoother, labels: Tensor) -> Tensor:
    """α = (K_c + ρ)⁻¹ (y − ȳ): (n, D)."""
    vectors, values = smoother.spectrum.eigenvectors, smoother.spectrum.eigenvalues
    centred = labels - labels.mean(0)
    return vectors @ ((vectors.T @ centred) / (values + smoother.parameter)[:, None])


def _by_gram(gram: Tensor, known: Tensor, asked: Tensor):
    """Predictions for samples without a label from their similarities to those with one."""

    def predict(smoother: Smoother, labels: Tensor) -> Tensor:
        cross, among = gram[asked][:, known], gram[known][:, known]
        centred = cross - among.mean(0) - cross.mean(1, keepdim=True) + among.mean()
        return centred @ _dual(smoother, labels) + labels.mean(0)

    return predict


def _by_features(phi: Tensor, known: Tensor, asked: Tensor):
    """The same from features."""

    def predict(smoother: Smoother, labels: Tensor) -> Tensor:
        among = phi[known].double()
        mean = among.mean(0)
        weights = (among - mean).T @ _dual(smoother, labels)
        return (phi[asked].double() - mean) @ weights + labels.mean(0)

    return predict
