"""The page and the text of properties_measured.py, from its numbers alone."""

from pages import markdown

PAGE = """\
# What is proved, measured

The statements of [docs/properties.md](../properties.md) on trained networks: how close the bounds \
are, what the counterexamples look like, where the numbers lie; and how much of a similarity \
belongs to the seed. Perceptrons of two ReLU layers with PyTorch's own initialisation, trained by \
SGD (rate 0.05, momentum 0.9, batches of 64) on cross-entropy; the similarity is that of the ten \
logits, whitened.

## Nearly equal gradients, nearly equal outputs

With a linear last layer of its own, with a bias, ‖f − f'‖ ≤ ‖W‖ √(2 D (1 − k) (1 + ‖a'‖²) / \
Tr K(x,x)⁻¹), ‖W‖ the spectral norm, a' what the last layer reads. A network of width 32 on \
digits ({accuracy:.1%} of test digits right), all pairs of 200 test digits and of these with \
noise from 0.1 to 1e-6:

![Change of output against 1 − k with the bound, and shares of the layers](../images/properties.png)

No pair exceeds its bound; the closest comes to {largest:.1%} of it, the median pair to \
{median:.1%}. The distance falls with √(1 − k) as the bound does: the theorem is the end \
of this line. The bound is no estimate of a distance.

## Equal gradients where the theorem does not hold

{twins}

## The split by layers

K = Σ_l λ_l (⟨a_l, a_l'⟩ + 1) with λ_l = Σ_d ⟨δ_l, δ_l'⟩ of the pair. Largest error relative to \
the largest K: {error_before:.0e} before training, {error_after:.0e} after. The right panel above \
has each layer's share of the mean K. A perceptual loss would take the same λ_l for all pairs: the \
best such λ explain {fixed_before:.0%} of the variance of K over pairs before training, \
{fixed_after:.0%} after.

## Where the numbers lie

{ranges}

## Ranks

Rank of K, all outputs of all samples: at most the outputs, and at most the directions in which \
the parameters change anything.

{ranks}

The digits may stay below: the count of directions leaves out neither units that are never on nor \
pixels that few digits use.

## How much belongs to the seed

![Spread and shared nearest by width, along training, of ensembles](../images/properties_widths.png)

{seeds}
## What came out

{findings}

## To repeat it

```console
$ python experiments/properties_measured.py{command}
```

{minutes} minutes, {core_minutes} of computing, on {processor}, threads: {threads}, PyTorch \
{torch}, on a machine shared with other work; `--quick` takes narrow networks and digits alone. \
Seeds are fixed; processors that round otherwise train other networks. All numbers: \
`experiments/results/properties.json`.
"""

SEEDS = """\
### {name}

Similarities of {asked} test pictures; {seeds} networks of each width after {steps} steps, {twice} \
before. *Spread*: deviation of k(x, x') over seeds, root of the mean square over pairs. *Shared*: \
of the 10 nearest, the share in common, *order*: Spearman over all others, both of every two \
seeds. *Change*: root of the mean square of k after training less k before.

{by_width}

Every network against those of other widths and seeds, after training:

{other}

A network of width {middle} after so many steps, against itself at the end and against another \
seed at the same step:

{checkpoints}

Mean of m networks of width {narrow} (`ks.baselines.Ensemble`) against the mean of m others:

{ensembles}
"""


def page(report: dict) -> str:
    """The page in docs/experiments."""
    found, environment = report["theorems"], report["environment"]
    arguments = environment["arguments"]
    command = " --data FOLDER" if len(report["seeds"]) > 1 else ""
    command += " --quick" if arguments["quick"] else ""
    split = found["split"]
    return PAGE.format(
        accuracy=report["accuracy"],
        largest=found["outputs"]["largest ratio"],
        median=found["outputs"]["median"],
        twins=twins(found["twins"]),
        **{f"error_{when}": split[when]["error"] for when in split},
        **{f"fixed_{when}": split[when]["fixed"] for when in split},
        ranges=ranges(found["range"]),
        ranks=ranks(found["ranks"]),
        seeds="\n".join(
            seeds(name, each, report["scales"][name]) for name, each in report["seeds"].items()
        ),
        findings=findings(report),
        command=command,
        **{
            key: environment[key]
            for key in ("minutes", "core_minutes", "processor", "threads", "torch")
        },
    )


def twins(rows: list[dict]) -> str:
    """Pairs of inputs and what the network says of them."""
    head = ["network and inputs", "k", "‖g − g'‖", "f", "f'"]
    lines = [
        [row["name"], f"{row['similarity']:.6f}", f"{row['gradients']:.2g}"]
        + [f"{value:.4f}" for value in row["outputs"]]
        for row in rows
    ]
    return markdown(head, lines)


