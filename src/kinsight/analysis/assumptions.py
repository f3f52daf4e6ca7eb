"""What the formulas of self-denoising need, against what was found."""

from dataclasses import dataclass

from torch import Tensor

from kinsight.analysis.targets import Targets

# Up to here an assumption counts as holding.
STATIONARY, DECAY, NEGATIVE, CONDITION = 0.1, 0.5, 0.05, 1e6


@dataclass(frozen=True)
class Assumption:
    """Something that the formulas need, and what was found."""

    name: str
    holds: bool
    value: float
    says: str


def check_assumptions(
    found: dict[str, Tensor], targets: Targets, condition: Tensor, smoother: str, known: bool
) -> tuple[Assumption, ...]:
    """Stationarity, weight decay, signs, inversion, and whether training's own filter was used.

    Args:
        found: residual, decay, factor and negative of every sample.
        condition: (N,) of Σ_j K_ij.
        smoother, known: its kind, and whether the training was told.
    """
    fit = found["factor"].isfinite()
    residual, decay = found["residual"][fit], found["decay"][fit]
    share = float((residual - decay).square().sum(1).mean().sqrt()) / (targets.spread**0.5 or 1.0)
    explained = float(decay.norm() / residual.norm().clamp_min(1e-300))
    negative = float(found["negative"][fit].mean())
    typical = float(condition[fit].median())
    told = "" if known else "; pass training=ks.Descent.of(rate, steps)"
    named = [
        ("training reached a stationary point", share, STATIONARY, "E_k[ŷ] − E_k[ỹ] over spread"),
        ("weight decay hardly moves the averages", explained, DECAY, "its part of the residual"),
        (
            "kernel weights are positive",
            negative,
            NEGATIVE,
            "share that is not",
        ),
        ("the sums of kernels can be inverted", typical, CONDITION, "median condition number"),
    ]
    checked = [
        Assumption(name, value <= limit, value, f"{says}: {value:.2g}, at most {limit:g}")
        for name, value, limit, says in named
    ]
    own = "the noise gain is that of training itself"
    return (*checked, Assumption(own, known, float(known), f"smoother: {smoother}{told}"))
