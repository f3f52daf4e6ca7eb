"""How much to damp: the ρ under which one half of the gradients best foretells the other.

With M = F + ρ·m·I, m the mean diagonal of a block, and H the second moments of gradients that F
has not seen, log det M + Tr(M⁻¹H) is, but for a constant, twice the negative log-likelihood of
those gradients as normal with covariance M. It is least where M is closest to what new samples
need: too little damping trusts directions that no sample showed, too much forgets F.
"""

import warnings
from collections.abc import Callable
from math import isfinite
from typing import Literal

import torch
from torch import Tensor

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, MetricWarning

GRID = tuple(float(f"{10 ** (e / 2):.3g}") for e in range(-12, 1))  # 1e-6 … 1, two a decade
Damping = float | Literal["auto"]
RULE = "held-out likelihood of gradients"


def checked(damping: Damping) -> Damping:
    """``damping`` if it is a share of at least 0, or ``"auto"``."""
    if isinstance(damping, str):
        one_of("damping", damping, ("auto",))
        return "auto"
    if isinstance(damping, bool) or not isfinite(damping) or damping < 0:
        raise ArgumentError(f"damping: expected 'auto' or a number of at least 0, got {damping!r}")
    return float(damping)


def loss(values: Tensor, held: Tensor, mean: Tensor, damping: float) -> float:
    """log det M + Tr(M⁻¹H), with F's eigenvalues and H in its eigenbasis; flat blocks left out."""
    m = (values + damping * mean).double()
    inside = (mean > 0).expand_as(m)
    return float((m.log() + held.double() / m)[inside].sum())


def settled(damping: Damping, judge: Callable[[float], float]) -> tuple[float, str]:
    """ρ and how it was found: the given one, or the best of the grid by ``judge``.

    A best ρ at an end of the grid is told: the data do not settle it.
    """
    if damping != "auto":
        return float(damping), "given"
    losses = torch.tensor([judge(rho) for rho in GRID], dtype=torch.float64)
    best = int(losses.nan_to_num(torch.inf, torch.inf, torch.inf).argmin())
    if best == len(GRID) - 1:
        warnings.warn(
            f"damping: the data ask for ρ = {GRID[-1]:g} or more, at which the metric is close to "
            "a multiple of the Euclidean one in each block; fit it to more samples",
            MetricWarning,
            stacklevel=4,
        )
    return GRID[best], RULE


def inverse_root(values: Tensor, limit: Tensor | float) -> Tensor:
    """values^-½ where they exceed ``limit``, 0 elsewhere."""
    inside = values > limit
    return torch.where(inside, values, 1.0).rsqrt() * inside