def ranges(found: dict) -> str:
    """Before and after training, side by side."""
    low, middle, high = ([each["density"][i] for each in found.values()] for i in range(3))
    rows = [
        ("smallest k of two digits", [f"{each['smallest']:.3f}" for each in found.values()]),
        ("mean", [f"{each['mean']:.3f}" for each in found.values()]),
        ("largest", [f"{each['largest']:.3f}" for each in found.values()]),
        ("share below 0", [f"{each['negative']:.1%}" for each in found.values()]),
        ("smallest eigenvalue", [f"{each['eigenvalue']:.1e}" for each in found.values()]),
        ("smallest density", [f"{value:.1f}" for value in low]),
        ("mean density", [f"{value:.1f}" for value in middle]),
        ("largest density, of 200", [f"{value:.1f}" for value in high]),
    ]
    return markdown(["", "before training", "after"], [[name, *cells] for name, cells in rows])


def ranks(rows: list[dict]) -> str:
    """Measured rank beside its two bounds."""
    head = ["network", "samples", "outputs N D", "parameters P", "directions", "rank"]
    keys = ("samples", "outputs", "parameters", "directions", "rank")
    return markdown(head, [[row["name"], *(f"{row[key]:,}" for key in keys)] for row in rows])


def seeds(name: str, found: dict, scale: dict) -> str:
    """The part of the page of one data set."""
    return SEEDS.format(
        name=name,
        **{key: scale[key] for key in ("asked", "seeds", "steps")},
        twice=2 * scale["seeds"],
        by_width=by_width(found["widths"]),
        other=markdown(
            ["widths", "shared", "order", "|Δk|"],
            [[f"{row['one']}, {row['other']}", *agreement(row)] for row in found["other widths"]],
        ),
        middle=scale["widths"][len(scale["widths"]) // 2],
        narrow=scale["widths"][0],
        checkpoints=markdown(
            ["step", "right", "shared, end", "order, end", "|Δk|, end", "shared, seed",
             "order, seed", "|Δk|, seed"],
            [
                [str(row["step"]), f"{row['accuracy']:.1%}", *agreement(row["end"]),
                 *agreement(row["seed"])]
                for row in found["checkpoints"]
            ],
        ),
        ensembles=markdown(
            ["m", "shared", "order", "|Δk|"],
            [[str(row["size"]), *agreement(row)] for row in found["ensembles"]],
        ),
    )  # fmt: skip


def by_width(rows: list[dict]) -> str:
    """One row a width: before, after, and the change."""
    head = ["width", "right", "mean k before", "spread", "shared", "order"]
    head += ["mean k after", "spread", "shared", "order", "change"]
    lines = []
    for row in rows:
        cells = [f"{row['width']:,}", f"{row['accuracy']:.1%}"]
        for when in ("before", "after"):
            each = row[when]
            cells += [f"{each['mean']:.2f}", f"{each['spread']:.4f}"]
            cells += [f"{each['shared']:.2f}", f"{each['order']:.2f}"]
        lines.append([*cells, f"{row['training']['moved']:.3f}"])
    return markdown(head, lines)


def agreement(row: dict) -> list[str]:
    """Shared nearest, order, root of the mean square of Δk."""
    return [f"{row['shared']:.2f}", f"{row['order']:.2f}", f"{row['moved']:.3f}"]


def findings(report: dict) -> str:
    """Sentences that follow from the numbers, whatever they say."""
    lines = []
    for name, found in report["seeds"].items():
        narrow, wide = found["widths"][0], found["widths"][-1]
        slopes, teams = found["slopes"], found["ensembles"]
        start = found["checkpoints"][0]["end"]
        lines += [
            f"{name}, spread over seeds: before training {spreads(found['widths'], 'before')}; "
            f"after {spreads(found['widths'], 'after')}. Lines through the logarithms have slopes "
            f"{slopes['before']:.2f} and {slopes['after']:.2f}; −0.5 would be that of a mean of "
            "independent units. The change by training has "
            f"{slopes['training']:.2f}.",
            f"{name}, two seeds after training share {narrow['after']['shared']:.0%} of the ten "
            f"nearest at width {narrow['width']}, {wide['after']['shared']:.0%} at width "
            f"{wide['width']:,}; before training {narrow['before']['shared']:.0%} and "
            f"{wide['before']['shared']:.0%}.",
            f"{name}, before the first step {start['shared']:.0%} of the final ten nearest are "
            f"there, and the order correlates {start['order']:.2f} with the final one.",
            f"{name}, means of {teams[-1]['size']} networks of width {narrow['width']} share "
            f"{teams[-1]['shared']:.0%} of the ten nearest with each other, single ones "
            f"{teams[0]['shared']:.0%}.",
        ]
    return "".join(f"- {line}\n" for line in lines).rstrip()


def spreads(rows: list[dict], when: str) -> str:
    """Of the narrowest and widest networks, and the least of all."""
    narrow, wide = rows[0], rows[-1]
    least = min(rows, key=lambda row: row[when]["spread"])
    said = f"{narrow[when]['spread']:.3f} at width {narrow['width']}, "
    said += f"{wide[when]['spread']:.3f} at width {wide['width']:,}"
    if least is not wide:
        said += f", least {least[when]['spread']:.3f} at width {least['width']:,}"
    return said


def text(report: dict) -> str:
    """The numbers as text."""
    return "\n\n".join(by_width(found["widths"]) for found in report["seeds"].values())
