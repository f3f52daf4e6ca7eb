"""The share of the labels' noise that is in a network's answers: measured with twins, predicted.

Twins have the same scenes, initial weights and batches, and another draw of the noise. A window
x shows the image and the polygons at *fixed* places, off their buildings by u; the first label of
x is −u + ε¹, the second −u + ε². Both networks answer the same x:

    gain = ‖f¹(x) − f²(x)‖ / ‖ε¹ − ε²‖

as for a smoother f = H ỹ of fixed inputs. What is not the same: training showed each polygon at
moves around its own noisy place, so that x lies in the middle of what one twin saw and off the
middle of what the other saw. Hence both networks answer the windows of both, and the mean is taken.
"""

from pathlib import Path

import torch
from map_alignment_cells import AGAIN, Sizes
from map_alignment_windows import (
    SIDE,
    Averaged,
    Windows,
    answers,
    digits,
    ranked,
    rounds,
    seed_of,
    seen,
    size,
    taken,
    taught,
    trained,
    twin_of,
)
from torch import Tensor

import kinsight as ks
from kinsight.analysis.averages import averages
from kinsight.errors import ArgumentError

SCALES = (4, 2, 1)
DRAWS = 40  # pairs of draws that say how well a perfect prediction would be correlated


def measurable(name: str, folder: Path) -> bool:
    """Whether a cell and its twin have a finished first round."""
    return min(rounds(folder, name), rounds(folder, twin_of(name))) > 0


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = None, side: int = SIDE,
    scales: tuple[int, ...] = SCALES, device: str = "cpu",
) -> dict:  # fmt: skip
    """The gain of the first round's networks at every scale, measured and predicted.

    Args:
        name: of a finished cell that has a finished twin.
        count: windows, one a polygon; None: of all polygons, as the average is over all.
    """
    models = [trained(folder, one, 0, device) for one in (name, twin_of(name))]
    regions = [taught(one, sizes) for one in (name, twin_of(name))]
    rows = []
    for scale in scales:
        both = [taken(r, seed_of(name), count, scale=scale, side=side) for r in regions]
        again = once_again(name, sizes, folder, count, side, scale, device)
        rows.append({"scale": scale, "again": again, **_of_scale(models, both, device)})
    for row in rows[1:]:  # one scale is drawn window by window
        del row["patches"]["predicted"], row["patches"]["averaged"]
    return {"windows": len(both[0]), "gains": rows}


def once_again(
    name: str, sizes: Sizes, folder: Path, count: int | None, side: int, scale: int, device: str
) -> float | None:  # fmt: skip
    """‖f − f'‖ of the same training made twice, on each axis in pixels of the windows.

    0 where sums are always in the same order; on a GPU the part of the twins' difference that is
    not the noise's doing. None without such a second training.
    """
    if not rounds(folder, twin_of(name, AGAIN)):
        return None
    windows = taken(taught(name, sizes), seed_of(name), count, scale=scale, side=side)
    one, other = (
        answers(trained(folder, each, 0, device), windows.data)
        for each in (name, twin_of(name, AGAIN))
    )
    return digits(size(one - other) / 2**0.5)


def _of_scale(models: list[Averaged], both: list[Windows], device: str) -> dict:
    """Measured and predicted at one scale."""
    first, second = both
    apart = first.noise - second.noise  # (N, 2) ε¹ − ε²
    differences = []
    for windows in both:
        one, other = (answers(model, windows.data) for model in models)
        differences.append(one - other)
    shares = [float(d.norm() / apart.norm()) for d in differences]
    source = seen(models[0], first.data, device)
    left, free = size(torch.cat(differences)) / 2**0.5, size(untied(first))
    return {
        "measured": digits((sum(s * s for s in shares) / 2) ** 0.5),
        "measured_on": [digits(share) for share in shares],
        "sigma": size(first.noise),
        "free": free,
        "measured_free": digits(left / free),
        "left": digits(left),
        "error": size(answers(models[0], first.data) - first.true),
        **_predicted(source, first, differences[0], second.noise),
    }


