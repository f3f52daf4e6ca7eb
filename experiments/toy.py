"""Toy of theory 6.1: how the density that a network sees falls with the frequency of its labels.

Samples on a circle, labels sin(2πfα), a deep ReLU network; published claim (Charpiat et al. 2019):
neighbours ∝ 1/f. Writes results/toy.json, docs/images/toy.png and docs/experiments/toy.md; with
--full toy-full.* in their place.
"""

import argparse
import json
import math
import platform
import re
import sys
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor, nn

import kinsight as ks

ROOT = Path(__file__).parents[1]
FREQUENCIES = (1, 2, 4, 8, 16)
DEFAULTS = {"epochs": 300, "runs": 5, "samples": 2048, "threads": 1, "seed": 0}
BATCH, RATE = 64, 1e-4
BINS, SHOWN = 128, 4  # intervals along α; f of the profile in the figure
ABOVE = {"ncols": 4, "loc": "lower left", "bbox_to_anchor": (0, 1)}  # legends
PROFILES = ("soft count", "positive power 4", "hard count τ=0.9", "hard count τ=0.99")
COLOURS = {
    "soft count": "#7f7f7f", "square": "#bcbd22", "positive power 4": "#2f6fde",
    "centred": "#8c564b", "hard count τ=0.5": "#f4a261", "hard count τ=0.9": "#d1495b",
    "hard count τ=0.99": "#6a0f3c", "1/radius of 20": "#8fd3c7", "1/radius of 100": "#2a9d8f",
}  # fmt: skip

PAGE = """\
# Toy: density against the frequency of the labels

Does a network see fewer neighbours where labels oscillate faster? Published claim (Charpiat et \
al. 2019): their number is proportional to 1/f, a slope of −1 on log-log axes.

{samples:,} samples α, uniform in [0, 1]. Input (cos 2πα, sin 2πα), label sin(2πfα). Network \
2→64→[64]×5→1, ReLU, {parameters:,} parameters, Adam 0.0001, batches of 64, L1 loss, \
{epochs:,} epochs (the paper: up to 5,000), {runs} runs for every f.

![Density against f, and along α](../images/{name}.png)

## Against f

Medians over samples, then over runs; the sample itself included. Least-squares slope of log \
density over log f: median and range over runs. *Centred*: positive part of the centred and \
re-normalised kernel. *1/radius of n*: 1/(1 − k_C) of the nth neighbour. *Error*: mean |ŷ − y| \
after training; labels have a mean size of 0.64.

{against_f}

Falling with f in every run: {falling} of {estimates} estimates. As 1/f, with −1 among the slopes \
of the runs or within 0.1 of the median: {holds}. Closest to −1: {steepest}. For the highest f the \
soft count is still {floor:.0%} of all samples: pairs far apart keep a positive similarity.

## Along α

Spearman correlation of density and curvature |d²y/dα²| of the labels, over 128 intervals of α, \
median over runs. −1: the sharper the bend, the fewer neighbours.

{along_alpha}

Closest to the bends, on average over f: {closest}. Least: {least}.

## Repeat it

```console
$ python experiments/toy.py{arguments}
```

{seconds:,.0f} seconds on {processor}, {threads} thread(s), on a machine shared with other jobs; \
{software}, seed {seed}. Expected: slopes within about the ranges above. \
All numbers: `experiments/results/{name}.json`.
"""


def network(seed: int) -> nn.Sequential:
    """2 → 64 → [64]×5 → 1, ReLU: 21,057 parameters, PyTorch's own initialisation."""
    torch.manual_seed(seed)
    layers = []
    for width in (2, *[64] * 5):
        layers += [nn.Linear(width, 64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 1))


def circle(alpha: Tensor) -> Tensor:
    """(cos 2πα, sin 2πα): (..., 2)."""
    return torch.stack([(2 * math.pi * alpha).cos(), (2 * math.pi * alpha).sin()], -1)


