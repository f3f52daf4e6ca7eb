"""Noise2Noise: how much of the labels' noise stays in the answers, predicted and measured.

Writes results/noise2noise.json, docs/experiments/noise2noise.md and docs/images/noise2noise.png.
"""

import argparse
import json
import math
import platform
import re
import statistics
import sys
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

import kinsight as ks

ROOT = Path(__file__).parents[1]
SIDE, BATCH, MOMENTUM = 7, 32, 0.9
RATES = {"SGD": 0.04, "Adam": 0.001}
SETTINGS = ((16, 0.1), (64, 0.05), (64, 0.1), (64, 0.2), (128, 0.1))  # width, σ of the noise
SHOWN = ("SGD", 64, 0.1)  # the networks that clean the photo in the figure
PREDICTORS = {
    "factor": "#7f7f7f", "ridge": "#bcbd22", "descent": "#2f6fde", "matched": "#f4a261",
    "descent, first kernel": "#2a9d8f", "matched, first kernel": "#d1495b",
}  # fmt: skip

PAGE = """\
# Noise2Noise: how much of the labels' noise stays in the answers

## Copies of one input

Labels with independent noise of deviation σ; a network that has learnt their kernel average keeps \
σ‖w‖, w_ij = k_ij / Σ_j k_ij: the *denoising factor*. For N copies of one input it is 1/√N. \
Two groups of n copies whose gradients have the cosine c: √(1 + c²) / ((1 + c)√n), so that an \
orthogonal group changes nothing, one alike helps, and one opposed harms. No training enters.

{copies}

## Photos

Two photos that come with scikit-learn, grey, values from 0 to 1. Input: a {side}×{side} patch \
with Gaussian noise σ. Target: its middle pixel with noise of its own, never the clean one. \
Convolutions 5×5, 3×3, 1×1 with ReLU; {samples:,} patches of the right two thirds of the photos, \
½-squared loss, batches of {batch}. SGD: {steps:,} steps at {rates[SGD]} with momentum {momentum}; \
Adam: half as many at {rates[Adam]}.

![Predicted and measured noise gain; a photo denoised](../images/noise2noise.png)

- *PSNR* in dB on patches of the left third: noisy input → taught by noisy, by clean targets.
- *Measured*: ‖ŷ¹ − ŷ²‖ / ‖ε¹ − ε²‖ on the training patches, for two draws ε of the target noise, \
same initialisation, same batches; pooled with both pairs against clean targets (ε = 0), range in \
brackets. The predictions that follow know the first of these networks and its noisy targets.
- *factor*: root mean square of ‖w_i‖. *ridge*: tangent-kernel ridge chosen by leave-one-out.
- *descent*: the filter 1 − exp(−λ η T/N) of gradient descent, not for Adam. *matched*: the same \
with the ηT that leaves as large a residual on the noisy targets as the network did.
- *first kernel*: in place of the trained one that at initialisation, its answers off the targets.

{gains}

Median of |prediction / measurement − 1|, the closest first; in brackets the range of the ratio:

{deviations}

The plain factor accounts for {least:.0%} to {most:.0%} of the noise that stays. Noisy targets \
cost {cheap:.1f} to {dear:.1f} dB against clean ones.

## Repeat it

```console
$ python experiments/noise2noise.py{arguments}
```

{seconds:,.0f} seconds on {processor}, {threads} thread(s), shared with other jobs; {software}, \
seed {seed}. Expected: the numbers above. All: `experiments/results/noise2noise.json`.
"""


def size(values: Tensor) -> float:
    """Root mean square."""
    return float(values.double().square().mean().sqrt())


def factors(gram: Tensor) -> Tensor:
    """Denoising factors ‖w_i‖ with w_ij = k_ij / Σ_j k_ij: (N,)."""
    return (gram / gram.sum(1, keepdim=True)).norm(dim=1)


