"""The text, the figure and the page of the stability experiment, from its numbers alone."""

import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from pages import IMAGES, markdown

COLOURS = {"tangent kernel": "#1b6ca8", "last layer": "#d95f02"}
VIEWS = tuple(COLOURS)
KINDS = {"shared": "shared neighbours", "rank_correlation": "rank correlation", "cka": "CKA"}

PAGE = """\
# How stable is what a network takes for the same thing?

Do two networks that were trained alike but for the seed find the same images alike? Small \
convolutional networks (width w: two convolutions of w and 2w channels, a hidden layer of 4w) on \
{train:,} images of Fashion-MNIST, {steps:,} steps of Adam on batches of 64; compared by \
`ks.compare` on {asked:,} test images, by the whitened tangent kernel of the ten logits and by \
the cosine of the last hidden layer.

*Shared*: of the 10 nearest, the share in common (by chance {chance}); *rank correlation*: \
Spearman over all other images; both are means over images. *CKA*: unbiased alignment.

![Agreement along training, across seeds and across widths](../images/stability.png)

## Along training

A network of width 16 after so many steps, against itself at the end.

{training}

## Across seeds

{seeds} networks of each width, all pairs, mean (smallest to largest pair).

{across}

## Across widths

Every seed of one width against all other seeds of width 16.

{widths}

## What came out

{findings}

## To repeat it

```console
$ python experiments/stability.py --data FOLDER
```

`FOLDER` holds fashion_mnist; `--full` takes more images, steps, seeds and widths. It took \
{minutes} minutes, {core_minutes} of computing, on {processor}, threads: {threads}, PyTorch \
{torch}, on a machine shared with other work. Seeds are fixed; processors that \
round otherwise train other networks. All numbers: `experiments/results/stability.json`.
"""


def page(report: dict) -> str:
    """The page in docs/experiments."""
    scale, environment = report["scale"], report["environment"]
    head = [f"{KINDS[kind]}, {view}" for view in COLOURS for kind in KINDS]
    training = [
        [str(row["step"]), f"{100 * row['accuracy']:.1f} %", *single(row)]
        for row in report["training"]
    ]
    seeds = [
        [str(row["width"]), f"{100 * row['accuracy']:.1f} %", *several(row["pairs"])]
        for row in report["seeds"]
    ]
    widths = [[str(row["width"]), *several(row["pairs"])] for row in report["widths"]]
    return PAGE.format(
        **{key: scale[key] for key in ("train", "steps", "asked", "seeds")},
        chance=f"{100 * report['training'][0]['last layer']['chance']:.1f} %",
        training=markdown(["step", "test accuracy", *head], training),
        across=markdown(["width", "test accuracy", *head], seeds),
        widths=markdown(["width", *head], widths),
        findings=findings(report),
        **{
            key: environment[key]
            for key in ("minutes", "core_minutes", "processor", "threads", "torch")
        },
    )


def single(row: dict) -> list[str]:
    """The numbers of one comparison, view by view."""
    return [f"{row[view][kind]:.2f}" for view in COLOURS for kind in KINDS]


def several(pairs: list[dict]) -> list[str]:
    """Mean and range over pairs, view by view."""
    cells = []
    for view in COLOURS:
        for kind in KINDS:
            values = [pair[view][kind] for pair in pairs]
            cells.append(f"{mean(pairs, view, kind):.2f} ({min(values):.2f} to {max(values):.2f})")
    return cells


def mean(pairs: list[dict], view: str, kind: str) -> float:
    """Mean over pairs of networks."""
    return statistics.mean(pair[view][kind] for pair in pairs)


def findings(report: dict) -> str:
    """Sentences that follow from the numbers, whatever they say."""
    lines = []
    narrow, wide = report["seeds"][0], report["seeds"][-1]
    for view in COLOURS:
        shared = [mean(row["pairs"], view, "shared") for row in (narrow, wide)]
        order = [mean(row["pairs"], view, "rank_correlation") for row in (narrow, wide)]
        lines.append(
            f"Across seeds, {view}: {100 * shared[0]:.0f} % of the nearest are shared at width "
            f"{narrow['width']}, {100 * shared[1]:.0f} % at width {wide['width']}; rank "
            f"correlation {order[0]:.2f} and {order[1]:.2f}."
        )
    for view in COLOURS:
        steps = [row["step"] for row in report["training"] if row[view]["shared"] >= 0.5]
        first = report["training"][0][view]
        lines.append(
            f"Along training, {view}: before the first step {100 * first['shared']:.0f} % of the "
            f"final nearest are there; half of them from step {steps[0]} on."
        )
    better = [
        f"width {row['width']}"
        for row in report["seeds"]
        if mean(row["pairs"], VIEWS[0], "shared") > mean(row["pairs"], VIEWS[1], "shared")
    ]
    lines.append(
        "By shared neighbours across seeds the tangent kernel is the more stable of the two at "
        f"{', '.join(better) or 'no width'} (of {len(report['seeds'])} widths)."
    )
    return "".join(f"- {line}\n" for line in lines).rstrip()


def text(report: dict) -> str:
    """The numbers as text."""
    lines = []
    for row in report["training"]:
        lines.append(f"step  {row['step']:5d} {row['accuracy']:.3f}  " + "  ".join(single(row)))
    for row in report["seeds"]:
        lines.append(
            f"seeds {row['width']:5d} {row['accuracy']:.3f}  " + "  ".join(several(row["pairs"]))
        )
    for row in report["widths"]:
        lines.append(f"width {row['width']:5d}        " + "  ".join(several(row["pairs"])))
    return "\n".join(lines)


def figure(report: dict) -> None:
    """Three panels: along training, across seeds by width, against the middle width."""
    drawn, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
    for view, colour in COLOURS.items():
        for kind, style in (("shared", "-"), ("rank_correlation", ":")):
            name = f"{view}, {KINDS[kind]}"
            steps = [max(row["step"], 1) for row in report["training"]]
            values = [row[view][kind] for row in report["training"]]
            panels[0].plot(steps, values, style, color=colour, marker="o", ms=3, label=name)
            for axes, part in ((panels[1], "seeds"), (panels[2], "widths")):
                rows = report[part]
                across = [row["width"] for row in rows]
                pairs = [[pair[view][kind] for pair in row["pairs"]] for row in rows]
                axes.plot(
                    across, list(map(statistics.mean, pairs)), style, color=colour, marker="o"
                )
                for place, each in zip(across, pairs, strict=True):
                    axes.plot([place, place], [min(each), max(each)], color=colour, alpha=0.4)
    said = ("steps (0 at the left), against the end", "width: pairs of seeds", "width, against 16")
    for axes, label in zip(panels, said, strict=True):
        axes.set_xscale("log", base=2)
        axes.set_xlabel(label)
        axes.set_ylim(0, 1.02)
        axes.axhline(report["training"][0]["last layer"]["chance"], color="#b2182b", ls="--", lw=1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, color="0.9")
    panels[0].set_ylabel("agreement (dashed: shared by chance)")
    panels[0].legend(frameon=False, fontsize=7)
    IMAGES.mkdir(parents=True, exist_ok=True)
    drawn.savefig(IMAGES / "stability.png", dpi=110)