def train(networks: list, alpha: Tensor, f: Tensor, epochs: int, seed: int) -> list[nn.Module]:
    """Adam on the L1 loss, R networks at once, then in float64; ``alpha`` (R, N), ``f`` (R,)."""
    state, _ = torch.func.stack_module_state(networks)
    layers = [name[: -len(".weight")] for name in state if name.endswith(".weight")]
    optimizer = torch.optim.Adam(state.values(), lr=RATE, fused=True)
    inputs, labels = circle(alpha), (2 * math.pi * f[:, None] * alpha).sin()[..., None]
    generator = torch.Generator().manual_seed(seed)
    R, N = alpha.shape
    _, draw = alpha[:, 0].unique(return_inverse=True)  # the same α: the same batches
    for epoch in range(1, epochs + 1):
        order = torch.rand(int(draw.max()) + 1, N, generator=generator).argsort(1)[draw]
        x, y = (values[torch.arange(R)[:, None], order] for values in (inputs, labels))
        for start in range(0, N, BATCH):
            h = x[:, start : start + BATCH]  # (R, B, 2)
            for name in layers:
                weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
                h = torch.baddbmm(bias[:, None], h, weight.transpose(1, 2))
                h = h if name == layers[-1] else h.relu()
            optimizer.zero_grad()
            (h - y[:, start : start + BATCH]).abs().mean((1, 2)).sum().backward()
            optimizer.step()
        if epoch % max(1, epochs // 20) == 0:
            print(f"epoch {epoch} of {epochs}", file=sys.stderr)
    for row, model in enumerate(networks):
        model.load_state_dict({name: value[row].detach() for name, value in state.items()})
    return [model.double().eval() for model in networks]


def densities(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Every estimate of how many neighbours each sample has, itself included: (N,) each."""
    k = ks.TangentKernel(model).similarity(x)  # (N, N)
    mean = k.mean(0)
    centred = k - mean - mean[:, None] + mean.mean()
    scale = centred.diagonal().clamp_min(1e-12).rsqrt()
    result = {"soft count": k.sum(1), "square": k.square().sum(1)}
    result["positive power 4"] = k.clamp_min(0).pow(4).sum(1)
    result["centred"] = (centred * scale * scale[:, None]).clamp_min(0).sum(1)
    for threshold in (0.5, 0.9, 0.99):
        result[f"hard count τ={threshold}"] = (k >= threshold).sum(1).double()
    for count in (20, 100):
        nearest = k.kthvalue(max(1, len(k) - count), 1).values  # the sample itself is the largest
        result[f"1/radius of {count}"] = 1 / (1 - nearest).clamp_min(1e-9)
    return result


def slope(x: Tensor, y: Tensor) -> Tensor:
    """Least-squares slope of log y (..., n) over log x (n,)."""
    across = x.log() - x.log().mean()
    return (y.log() * across).sum(-1) / across.square().sum()


def binned(values: Tensor) -> Tensor:
    """Medians of consecutive groups: (bins,) from (N,), N in the order of α."""
    return torch.stack([group.median() for group in values.tensor_split(min(BINS, len(values)))])


def measure(model: nn.Module, alpha: Tensor, f: float) -> dict:
    """Densities of one network: medians, profile along α, and how it follows the curvature."""
    alpha, step = alpha.double().sort().values, 1 / (32 * f)
    with torch.no_grad():
        left, here, right = (model(circle(alpha + d))[:, 0] for d in (-step, 0, step))
    labels = (2 * math.pi * f * alpha).sin()
    bend = binned((2 * math.pi * f) ** 2 * labels.abs())
    learned = binned((left + right - 2 * here).abs() / step**2)
    found = densities(model, circle(alpha))
    profile = {name: binned(values) for name, values in found.items()}
    profile |= {"alpha": binned(alpha), "label": bend, "learned": learned}
    return {
        "f": f,
        "error": float((here - labels).abs().mean()),
        "density": {name: float(values.median()) for name, values in found.items()},
        "correlation": {name: float(spearmanr(profile[name], bend)[0]) for name in found},
        "profile": {name: values.tolist() for name, values in profile.items()},  # (bins,) each
    }


def summary(rows: list[dict]) -> dict:
    """Over runs: medians against f, slopes with their range, correlations; errors for every f."""
    frequencies = sorted({row["f"] for row in rows})

    def table(read) -> Tensor:  # (F, runs)
        of = [[read(row) for row in rows if row["f"] == f] for f in frequencies]
        return torch.tensor(of, dtype=torch.float64)

    estimates = {}
    for name in COLOURS:
        density = table(lambda row, name=name: row["density"][name])
        follows = table(lambda row, name=name: row["correlation"][name])
        slopes = slope(torch.tensor(frequencies).double(), density.T)
        estimates[name] = {
            "density": density.quantile(0.5, 1).tolist(),
            "range": [density.amin(1).tolist(), density.amax(1).tolist()],
            "slope": float(slopes.quantile(0.5)),
            "slope_range": [float(slopes.min()), float(slopes.max())],
            "correlation": follows.quantile(0.5, 1).tolist(),
        }
    error = table(lambda row: row["error"]).quantile(0.5, 1)
    return {"frequencies": frequencies, "estimates": estimates, "error": error.tolist()}


def lined(*rows: list[str]) -> str:
    """A table of the page; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines).replace(" -", " −").replace("(-", "(−")


def page(report: dict) -> str:
    """The page: every number is from the report."""
    found, estimates = report["summary"], report["summary"]["estimates"]
    head = ["estimate", *(f"f = {f}" for f in found["frequencies"])]
    counts, follows, holds = [[*head, "slope"]], [head], []
    for name, v in estimates.items():
        low, high = v["slope_range"]
        shown = f"{v['slope']:.2f} ({low:.2f} … {high:.2f})"
        counts.append([name, *(f"{d:,.0f}" for d in v["density"]), shown])
        follows.append([name, *(f"{c:+.2f}" for c in v["correlation"])])
        holds += [name] if low <= -1 <= high or abs(v["slope"] + 1) < 0.1 else []
    counts.append(["error", *(f"{e:.3f}" for e in found["error"]), ""])
    ranked = sorted(estimates, key=lambda name: sum(estimates[name]["correlation"]))
    said = {"holds": ", ".join(holds) or "none of them", "closest": ranked[0], "least": ranked[-1]}
    falling = [v for v in estimates.values() if v["slope_range"][1] < 0]
    said |= {"falling": len(falling), "estimates": len(estimates)}
    said["floor"] = estimates["soft count"]["density"][-1] / report["settings"]["samples"]
    said["steepest"] = min(estimates, key=lambda name: abs(estimates[name]["slope"] + 1))
    said |= {"against_f": lined(*counts), "along_alpha": lined(*follows)}
    return PAGE.format(**said, **report["settings"])


def figure(report: dict, path: Path) -> None:
    """Density against f with the claim; one profile along α with the curvature."""
    found, profile = report["summary"], report["profile"]
    canvas = Figure(figsize=(13.3, 6.2), dpi=120, layout="constrained")
    axes = canvas.subplot_mosaic("LT;LB", width_ratios=(1, 1.15), height_ratios=(1.7, 1))
    left, top, low = (axes[place] for place in "LTB")
    axis = torch.tensor(found["frequencies"])
    left.plot(axis, 1 / axis, color="black", ls=(0, (4, 3)), label="claim, 1/f: −1")
    for name, v in found["estimates"].items():
        middle, bounds = torch.tensor(v["density"]), torch.tensor(v["range"])  # (F,), (2, F)
        style, label = {"color": COLOURS[name], "lw": 1.7}, f"{name}: {v['slope']:.2f}"
        middle, spread = middle / middle[0], (bounds - middle).abs() / middle[0]
        left.errorbar(axis, middle, spread, fmt="o-", ms=4, label=label, elinewidth=0.8, **style)
        if name in PROFILES:
            values = torch.tensor(profile[name])
            top.plot(profile["alpha"], values / values.median(), label=name, **style)
    left.loglog()
    left.set(xlabel="f, oscillations of the label", ylabel="density / density at f = 1")
    for side, values in (("x", found["frequencies"]), ("y", (1, 0.5, 0.2, 0.1, 0.05))):
        left.set(**{f"{side}ticks": values, f"{side}ticklabels": values})
    left.minorticks_off()
    low.fill_between(profile["alpha"], profile["label"], color="#d9d9d9", label="label")
    low.plot(profile["alpha"], profile["learned"], color="black", lw=1.2, label="learned function")
    top.set(ylabel=f"density / its median, f = {SHOWN}", xlim=(0, 1), ylim=(0, None))
    low.set(xlabel="α", ylabel="curvature |y″|", xlim=(0, 1), ylim=(0, None))
    for part, place in ((left, {}), (top, ABOVE), (low, ABOVE)):
        part.spines[["top", "right"]].set_visible(False)
        part.legend(frameon=False, fontsize=9, **place)
    canvas.savefig(path)
    Image.open(path).quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def run(epochs: int, runs: int, samples: int, seed: int) -> dict:
    """Train, measure and summarise: the report, without settings."""
    cases = [(f, seed + run) for f in FREQUENCIES for run in range(runs)]
    draws = [torch.rand(samples, generator=torch.Generator().manual_seed(s)) for _, s in cases]
    networks, f = [network(s) for _, s in cases], torch.tensor([f for f, _ in cases])
    models = train(networks, torch.stack(draws), f, epochs, seed)
    rows = []
    for model, alpha, (frequency, _) in zip(models, draws, cases, strict=True):
        print(f"densities, f = {frequency}", file=sys.stderr)
        rows.append(measure(model, alpha, frequency))
    shown = next(row["profile"] for row in rows if row["f"] == SHOWN)  # of the first run
    return {"summary": summary(rows), "profile": shown}


def main() -> None:
    """Train, measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--full", action="store_true", help="5,000 epochs, as in the paper")
    for option, default in DEFAULTS.items():
        options.add_argument(f"--{option}", type=int, default=default)
    asked = vars(options.parse_args())
    torch.set_num_threads(asked["threads"])
    name = "toy"
    if asked.pop("full"):
        name, asked["epochs"] = "toy-full", 5000
    start = time.perf_counter()
    report = run(*(asked[key] for key in ("epochs", "runs", "samples", "seed")))
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = found[1] if found else platform.processor()
    software = f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    report["settings"] = {**asked, "name": name, "processor": processor, "software": software}
    report["settings"]["parameters"] = sum(p.numel() for p in network(0).parameters())
    report["settings"]["arguments"] = "".join(f" {word}" for word in sys.argv[1:])
    report["settings"]["seconds"] = round(time.perf_counter() - start, 1)
    print(page(report))
    (ROOT / f"experiments/results/{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    (ROOT / f"docs/experiments/{name}.md").write_text(page(report))
    figure(report, ROOT / f"docs/images/{name}.png")


if __name__ == "__main__":
    main()
