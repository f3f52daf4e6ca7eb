"""How one number is spread over the samples: density, its powers, uncertainty, noise, suspicion."""

import numpy as np

from kinsight.drawing.marks import counted, histogram, line_at, logarithmic
from kinsight.drawing.style import ACCENT, INK, new_figure
from kinsight.report.plates.plate import WIDTH, Plate
from kinsight.report.samples import Samples

_LOW = 2.7  # inches


def density(samples: Samples) -> Plate | None:
    """Histogram of the soft count of neighbours."""
    values = samples.density[np.isfinite(samples.density)]
    if not len(values):
        return None
    figure, (axes,) = new_figure(1, WIDTH, _LOW)
    histogram(axes, values, "density: neighbours in the network’s eyes, in samples")
    low, high = np.quantile(values, [0.25, 0.75])
    said = (
        f"Half of the samples have between {counted(low)} and {counted(high)} neighbours; the "
        "further left a sample, the fewer others have a say in its answer."
    )
    return Plate("density", "How crowded it is", said, figure)


def powers(samples: Samples) -> Plate | None:
    """Hard counts by threshold, and the histogram of the power count."""
    thresholds, counts = _counts(samples)
    power = next((n for n in samples.columns if n.startswith("density_power_")), None)
    values = samples.numbers(power or "")
    values = values[np.isfinite(values)]
    if power is None or not len(values) or not thresholds:
        return None
    figure, (left, right) = new_figure(2, WIDTH / 2, 3.0)
    low, middle, high = np.quantile(counts, [0.1, 0.5, 0.9], axis=1)
    left.fill_between(thresholds, low, high, color=ACCENT, alpha=0.25, linewidth=0)
    left.plot(thresholds, middle, color=INK, marker="o")
    logarithmic(left.yaxis)
    left.set_xticks(thresholds, [f"{t:g}" for t in thresholds])
    left.set_xlabel("similarity of at least")
    left.set_ylabel("samples: median, and 80 % of all")
    exponent = power.removeprefix("density_power_")
    histogram(right, values, f"sum of similarities to the power of {exponent}, in samples")
    said = (
        f"A typical sample has {counted(middle[-1])} that are {thresholds[-1]:g} similar or more, "
        f"itself included, and {counted(middle[0])} from {thresholds[0]:g} on: how steeply the "
        "line falls tells whether neighbours are close or only vaguely alike."
    )
    return Plate("powers", "Close neighbours and vague ones", said, figure)


def uncertainty(samples: Samples) -> Plate | None:
    """Histogram of its logarithm."""
    values = samples.numbers("uncertainty")
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return None
    figure, (axes,) = new_figure(1, WIDTH, _LOW)
    histogram(axes, np.log10(values), "log₁₀ of the uncertainty, 1 over the sum of influences")
    times = float(np.quantile(values, 0.9) / np.median(values))
    said = (
        "To the right are answers that little else holds: for one sample in ten the answer is "
        f"at least {counted(times)} times as free to change as for the typical one."
    )
    return Plate("uncertainty", "How freely an answer could change", said, figure)


def denoising_factor(samples: Samples) -> Plate | None:
    """Histogram of the factor, the noise gain as a line."""
    values = samples.numbers("denoising_factor")
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    figure, (axes,) = new_figure(1, WIDTH, _LOW)
    histogram(axes, values, "denoising factor: share of the noise left after averaging")
    found = samples.run.record.get("denoising") or {}
    if found.get("noise_gain") is not None:
        line_at(axes, found["noise_gain"], f"noise gain by {found['smoother']}")
    said = (
        f"Averaging over its neighbours leaves {np.median(values):.0%} of independent label noise "
        "at a typical sample; far to the right there is nobody to average with."
    )
    return Plate("denoising_factor", "What averaging leaves of the noise", said, figure)


def shift(samples: Samples) -> Plate | None:
    """Histogram of answer minus the neighbourhood's answer."""
    values = samples.numbers("shift")
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    figure, (axes,) = new_figure(1, WIDTH, _LOW)
    histogram(axes, values, "shift: answer minus the neighbourhood’s answer")
    said = (
        "Away from zero an answer is no average of the answers around it: half of the samples "
        f"are shifted by more than {counted(float(np.median(np.abs(values))))}."
    )
    return Plate("shift", "Where answers leave their neighbourhood", said, figure)


def suspects(samples: Samples) -> Plate | None:
    """Histogram of the score, contradicted labels in another colour."""
    values = samples.numbers("suspect_score")
    if not np.isfinite(values).any():
        return None
    marked = np.array([bool(v) for v in samples.columns["contradicted"]])
    figure, (axes,) = new_figure(1, WIDTH, _LOW)
    name = "suspicion: 1 = the others say something else"
    histogram(axes, values, name, marked, "contradicted")
    logarithmic(axes.yaxis)
    border = (
        "at one half the others are undecided"
        if samples.classes
        else "beyond 0.997 the others’ answer is three standard deviations away"
    )
    said = (
        f"The further right, the more the other samples object to a label; {border}. "
        f"{int((marked & np.isfinite(values)).sum()):,} of {int(np.isfinite(values).sum()):,} "
        "labels are contradicted."
    )
    return Plate("suspects", "How far the others object", said, figure)


def _counts(samples: Samples) -> tuple[list[float], np.ndarray]:
    """Thresholds, and how many samples are as similar: (T,), (T, N)."""
    found = {float(n[6:]): n for n in samples.columns if n.startswith("count_")}
    thresholds = sorted(found)
    fit = np.isfinite(samples.density)
    rows = [samples.numbers(found[t])[fit] for t in thresholds]
    return thresholds, np.array(rows) if rows else np.empty((0, 0))
