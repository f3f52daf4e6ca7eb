"""The text, the figure and the page of the agreement experiment, from its numbers alone."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from pages import IMAGES, markdown

PAGE = """\
# What others would have said

Many similarities can stand where the tangent kernel stands ([beside the kernel](../beside.md)). \
How far do they agree with it, and which of them finds what no label told the network?

The network is a ResNet-20 trained on CIFAR-10 by somebody else, the data {images:,} test images. \
*Tangent kernel* is that of the predicted class against the rest; *all outputs* the \
trace-normalised kernel of all ten logits, from two random probes. *Perceptual* and *style* read \
the ends of the three stages, *RBF* has the median distance as width.

![Agreement with the kernel, and key words found](../images/agreement.png)

## Agreement with the tangent kernel

Over all pairs of the images. *Shared*: of the {neighbours} nearest, the share that both have in \
common (by chance {chance_shared}). *Rank correlation*: Spearman over all other images, mean over \
images. *CKA*: unbiased alignment of all similarities, 0 for independent ones.

{agreement}

## The key word among the nearest of the class

File names of CIFAR-10 carry the key word that an image was found by: jetliner or biplane among \
airplanes, toad or bullfrog among frogs. The network was never told. Within each class: of the \
{neighbours} nearest images, the share with the image's own key word, in percent, over the \
{samples:,} images whose word another image of the class has. *Less than the kernel*: the \
difference on the same images. Brackets: 95 % of {draws:,} bootstrap draws of images; the images \
are taken as independent, which neighbours are not quite, and the intervals are not corrected for \
how many there are. Chance is {chance}.

{words}

Class by class, in percent:

{classes}

## What came out

{findings}

## To repeat it

```console
$ python experiments/agreement.py --data FOLDER
```

