"""Smoothers ŷ = H ỹ that may stand for a training run, all read from its networks and labels."""

import itertools
from dataclasses import dataclass

import torch
from recipes import Recipe, Snapshot, rescaled
from torch import Tensor, nn

import kinsight as ks

NAMES = {
    "plain": "plain denoising factor",
    "ridge": "ridge, leave-one-out",
    "start": "filter, kernel at the start",
    "end": "filter, kernel at the end",
    "way": "filter, kernels on the way",
    "residual": "filter, time from the residual",
    "adam_end": "Adam's metric, at the end",
    "adam_way": "Adam's metric, on the way",
    "adam_residual": "Adam's metric, time from the residual",
}


@dataclass(frozen=True)
class Prediction:
    """What one smoother says of a run."""

    matrix: Tensor  # H, (N, N)
    level: float | None  # σ̂, of the noise in the labels

    @property
    def gain(self) -> float:
        """√(tr(H Hᵀ)/N): the share of the labels' noise that is expected in the answers."""
        return float(self.matrix.square().sum().div(len(self.matrix)).sqrt())

    def gain_of(self, noise: Tensor) -> float:
        """‖H ε‖ / ‖ε‖ for this very noise."""
        return float((self.matrix @ noise.double()).norm() / noise.double().norm())


def gram(model: nn.Sequential, x: Tensor, scales: list[Tensor] | None = None) -> Tensor:
    """k_I of the network, (N, N) float64; with ``scales`` J diag(scales) Jᵀ."""
    seen = model if scales is None else rescaled(model, scales)
    return ks.TangentKernel(seen).inner(x).double()


def predictions(
    start: nn.Sequential, snapshots: list[Snapshot], x: Tensor, noisy: Tensor, recipe: Recipe
) -> dict[str, Prediction]:
    """Every smoother of :data:`NAMES` that applies, from one run on noisy labels.

    ``snapshots``: of the middle of every segment of :func:`segments`, and the trained network.
    """
    last, labels = snapshots[-1], noisy.double()
    with torch.no_grad():
        residual = labels - last.model(x)[:, 0].double()
    found = {"plain": Prediction(averaging(gram(last.model, x)), None)}
    found["ridge"] = ridge(gram(last.model, x), labels)
    plain = [gram(taken.model, x) for taken in snapshots]
    found["start"] = filtered([gram(start, x)], [(0, recipe.steps)], recipe, residual)
    found |= of_run(plain, recipe, labels, residual, "")
    if last.scales is not None:
        metric = [gram(taken.model, x, taken.scales) for taken in snapshots]
        found |= of_run(metric, recipe, labels, residual, "adam_")
    return found


def of_run(
    grams: list[Tensor], recipe: Recipe, labels: Tensor, residual: Tensor, prefix: str
) -> dict[str, Prediction]:
    """The filters on the last kernel, on those on the way, and with a time from the residual."""
    whole, parts = [(0, recipe.steps)], segments(recipe.steps, len(grams) - 1)
    return {
        prefix + "end": filtered(grams[-1:], whole, recipe, residual),
        prefix + "way": filtered(grams[:-1], parts, recipe, residual),
        prefix + "residual": time_from_residual(grams[-1], labels, residual),
    }


def segments(steps: int, count: int) -> list[tuple[int, int]]:
    """Steps in ``count`` parts that grow linearly: the kernel moves most at the start."""
    edges = [round(steps * (part / count) ** 2) for part in range(count + 1)]
    return list(itertools.pairwise(edges))


def middles(steps: int, count: int) -> tuple[int, ...]:
    """The step in the middle of every segment, where its kernel is taken."""
    return tuple((first + last) // 2 for first, last in segments(steps, count))


def averaging(kernel: Tensor) -> Tensor:
    """w_ij = k_ij / Σ_j k_ij: the plain denoising factor is the RMS of its rows' norms."""
    return kernel / kernel.sum(1, keepdim=True)


def ridge(kernel: Tensor, labels: Tensor) -> Prediction:
    """Kernel ridge regression with the ridge of least leave-one-out error."""
    best, _ = ks.smoothing.choose_ridge(ks.Spectrum.of_gram(kernel, centred=True), labels)
    level = best.noise_level(labels - best.smooth(labels))
    return Prediction(best.smooth(torch.eye(len(labels))), float(level))


def filtered(
    kernels: list[Tensor], parts: list[tuple[int, int]], recipe: Recipe, residual: Tensor
) -> Prediction:
    """I − H = Π exp(−K η T/N) over the parts of the run, each with its own kernel and T steps."""
    one = torch.eye(len(residual), dtype=torch.float64)
    left = one
    for kernel, (first, last) in zip(kernels, parts, strict=True):
        if last > first:
            spectrum = ks.Spectrum.of_gram(kernel)
            left = left - ks.smoothing.descent(spectrum, recipe.rate, last - first).smooth(left)
    return Prediction(one - left, level_of(left, residual))


def time_from_residual(kernel: Tensor, labels: Tensor, residual: Tensor) -> Prediction:
    """The descent filter whose own residual ‖(I − H) ỹ‖ is the network's.

    Asks for neither optimiser nor step nor number of steps.
    """
    smoother = ks.smoothing.matched(ks.Spectrum.of_gram(kernel), labels, float(residual.norm()))
    matrix = smoother.smooth(torch.eye(len(labels)))
    return Prediction(matrix, level_of(torch.eye(len(labels)) - matrix, residual))


def level_of(left: Tensor, residual: Tensor) -> float:
    """σ̂ = ‖ỹ − ŷ‖ / √tr((I−H)ᵀ(I−H)) with I − H = ``left``."""
    return float(residual.norm() / left.norm().clamp_min(1e-12))
