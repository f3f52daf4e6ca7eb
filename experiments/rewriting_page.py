"""The page and figure of rewriting.py."""

from matplotlib.figure import Figure
from pages import IMAGES, markdown

COLOURS = {
    "diagonal": "#2f6fde", "per neuron": "#2a9d8f", "whole": "#d1495b", "Kronecker": "#f4a261",
}  # fmt: skip
WAYS = ("rescaled", "weight norm")
FLOOR = 1e-16

PAGE = """\
# Does it matter how a network is written?

A network of two hidden layers of 16 on scikit-learn's digits (1,482 parameters, float64), and the \
same function written otherwise: *rescaled*: the first layer times 5, the second divided by it; \
*weight norm*: w = g v/‖v‖ in every layer, v three times as long as w. Similarity of own class \
against the rest among 100 digits; F of the Fisher form from all 1,797 digits, which are fitted \
anew for the re-written network. Median and largest |Δk|: exact invariance would be 0.

![Largest change of a similarity by damping](../images/rewriting.png)

{invariance}

- Plain similarities move by up to {plain_scaled:.2f} and {plain_normed:.2f} although the \
networks compute the same.
- Undamped, blocks per neuron and the whole matrix see neither, diagonal and Kronecker factors not \
the rescaling. The whole matrix owes it to the order of steps: every neuron's block is made the \
identity first, and which eigenvalues count as zero is decided after that. Decided on F itself, \
whose eigenvalues rescaling spreads by 5⁴, it left other directions out of the re-written network, \
and similarities moved by up to {naive_scaled:.3f} and {naive_normed:.3f}.
- Damping M = F + ρ·mean·I, the mean taken over each layer, leaves the diagonal and the factors \
invariant to a common factor in a layer. Blocks per neuron and the whole matrix lose it: they \
measure in the units of the parameters again. *auto* is the \
ρ under which one half of the gradients foretells the other best (the grid ends at 1e-6), found \
for the first network; it was {auto}.
{real}
## Repeat it

```console
$ python experiments/rewriting.py{command}
```

{minutes} minutes on {processor}, {threads} thread(s), shared with other jobs; PyTorch {torch}, \
Python {python}. All numbers: `experiments/results/rewriting.json`.
"""

REAL = """
## ResNet-20 on CIFAR-10

{pool} test images, own class against the rest, float32; metrics fitted to the same images, which \
takes the Fisher form with its 10 backward passes. Ten nearest of each image: share that the \
Euclidean kernel names too, and share with the label of the image.

{neighbours}

A metric names others as near; that these share the label more often is not shown. The standard \
error of the last column is at most {error:.1%}, which it would be if the ten of an image all did \
or all did not.

Cost in passes (one forward and backward over the same images), jobs alternating, least of \
{repeat}; the fit once:

{passes}
"""


def page(report: dict) -> str:
    """The page in Markdown."""
    rows, environment = report["rewritten"], report["environment"]
    plain = next(row for row in rows if row["metric"] == "Euclidean")
    auto = [row for row in rows if row["damping"] == "auto"]
    arguments = environment["arguments"]
    command = " --data FOLDER" if "real" in report else ""
    command += f" --pool {arguments['pool']} --repeat {arguments['repeat']}" if command else ""
    return PAGE.format(
        invariance=_invariance(rows),
        plain_scaled=plain["rescaled"],
        plain_normed=plain["weight norm"],
        naive_scaled=report["naive"]["rescaled"],
        naive_normed=report["naive"]["weight norm"],
        auto=", ".join(f"{row['chosen']:.2g} ({row['metric']})" for row in auto),
        real=_real(report) if "real" in report else "",
        command=command,
        **{k: environment[k] for k in ("minutes", "processor", "threads", "torch", "python")},
    )


def _invariance(rows: list[dict]) -> str:
    head = ["metric", "damping ρ", *WAYS]
    return markdown(
        head,
        [
            [
                row["metric"],
                "–" if row["metric"] == "Euclidean" else _damping(row),
                *(f"{_number(row[f'{way}, median'])}, {_number(row[way])}" for way in WAYS),
            ]
            for row in rows
        ],
    )


def _damping(row: dict) -> str:
    return f"auto: {row['chosen']:.2g}" if row["damping"] == "auto" else f"{row['damping']:.0e}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def _real(report: dict) -> str:
    arguments = report["environment"]["arguments"]
    neighbours = markdown(
        ["metric", "damping", "shared with Euclidean", "same label"],
        [
            [r["metric"], f"{r['damping']:.2g}", f"{r['shared']:.1%}", f"{r['agreement']:.1%}"]
            for r in report["real"]
        ],
    )
    passes = markdown(
        ["metric", "fit", "Gram", "density"],
        [
            [row["metric"], *(f"{row[job]:.1f}" for job in ("fit", "Gram", "density"))]
            for row in report["passes"]
        ],
    )
    shares = [row["agreement"] for row in report["real"]]
    error = max((s * (1 - s) / arguments["pool"]) ** 0.5 for s in shares)
    return REAL.format(
        error=error,
        pool=arguments["pool"],
        repeat=arguments["repeat"],
        neighbours=neighbours,
        passes=passes,
    )


def figure(rows: list[dict]) -> None:
    """Largest |Δk| against damping, one panel a re-writing; the plain kernel as a line."""
    drawn = Figure(figsize=(9, 3.6), layout="constrained")
    plain = next(row for row in rows if row["metric"] == "Euclidean")
    for axes, way in zip(drawn.subplots(1, 2, sharey=True), WAYS, strict=True):
        for name, colour in COLOURS.items():
            mine = [r for r in rows if r["metric"] == name and r["damping"] != "auto"]
            places = [max(row["damping"], 1e-7) for row in mine]  # 0 stands left of all
            values = [max(row[way], FLOOR) for row in mine]
            axes.loglog(places, values, "o-", color=colour, label=name)
        axes.axhline(plain[way], color="#7f7f7f", linestyle="--", label="Euclidean")
        axes.set_title(way)
        axes.set_xlabel("damping ρ")
        axes.set_xticks([1e-7, 1e-5, 1e-3, 1e-1], ["0", "1e-5", "1e-3", "0.1"])
        axes.grid(alpha=0.3)
    drawn.axes[0].set_ylabel("largest |Δk|")
    drawn.axes[0].legend(fontsize="small")
    IMAGES.mkdir(parents=True, exist_ok=True)
    drawn.savefig(IMAGES / "rewriting.png", dpi=110)
