"""The figures and the page of the experiment on explanations, from its numbers alone."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from pages import IMAGES, markdown

# The images belong to others: their pictures stay outside the project.
PAIRS = Path(__file__).parents[1] / "runs" / "explain_pairs.png"
COLOURS = {"mean colour": "#1b6ca8", "blur": "#d95f02"}

PAGE = """\
# Does the heat-map show what a similarity rests on?

`kernel.explain(x, y)` splits the similarity of two images exactly. Exact is not yet right: a \
position of a deep layer has seen most of the image. So hide what the map points at and see \
whether the similarity falls; and move the image and see whether the map follows.

ResNet-20 with its published weights, own class against the rest; {pairs} of the first {pool:,} \
test images of CIFAR-10, each with its nearest neighbour among those of its class (mean similarity \
{similarity}). The map over x is taken, and the tenth of its pixels with the largest values is \
hidden in x: replaced by the mean colour of the image, or by a blur. y is left alone.

The images are not this project's to show: the command draws four pairs with their heat-maps into \
runs/explain_pairs.png (red: makes the two alike; blue: less alike; all layers together).

## Hiding

Fall of k(x, y), mean over pairs with 95 % bootstrap interval over pairs.

- *all layers*, *conv1 + layer1*, *layer2*, *layer3*: top tenth of the heat-map of these layers.
- *smoothed*: of all layers after averaging over 5×5 pixels, so that the mask is in one piece or \
few, as that of Grad-CAM is. *lowest*: of all layers, the tenth with the smallest values.
- *Grad-CAM*: of the label's logit, at the last residual block. It knows x alone.
- *… elsewhere*: the same mask moved round the image at random, {draws} draws: as ragged, but \
in another place. *random pixels*: {draws} draws. *centre*: a disc.

{falls}
![Fall of the similarity by what is hidden](../images/explain_hidden.png)

Fall by the map of all layers minus the fall by another mask, paired:

{against}
{conclusions}
{comparison}

## What the layers share

Part of the similarity that the map of these layers places: {placed}; the rest, {placeless}, is of \
batch norm and the last layer and has no place.

## Moving the image

x moved down and right by some pixels, edges repeated, y as before; {shifted} pairs. Correlation \
of the new map with the old one moved along, and with the old one as it was, over the same pixels.

{shifts}
The residual blocks halve the resolution twice: maps of layer2 and layer3 are known on grids of \
2 and 4 pixels.

## Repeat it

```console
$ python experiments/explain.py --data FOLDER
```

