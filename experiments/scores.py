"""Uncertainty scores of a regression network at new points, and how well they order its errors."""

import math
from itertools import islice

import torch
from torch import Tensor, nn

import kinsight as ks

NAMES = {
    "influence": "influence 1/Σ|k_N|",
    "posterior": "posterior std of the kernel",
    "norm": "gradient norm ‖g‖ (control)",
    "distance": "distance in the last layer",
    "ensemble": "ensemble of five",
    "constant": "constant (plain conformal)",
}
NEIGHBOURS = 10


def scores(members: list[nn.Sequential], x: Tensor, labels: Tensor, asked: Tensor) -> dict:
    """Every score of :data:`NAMES` for the first network at ``asked``, (M,) each, float64.

    High means uncertain. ``x`` and ``labels``: what the networks were trained on.
    """
    model = members[0]
    kernel = ks.TangentKernel(model)
    cross = kernel.inner(asked, x).double()  # (M, N)
    own = kernel.on(asked).norms().double().square()
    return {
        "influence": influence_uncertainty(cross, own),
        "posterior": posterior_std(kernel.inner(x).double(), cross, own, labels),
        "norm": own.sqrt(),
        "distance": neighbour_distance(model, x, asked),
        "ensemble": ensemble_std(members, asked),
        "constant": torch.ones(len(asked), dtype=torch.float64),
    }


def influence_uncertainty(cross: Tensor, own: Tensor) -> Tensor:
    """1 / Σ_j |k_N(x, x_j)|, k_N(x, x_j) = g·g_j / ‖g‖²: (M,).

    How much f(x) can change before the reference samples change by one in total.
    ``cross``: g·g_j, (M, N). ``own``: ‖g‖², (M,).
    """
    return own / cross.abs().sum(1).clamp_min(1e-300)


def posterior_std(gram: Tensor, cross: Tensor, own: Tensor, labels: Tensor) -> Tensor:
    """√(k(x,x) − k_x (K + ρI)⁻¹ k_xᵀ), ρ of least leave-one-out error: (M,)."""
    spectrum = ks.Spectrum.of_gram(gram)
    ridge, _ = ks.smoothing.choose_ridge(spectrum, labels)
    projected = cross @ spectrum.eigenvectors  # (M, r)
    explained = (projected.square() / (spectrum.eigenvalues + ridge.parameter)).sum(1)
    return (own - explained).clamp_min(0).sqrt() + 1e-9 * own.mean().sqrt()


def neighbour_distance(model: nn.Sequential, x: Tensor, asked: Tensor) -> Tensor:
    """Mean distance to the ten nearest training samples in the last hidden layer: (M,)."""
    hidden = nn.Sequential(*islice(model, len(model) - 1))
    with torch.no_grad():
        distances = torch.cdist(hidden(asked).double(), hidden(x).double())
    nearest = distances.topk(min(NEIGHBOURS, len(x)), largest=False).values
    return nearest.mean(1).clamp_min(1e-9)


def ensemble_std(members: list[nn.Sequential], asked: Tensor) -> Tensor:
    """Standard deviation over the members' answers: (M,)."""
    with torch.no_grad():
        answers = torch.stack([member(asked)[:, 0] for member in members]).double()
    return answers.std(0).clamp_min(1e-9)


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation, in [-1, 1]; 0 where one side is constant."""
    if bool((first == first[0]).all()) or bool((second == second[0]).all()):
        return 0.0
    ranks = torch.stack([values.argsort().argsort().double() for values in (first, second)])
    return float(torch.corrcoef(ranks)[0, 1])


def conformal_factor(error: Tensor, score: Tensor, level: float = 0.9) -> float:
    """q such that ±q·score covers a new point with probability ``level`` (split conformal)."""
    ratio = (error.abs() / score).sort().values
    place = math.ceil((len(ratio) + 1) * level)
    return float(ratio[place - 1]) if place <= len(ratio) else math.inf


def thirds(score: Tensor) -> list[Tensor]:
    """Indices of the lowest, the middle and the highest third."""
    return list(score.argsort().tensor_split(3))
