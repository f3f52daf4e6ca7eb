"""What the runs of laziness.py say: slopes, rank correlations, and both figures."""

import math
import statistics
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from paired import Mean, mean
from scipy import stats

DRAWS, ENOUGH = 2000, 0.01
KINDS = {
    "tangent": "tangent parametrisation, SGD 0.3",
    "standard": "PyTorch's own, Adam 1e-3",
}
MEASURES = {
    "drift": "‖K₁ − K₀‖/‖K₀‖",
    "turn": "1 − cosine(K₀, K₁)",
    "similarity": "mean |Δk_C|",
}
FLAT = {"trace": "trace of K/N", "top": "top eigenvalue of K/N"}
GAPS = {"gap": "loss gap", "error gap": "error gap"}


def of_widths(cells: dict) -> dict[tuple[str, int], list[dict]]:
    """Runs by parametrisation and width, in the order of the seeds."""
    found: dict[tuple[str, int], list[dict]] = {}
    for name in sorted(cells, key=lambda name: int(name.split("/")[-1])):
        sort, kind, width, *_ = name.split("/")
        if sort == "width":
            found.setdefault((kind, int(width)), []).append(cells[name])
    return dict(sorted(found.items()))


def of_minima(cells: dict) -> list[dict]:
    """Runs whose minimum is looked at, with their settings."""
    rows = []
    for name, cell in cells.items():
        if name.startswith("flat/"):
            flipped, rate, batch, seed = map(float, name.split("/")[1:])
            setting = {"flipped": flipped, "rate": rate, "batch": int(batch), "seed": int(seed)}
            rows.append({**cell, **setting})
    return rows


def fitted(rows: list[dict]) -> list[dict]:
    """Networks that reached the training loss."""
    return [row for row in rows if row["loss"] <= ENOUGH]


def by_noise(rows: list[dict]) -> dict[float, list[dict]]:
    """Networks by the share of flipped labels, where there are enough to correlate."""
    levels = sorted({row["flipped"] for row in rows})
    groups = {level: [row for row in rows if row["flipped"] == level] for level in levels}
    return {level: group for level, group in groups.items() if len(group) > 3}


def slope(widths: dict, kind: str, key: str) -> Mean:
    """Of log(measure) against log(width), fitted for each seed."""
    mine = {width: runs for (name, width), runs in widths.items() if name == kind}
    seeds = min(map(len, mine.values()))
    x = np.log(list(mine))
    return mean(
        [
            float(np.polyfit(x, [math.log(runs[seed][key]) for runs in mine.values()], 1)[0])
            for seed in range(seeds)
        ]
    )


def correlations(rows: list[dict]) -> dict[tuple[str, str], dict[str, float]]:
    """Spearman's of each curvature with each gap: over all, its interval, and within seeds."""
    chosen = np.random.default_rng(0).integers(len(rows), size=(DRAWS, len(rows)))
    found = {}
    for flat in FLAT:
        for gap in GAPS:
            a, b = (np.array([row[key] for row in rows]) for key in (flat, gap))
            draws = rank_correlation(a[chosen], b[chosen])
            low, high = np.nanquantile(draws, [0.025, 0.975])
            found[flat, gap] = {
                "all": float(rank_correlation(a[None], b[None])[0]),
                "low": float(low), "high": float(high),
                "within": _within(rows, flat, gap), "count": len(rows),
            }  # fmt: skip
    return found


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's of every row: (draws, N) twice -> (draws,); NaN where one side is constant."""
    ranks = [stats.rankdata(values, axis=1) for values in (a, b)]
    first, second = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    size = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return (first * second).sum(1) / np.where(size > 0, size, np.nan)


def _within(rows: list[dict], flat: str, gap: str) -> float:
    each: list[float] = []
    for seed in sorted({row["seed"] for row in rows}):
        mine = [row for row in rows if row["seed"] == seed]
        a, b = ([row[key] for row in mine] for key in (flat, gap))
        each += rank_correlation(np.array([a]), np.array([b])).tolist()
    each = [value for value in each if not math.isnan(value)]
    return statistics.mean(each) if each else math.nan


def draw_drift(widths: dict, path: Path) -> None:
    """Three measures of change against width, log-log."""
    drawn = Figure(figsize=(10, 3.5), layout="constrained")
    for axes, (key, word) in zip(drawn.subplots(1, 3), MEASURES.items(), strict=True):
        for kind, colour in (("tangent", "#2f6fde"), ("standard", "#d1495b")):
            mine = {width: runs for (name, width), runs in widths.items() if name == kind}
            middle = [statistics.mean(run[key] for run in runs) for runs in mine.values()]
            axes.loglog(list(mine), middle, "-", color=colour, label=KINDS[kind])
            for width, runs in mine.items():
                values = [run[key] for run in runs]
                axes.loglog([width] * len(runs), values, ".", color=colour, alpha=0.5)
        axes.set(xlabel="width", title=word)
        axes.grid(alpha=0.3, which="both")
    drawn.axes[0].legend(fontsize="small")
    drawn.savefig(path, dpi=110)


def draw_flatness(rows: list[dict], path: Path) -> None:
    """Loss gap against trace and top eigenvalue: a point a network, colour by flipped labels."""
    drawn = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, (key, word) in zip(drawn.subplots(1, 2, sharey=True), FLAT.items(), strict=True):
        for level, colour in zip(by_noise(fitted(rows)), ("#2f6fde", "#d1495b"), strict=False):
            mine = [row for row in fitted(rows) if row["flipped"] == level]
            values = [[row[name] for row in mine] for name in (key, "gap")]
            axes.semilogx(*values, "o", color=colour, alpha=0.7, label=f"{level:.0%} flipped")
        axes.set_xlabel(word)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    drawn.axes[0].set_ylabel("test loss − training loss")
    drawn.axes[0].legend(fontsize="small")
    drawn.savefig(path, dpi=110)