def _predicted(source: ks.Source, windows: Windows, difference: Tensor, other: Tensor) -> dict:
    """What network and noisy labels say, then how it fits window by window."""
    ridge = ks.denoise(source, windows.labels, loss_weights=windows.weights)
    found = _filtered(source, windows)
    gain, level = (None, None) if found is None else (found.noise_gain, found.noise_level)
    left = None if gain is None or level is None else level * gain
    return {
        "factor": size(ridge.factor),
        "gain": digits(gain),
        "ridge": digits(ridge.noise_gain),
        "level": digits(level),
        "level_ridge": digits(ridge.noise_level),
        "left_predicted": digits(left),
        "shift": size(ridge.shift),
        "residual": size(ridge.residual),
        "patches": _patches(source, windows, found or ridge, difference, other),
    }


def _filtered(source: ks.Source, windows: Windows) -> ks.Denoising | None:
    """By the filter that leaves the network's residual; None for a network that fits nothing."""
    try:
        return ks.denoise(source, windows.labels, training="residual", loss_weights=windows.weights)
    except ArgumentError:  # the residual is as large as the labels
        return None


def _patches(
    source: ks.Source, windows: Windows, found: ks.Denoising, difference: Tensor, other: Tensor
) -> dict:
    """Window by window: deviations from two draws beside what is predicted for each.

    The averaged noise is E_k[ε] with the true ε of both draws; the two answers differ by
    ``difference``. Two draws scatter, and E_k[ε] is nearly the same for all windows: ``ceiling``
    is the mean rank correlation that exactly these factors would have with two draws of independent
    Gaussian noise, ``ceiling_spread`` and ``ratio_spread`` are its and the ratio's deviations
    among such draws. ``tied``: the slope of ε over what is seen; ``free_ratio`` without that part.
    """
    sigma, free = size(windows.noise), untied(windows)
    pairs = _averaged_noise(source, windows, other, free)
    averaged, without, made = pairs[:, 0], pairs[:, 1], pairs[:, 2:]
    ranks = torch.tensor([ranked(one, found.factor) for one in made.T])
    ratios = made.square().mean(0).sqrt() / size(found.factor)
    gain = torch.full_like(found.factor, torch.nan) if found.gain is None else found.gain
    answered, factor = _length(difference) / 2**0.5, size(found.factor)
    return {
        "factor_rank": digits(ranked(averaged, found.factor)),
        "ceiling": digits(float(ranks.mean())),
        "ceiling_spread": digits(float(ranks.std())),
        "factor_ratio": digits(size(averaged) / (sigma * factor)),
        "ratio_spread": digits(float(ratios.std())),
        "tied": digits(slope(windows)),
        "free_ratio": digits(size(without) / (size(torch.stack([free, other])) * factor)),
        "gain_rank": digits(ranked(answered, gain)),
        "answer_factor_rank": digits(ranked(answered, found.factor)),
        "gain_ratio": digits(size(answered) / (sigma * size(gain))),
        "predicted": [digits(v) for v in (sigma * found.factor).tolist()],
        "averaged": [digits(v) for v in averaged.tolist()],
    }


def slope(windows: Windows) -> float:
    """Σ ε·u / Σ u·u with u = −y, how far polygons are seen from their buildings.

    u = ε − m with the known displacement m, so that the noise is not centred where u is given:
    E[ε | u] = u σ²/(σ² + d²), d the deviation of m. No average over windows takes that away.
    """
    seen = -windows.true
    return float((windows.noise * seen).sum() / seen.square().sum().clamp_min(1e-30))


def untied(windows: Windows) -> Tensor:
    """The part of the noise that what is seen does not tell, ε − E[ε | u]: (N, 2)."""
    return windows.noise + slope(windows) * windows.true


def _averaged_noise(source: ks.Source, windows: Windows, other: Tensor, free: Tensor) -> Tensor:
    """Deviations of E_k[ε] on each axis from two draws: (N, 2 + DRAWS).

    Of the draws as they are; with the ``free`` part alone of the first; of made noise of std 1.
    """
    generator = torch.Generator().manual_seed(0)
    made = torch.randn(len(windows), 2, 2 * DRAWS, generator=generator, dtype=torch.float64)
    drawn = torch.stack([windows.noise, other, free, other], 2)
    everyone = torch.ones(len(windows), dtype=torch.bool)
    means = averages(source, torch.cat([drawn, made], 2), windows.weights, everyone).of
    return means.unflatten(2, (-1, 2)).square().mean((1, 3)).sqrt()


def _length(values: Tensor) -> Tensor:
    """Root mean square over both axes: (N,)."""
    return values.square().mean(1).sqrt()