def copies(seed: int) -> list[dict]:
    """Denoising factors of copies of one input, and of two groups of copies, with closed forms."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1)).double().eval()
    rows = []
    for n in (4, 64, 1024):
        gram = ks.TangentKernel(model).inner(torch.randn(1, 3).double().repeat(n, 1))
        rows.append({"case": "one group", "n": n, "gram": gram, "expected": n**-0.5})
    plane = nn.Linear(2, 1, bias=False).double().eval()  # its gradient is its input
    for c in (0.0, 0.5, -0.5):
        pair = torch.tensor([[1.0, 0.0], [c, (1 - c * c) ** 0.5]], dtype=torch.float64)
        gram = ks.TangentKernel(plane).inner(pair.repeat_interleave(64, 0))
        expected = (1 + c * c) ** 0.5 / (1 + c) / 8
        rows.append({"case": f"two groups, c = {c:g}", "n": 64, "gram": gram, "expected": expected})
    for row in rows:
        found = factors(row.pop("gram"))
        row["factor"] = size(found)
        row["difference"] = float((found - row["expected"]).abs().max())
    return rows


def photos() -> list[Tensor]:
    """Both photos, grey, values from 0 to 1: (H, W) each."""
    loaded = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]  # (H, W, 3) each
    return [torch.tensor(photo).float().mean(2) / 255 for photo in loaded]


def patches(count: int, held_out: bool, seed: int) -> Tensor:
    """Clean patches (count, 1, S, S), from the right two thirds of each photo or from the rest."""
    generator, parts = torch.Generator().manual_seed(seed), []
    for photo in photos():
        left, rest = photo.tensor_split([photo.shape[1] // 3], 1)
        every = (
            (left if held_out else rest)
            .unfold(0, SIDE, 1)
            .unfold(1, SIDE, 1)
            .reshape(-1, 1, SIDE, SIDE)
        )
        parts.append(every[torch.randperm(len(every), generator=generator)[: count // 2]])
    return torch.cat(parts) - 0.5


def middle(images: Tensor) -> Tensor:
    """The middle pixel of every patch: (N,)."""
    return images[:, 0, SIDE // 2, SIDE // 2]


def network(width: int, seed: int) -> nn.Module:
    """A convolutional network that turns a patch into its middle pixel, or a photo into a photo."""
    torch.manual_seed(seed)
    first, second = nn.Conv2d(1, width, SIDE - 2), nn.Conv2d(width, width, 3)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv2d(width, 1, 1)).eval()


def fit(width: int, x: Tensor, y: Tensor, optimizer: str, steps: int, seed: int) -> nn.Module:
    """Train on the mean ½-squared loss. The seed fixes initialisation and order of batches."""
    model, generator = network(width, seed), torch.Generator().manual_seed(seed)
    options = {"momentum": MOMENTUM} if optimizer == "SGD" else {}
    update = getattr(torch.optim, optimizer)(model.parameters(), lr=RATES[optimizer], **options)
    order: list[Tensor] = []
    for _ in range(steps):
        order = order or list(torch.randperm(len(x), generator=generator).split(BATCH))
        batch = order.pop()
        update.zero_grad()
        ((model(x[batch]).flatten() - y[batch]).square().mean() / 2).backward()
        update.step()
    return model


def predictions(model: nn.Module, first: nn.Module, x: Tensor, y: Tensor, pull: float) -> dict:
    """What one network and its noisy targets say about the noise gain; ``pull`` η T, 0 for Adam."""
    model, first, x, y = model.double(), first.double(), x.double(), y.double()
    with torch.no_grad():
        residual, start = size(y - model(x).flatten()), y - first(x).flatten()
    gram = ks.TangentKernel(model).inner(x)
    spectrum = ks.Spectrum.of_gram(gram)
    found = {"factor": size(factors(gram))}
    found["ridge"] = ks.smoothing.choose_ridge(spectrum, y)[0].noise_gain()
    norm = residual * len(x) ** 0.5
    found["matched"] = ks.smoothing.matched(spectrum, y, norm).noise_gain()
    before = ks.Spectrum.of_gram(ks.TangentKernel(first).inner(x))
    found["matched, first kernel"] = ks.smoothing.matched(before, start, norm).noise_gain()
    if pull:
        found["descent"] = ks.smoothing.descent(spectrum, pull, 1).noise_gain()
        found["descent, first kernel"] = ks.smoothing.descent(before, pull, 1).noise_gain()
    return found


def study(optimizer: str, width: int, sigma: float, samples: int, steps: int, seed: int):
    """A row: measured gain, predictions, quality on held-out patches; and the networks."""
    clean, test = patches(samples, False, seed), patches(4096, True, seed + 1)
    generator = torch.Generator().manual_seed(seed + 2)
    x, unseen = (c + sigma * torch.randn(c.shape, generator=generator) for c in (clean, test))
    noise = torch.tensor([[sigma], [sigma], [0]]) * torch.randn(3, len(clean), generator=generator)
    targets = middle(clean) + noise
    models = [fit(width, x, y, optimizer, steps, seed) for y in targets]
    with torch.no_grad():
        answers, held_out = ([m(v).flatten() for m in models] for v in (x, unseen))
    moved = [(answers[a] - answers[b], noise[a] - noise[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    gains = [size(of_answers) / size(of_noise) for of_answers, of_noise in moved]
    shown = {"input": middle(unseen), "noisy": held_out[0], "clean": held_out[2]}
    pull = RATES["SGD"] / (1 - MOMENTUM) * steps if optimizer == "SGD" else 0  # η T
    row = {"optimizer": optimizer, "width": width, "sigma": sigma}
    row |= {"measured": size(torch.tensor(gains)), "range": [min(gains), max(gains)]}
    row["predicted"] = predictions(models[0], network(width, seed), x, targets[0], pull)
    row["decibels"] = {n: -20 * math.log10(size(v - middle(test))) for n, v in shown.items()}
    return row, [model.float() for model in models]


def lined(*rows: list[str]) -> str:
    """A table of the page; the first row is its head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def page(report: dict) -> str:
    """The page: every number is from the report."""
    copied = [["case", "n", "factor", "expected", "largest difference"]]
    for r in report["copies"]:
        numbers = f"{r['factor']:.6f}", f"{r['expected']:.6f}", f"{r['difference']:.0e}"
        copied.append([r["case"].replace("-", "−"), f"{r['n']:,}", *numbers])
    gains = [["optimizer", "width", "σ", "PSNR", "measured", *PREDICTORS]]
    for r in report["rows"]:
        quality = "{:.1f} → {:.1f}, {:.1f}".format(*r["decibels"].values())
        measured = "{:.3f} ({:.3f} … {:.3f})".format(r["measured"], *r["range"])
        cells = [f"{r['predicted'][n]:.3f}" if n in r["predicted"] else "" for n in PREDICTORS]
        gains.append([r["optimizer"], str(r["width"]), str(r["sigma"]), quality, measured, *cells])
    said = []
    for optimizer in RATES:
        rows, off = [r for r in report["rows"] if r["optimizer"] == optimizer], {}
        for name in rows[0]["predicted"]:
            found = [r["predicted"][name] / r["measured"] for r in rows]
            error = statistics.median(abs(ratio - 1) for ratio in found)
            off[f"*{name}* {error:.0%} ({min(found):.2f} … {max(found):.2f})"] = error
        said.append(f"- {optimizer}: {', '.join(sorted(off, key=off.get))}.")
    tables = {"copies": lined(*copied), "gains": lined(*gains), "deviations": "\n".join(said)}
    costs = [r["decibels"]["clean"] - r["decibels"]["noisy"] for r in report["rows"]]
    shares = [r["predicted"]["factor"] / r["measured"] for r in report["rows"]]
    tables |= {"least": min(shares), "most": max(shares), "cheap": min(costs), "dear": max(costs)}
    return PAGE.format(**tables, **report["settings"])