`FOLDER` holds cifar10/ and pretrained/. It took {minutes} minutes, {core_minutes} of \
computing, on {processor}, {threads} thread(s), on a machine shared with other work; PyTorch \
{torch}, Python {python}, seed {seed}. Expected: the numbers above. All: \
`experiments/results/explain.json`.
"""


def page(report: dict) -> str:
    """The page, numbers from the report only."""
    asked = report["environment"]["arguments"]
    placed = {name: value["mean"] for name, value in report["placed"].items()}
    whole = report["similarity"]["mean"]
    return PAGE.format(
        **report["environment"],
        **{name: asked[name] for name in ("pool", "pairs", "draws", "shifted", "seed")},
        similarity=f"{whole:.2f}",
        falls=_falls(report["hidden"]),
        against=_falls({k: _others(v) for k, v in report["against"].items()}),
        conclusions=_conclusions(report),
        comparison=_comparison(report["hidden"]),
        placed=", ".join(f"{name} {value / whole:.0%}" for name, value in placed.items()),
        placeless=f"{1 - placed['all layers'] / whole:.0%}",
        shifts=_shifts(report["shift"]),
    )


def _others(masks: dict) -> dict:
    return {name: value for name, value in masks.items() if name != "all layers"}


def _said(value: dict) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f} … {value['high']:.3f})".replace("-", "−")


def _falls(hidden: dict) -> str:
    names = list(next(iter(hidden.values())))
    rows = [[name, *(_said(hidden[filling][name]) for filling in hidden)] for name in names]
    return markdown(["hidden", *hidden], rows)


def _shifts(shift: dict) -> str:
    rows = [
        [*name.rsplit(", ", 1), _said(each["moved along"]), _said(each["stayed"])]
        for name, each in shift.items()
    ]
    return markdown(["layers", "pixels", "moved along", "as it was"], rows)


def _conclusions(report: dict) -> str:
    """One sentence a filling and a rival, by the paired interval."""
    lines = []
    for filling, masks in report["against"].items():
        hidden = report["hidden"][filling]
        verdicts: dict[str, list[str]] = {"more": [], "less": [], "no different": []}
        for name, value in _others(masks).items():
            word = "more" if value["low"] > 0 else "less" if value["high"] < 0 else "no different"
            verdicts[word].append(name)
        said = "; ".join(
            f"{word} {'from' if word == 'no different' else 'than'} *{'*, *'.join(names)}*"
            for word, names in verdicts.items()
            if names
        )
        share = hidden["all layers"]["mean"] / report["similarity"]["mean"]
        lines.append(
            f"- {filling.capitalize()}: the map of all layers costs {share:.0%} of the "
            f"similarity; {said}.\n"
        )
    return "".join(lines)


def _comparison(hidden: dict) -> str:
    """What the raggedness of a mask does, in numbers."""

    def both(name: str) -> str:
        return " and ".join(f"{masks[name]['mean']:.3f}" for masks in hidden.values())

    return (
        f"How ragged a mask is matters as much as where it lies: single pixels strewn at random "
        f"cost {both('random pixels')} ({' and '.join(hidden)}), a disc in the middle "
        f"{both('centre')}. So a mask is to be held against itself in other places: all layers "
        f"{both('all layers')}, elsewhere {both('all layers elsewhere')}; smoothed "
        f"{both('smoothed')}, elsewhere {both('smoothed elsewhere')}; Grad-CAM {both('Grad-CAM')}, "
        f"elsewhere {both('Grad-CAM elsewhere')}."
    )


def pairs_figure(shown: list[tuple]) -> None:
    """Four pairs: x, its map, y, its map."""
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.2, 2.35 * len(shown)), layout="constrained")
        grid = figure.subplots(len(shown), 4, squeeze=False)
    for axes, (pixels, heats, similarity) in zip(grid, shown, strict=True):
        full = float(np.quantile(np.abs(np.stack([h.numpy() for h in heats])), 0.99))
        for k, (image, heat) in enumerate(zip(pixels, heats, strict=True)):
            value = heat.numpy()
            axes[2 * k].imshow(image)
            axes[2 * k + 1].imshow(image.mean(2), cmap="gray", vmin=-60, vmax=320)
            axes[2 * k + 1].imshow(
                value, cmap="RdBu_r", vmin=-full, vmax=full,
                alpha=0.85 * np.sqrt(np.clip(np.abs(value) / full, 0, 1)),
            )  # fmt: skip
        axes[0].set_title(f"x, k(x, y) = {similarity:.2f}")
        for each, title in zip(axes[1:], ("map over x", "y", "map over y"), strict=True):
            each.set_title(title)
        for each in axes:
            each.set_axis_off()
    PAIRS.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PAIRS, dpi=110)


def occlusion_figure(report: dict) -> None:
    """Fall of the similarity by what is hidden, with intervals."""
    style: dict[Any, Any] = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(7.5, 4.0), layout="constrained")
        axes = figure.subplots()
    for k, (filling, masks) in enumerate(report["hidden"].items()):
        at = np.arange(len(masks)) + 0.36 * k - 0.18
        means = [each["mean"] for each in masks.values()]
        error = [
            [each["mean"] - each["low"] for each in masks.values()],
            [each["high"] - each["mean"] for each in masks.values()],
        ]
        axes.barh(at, means, 0.34, xerr=error, label=filling, color=COLOURS[filling],
                  error_kw={"linewidth": 1})  # fmt: skip
        axes.set_yticks(range(len(masks)), list(masks))
    axes.invert_yaxis()
    axes.grid(True, axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("fall of k(x, y) when a tenth of x is hidden")
    axes.legend(title="hidden by", frameon=False, loc="center", bbox_to_anchor=(0.75, 0.3))
    figure.savefig(IMAGES / "explain_hidden.png", dpi=110)