`FOLDER` holds cifar10 and pretrained; `--full` takes all 10,000 images. It took {minutes} \
minutes, {core_minutes} of computing, on {processor}, threads: {threads}, PyTorch {torch}, on a \
machine shared with other work. Nothing is drawn at random but the probes, the pairs that the \
width is the median of and the bootstrap, all from fixed seeds. All numbers: \
`experiments/results/agreement.json`.
"""


def page(report: dict) -> str:
    """The page in docs/experiments."""
    found, environment = report["similarities"], report["environment"]
    first, *others = found
    return PAGE.format(
        images=report["images"],
        neighbours=10,
        chance_shared=percent(found[others[0]]["agreement"]["chance"]),
        samples=report["samples"],
        draws=2000,
        chance=f"{percent(report['chance'])} over all classes",
        agreement=markdown(
            ["similarity", "shared", "rank correlation", "CKA"],
            [
                [
                    name,
                    percent(found[name]["agreement"]["shared"]),
                    f"{found[name]['agreement']['rank_correlation']:+.2f}",
                    f"{found[name]['agreement']['cka']:.2f}",
                ]
                for name in others
            ],
        ),
        words=markdown(
            ["similarity", "same key word", "less than the kernel"],
            [
                [
                    name,
                    ranged(each["all"]),
                    "" if name == first else ranged(each["less_than_kernel"]),
                ]
                for name, each in found.items()
            ],
        ),
        classes=markdown(["class", "images", "chance", *found], class_rows(report)),
        findings=findings(report),
        **{
            key: environment[key]
            for key in ("minutes", "core_minutes", "processor", "threads", "torch")
        },
    )


def class_rows(report: dict) -> list[list[str]]:
    """One row a class; the best share in bold."""
    found, rows = report["similarities"], []
    for label, first in next(iter(found.values()))["classes"].items():
        means = [each["classes"][label]["mean"] for each in found.values()]
        cells = [ranged(each["classes"][label]) for each in found.values()]
        best = means.index(max(means))
        cells[best] = f"**{cells[best]}**"
        rows.append([label, str(first["samples"]), f"{100 * first['chance']:.1f}", *cells])
    return rows


def findings(report: dict) -> str:
    """Sentences that follow from the numbers, whatever they say."""
    found = report["similarities"]
    others = list(found)[1:]
    order = sorted(found, key=lambda name: -found[name]["all"]["mean"])
    near = sorted(others, key=lambda name: -found[name]["agreement"]["shared"])
    ahead = [name for name in others if found[name]["less_than_kernel"]["high"] < 0]
    behind = [name for name in others if found[name]["less_than_kernel"]["low"] > 0]
    level = [name for name in others if name not in (*ahead, *behind)]
    below = [name for name in found if found[name]["all"]["low"] <= report["chance"]]
    lines = [
        "Order by key words found: "
        + ", ".join(f"{name} {100 * found[name]['all']['mean']:.1f}" for name in order)
        + f"; chance {100 * report['chance']:.1f}.",
        f"Better than the tangent kernel beyond the interval: {listed(ahead)}. Worse: "
        f"{listed(behind)}. No difference that these images can tell: {listed(level)}.",
        f"Not above chance: {listed(below)}. None finds much: the best is "
        f"{100 * (found[order[0]]['all']['mean'] - report['chance']):.1f} points above chance.",
        f"Nearest to the tangent kernel by shared neighbours: {near[0]} "
        f"({percent(found[near[0]]['agreement']['shared'])}); farthest: {near[-1]} "
        f"({percent(found[near[-1]]['agreement']['shared'])}).",
        wins(report),
    ]
    return "".join(f"- {line}\n" for line in lines).rstrip()


def wins(report: dict) -> str:
    """How many classes each similarity is best on."""
    found = report["similarities"]
    best = [
        max(found, key=lambda name, c=label: found[name]["classes"][c]["mean"])
        for label in next(iter(found.values()))["classes"]
    ]
    counted = {name: best.count(name) for name in found if name in best}
    ordered = sorted(counted.items(), key=lambda pair: -pair[1])
    return "Best on single classes: " + ", ".join(f"{name} on {n}" for name, n in ordered) + "."


def listed(names: list[str]) -> str:
    """Names in a row, or none."""
    return ", ".join(names) or "none"


def percent(share: float) -> str:
    """A share as a person reads it."""
    return f"{100 * share:.1f} %"


def ranged(value: dict) -> str:
    """Mean and interval, in percent."""
    return f"{100 * value['mean']:.1f} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"


def text(report: dict) -> str:
    """The numbers as text."""
    lines = [
        f"{'similarity':28s} shared   rank    CKA   key word (%), chance {report['chance']:.3f}"
    ]
    for name, each in report["similarities"].items():
        with_kernel = each["agreement"]
        lines.append(
            f"{name:28s} {with_kernel['shared']:6.3f} {with_kernel['rank_correlation']:+6.2f} "
            f"{with_kernel['cka']:6.2f}   {ranged(each['all'])}"
        )
    return "\n".join(lines)


def figure(report: dict) -> None:
    """Agreement as bars on the left, key words found on the right."""
    found = report["similarities"]
    first, *others = found
    drawn, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    places = range(len(others))
    for kind, colour, aside in (("shared", "#1b6ca8", 0.2), ("rank_correlation", "#d95f02", -0.2)):
        values = [found[name]["agreement"][kind] for name in others]
        name = kind.replace("_", " ")
        left.barh([p + aside for p in places], values, 0.38, color=colour, label=name)
    left.set_yticks(list(places), others)
    left.set_xlabel("agreement with the tangent kernel")
    left.legend(frameon=False)
    for place, (name, each) in enumerate(found.items()):
        low, middle, high = (100 * each["all"][key] for key in ("low", "mean", "high"))
        colour = "#1b6ca8" if name == first else "0.3"
        right.plot([low, high], [place, place], color=colour, linewidth=2)
        right.plot([middle], [place], "o", color=colour)
    right.axvline(100 * report["chance"], color="#b2182b", linestyle="--", linewidth=1)
    right.set_yticks(range(len(found)), list(found))
    right.set_xlabel("same key word among the 10 nearest, %\n(dashed: chance)")
    for axes in (left, right):
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, axis="x", color="0.9")
        axes.set_axisbelow(True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    drawn.savefig(IMAGES / "agreement.png", dpi=110)