def figure(report: dict, models: list[nn.Module], path: Path) -> None:
    """Predicted against measured gain; a part of a photo as each network cleans it."""
    canvas = Figure(figsize=(13.3, 6), dpi=120, layout="constrained")
    axes = canvas.subplot_mosaic("GAB;GCD", width_ratios=(1.7, 1, 1))
    gains = axes["G"]
    for name, colour in PREDICTORS.items():
        gains.plot([], [], "o", ms=7, color=colour, label=name)
        for row in (row for row in report["rows"] if name in row["predicted"]):
            marker, fill = ("o", colour) if row["optimizer"] == "SGD" else ("^", "white")
            point = row["measured"], row["predicted"][name]
            gains.plot(*point, marker, ms=8, color=colour, mfc=fill, mew=1.6)
    gains.axline((0.1, 0.1), slope=1, color="black", ls=(0, (4, 3)), lw=1.2)
    gains.set(xlabel="measured noise gain", ylabel="predicted noise gain", ylim=(0, None))
    gains.legend(frameon=False, title="filled: SGD, hollow: Adam")
    gains.spines[["top", "right"]].set_visible(False)
    clean = photos()[0][None, 70:190, 55:205]  # of the left third
    noisy = clean + SHOWN[2] * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_noisy, _, by_clean = (model(noisy - 0.5)[0] + 0.5 for model in models)
    shown = noisy[0, 3:-3, 3:-3], clean[0, 3:-3, 3:-3], by_noisy, by_clean
    names = "noisy", "clean", "taught by noisy targets", "taught by clean targets"
    for place, image, name in zip("ABCD", shown, names, strict=True):
        axes[place].imshow(image, cmap="gray", vmin=0, vmax=1)
        axes[place].set(title=name, xticks=[], yticks=[])
    canvas.savefig(path)
    Image.open(path).quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Train, measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in {"samples": 1024, "steps": 1600, "threads": 1, "seed": 0}.items():
        options.add_argument(f"--{option}", type=int, default=default)
    asked = vars(options.parse_args())
    torch.set_num_threads(asked["threads"])
    start = time.perf_counter()
    report, models = {"copies": copies(asked["seed"]), "rows": []}, []
    for optimizer in RATES:
        for width, sigma in SETTINGS:
            steps = asked["steps"] // (1 if optimizer == "SGD" else 2)
            print(f"{optimizer}, width {width}, σ = {sigma}", file=sys.stderr)
            row, trained = study(optimizer, width, sigma, asked["samples"], steps, asked["seed"])
            report["rows"].append(row)
            models = trained if (optimizer, width, sigma) == SHOWN else models
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    asked |= {"side": SIDE, "batch": BATCH, "momentum": MOMENTUM, "rates": RATES}
    asked["arguments"] = "".join(f" {word}" for word in sys.argv[1:])
    asked["seconds"] = round(time.perf_counter() - start, 1)
    asked["software"] = f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    report["settings"] = {**asked, "processor": found[1] if found else platform.processor()}
    print(page(report))
    text = json.dumps(report, indent=1) + "\n"
    (ROOT / "experiments/results/noise2noise.json").write_text(text)
    (ROOT / "docs/experiments/noise2noise.md").write_text(page(report))
    figure(report, models, ROOT / "docs/images/noise2noise.png")


if __name__ == "__main__":
    main()
