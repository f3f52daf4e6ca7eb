"""How far sketched similarities are from the exact ones: by law, and as measured.

For unit features and a count sketch of S numbers, over the draw of its signs and buckets,

    raw         E ⟨Πx, Πy⟩ = k              variance (1 + k²)/S
    normalised  E k̂ ≈ k − k (1 − k²)/(2S)   variance (1 − k²)²/S

for the product of sketches and for the cosine of them (the delta method; Πx and Πy as if they
were Gaussian). Few large entries make the variance smaller. D outputs share their signs and
buckets, so that rows of J that are alike (outputs that were not whitened, random probes) make
it larger, up to (2 + k²)/S.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.checks import above_zero
from kinsight.errors import ArgumentError

_LEAST, _MOST, _PART = 32, 64, 32  # samples among which the error is measured
_GRAIN = 64  # dimensions are multiples of it: FFTs and matrix products are quick


@dataclass(frozen=True)
class SketchError:
    """Over all pairs of a few samples; 0 is exact, in units of similarity."""

    pairs: int
    rms: float  # of k̂ − k, normalised: what a store's similarities have
    law: float  # what the law says for the same pairs
    largest: float
    bias: float  # mean of k̂ − k
    raw_rms: float  # of the unbiased estimate
    raw_law: float


def measured(exact: Tensor, phi: Tensor, length: Tensor) -> SketchError:
    """The error of sketches ``phi`` (M, S) of norm ``length`` (M,) against ``exact`` (M, M)."""
    count, dim = phi.shape
    off = torch.triu_indices(count, count, 1)
    k = exact.double()[off[0], off[1]]
    value = (phi.double() @ phi.double().T)[off[0], off[1]]
    raw = value * length.double()[off[0]] * length.double()[off[1]]
    fit = k.isfinite()
    k, error, raw_error = k[fit], (value - k)[fit], (raw - k)[fit]
    if not len(k):
        return SketchError(0, *[0.0] * 6)
    return SketchError(
        len(k),
        _rms(error),
        _rms((1 - k.square()) / dim**0.5),
        float(error.abs().max()),
        float(error.mean()),
        _rms(raw_error),
        _rms((1 + k.square()).sqrt() / dim**0.5),
    )


def dimension_for(exact: Tensor, error: float) -> int:
    """S for a root mean square error of at most ``error`` over pairs like those of ``exact``.

    From the law of the normalised form: S = mean (1 − k²)² / error². Where all pairs are alike
    it is small; never below 64.

    Raises:
        ArgumentError: an error that would take more than a million numbers a sample.
    """
    wanted = above_zero("error", error)
    count = len(exact)
    off = ~torch.eye(count, dtype=torch.bool)
    k = exact.double()[off]
    spread = (1 - k[k.isfinite()].square()).square()
    needed = (float(spread.mean()) if len(spread) else 1.0) / wanted**2
    if needed > 1 << 20:
        raise ArgumentError(
            f"error: expected at least 0.001, which takes a million numbers a sample, got {error!r}"
        )
    return max(_GRAIN, -(-int(needed + 1) // _GRAIN) * _GRAIN)


def _rms(value: Tensor) -> float:
    return float(value.square().mean().sqrt())


def looked_at(count: int, every: bool = False) -> list[int]:
    """Of so many samples, those among which the error is measured, spread over all.

    A part of the data, so that little data costs little: one of 32, but at least 32, as pairs
    share signs and buckets and few of them tell little, and at most 64. ``every``: 64 as far as
    there are so many.

    >>> [len(looked_at(count)) for count in (10, 100, 1500, 100_000)]
    [10, 32, 46, 64]
    """
    share = _MOST if every else max(_LEAST, min(_MOST, count // _PART))
    wanted = min(share, count)
    return sorted({i * (count - 1) // max(wanted - 1, 1) for i in range(wanted)})
