"""The page and the figure that benchmarks/sketches.py writes from what it measured."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURE = DOCS / "sketch-accuracy.md", DOCS / "images" / "sketches.png"
# Told apart by colour-blind people (Okabe and Ito 2008), and by their marks.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"


def write_page(report: dict) -> None:
    """docs/sketch-accuracy.md with the parts that were measured, and its figure."""
    sections = [HEAD.format(**report["environment"])]
    if "accuracy" in report:
        draw(report)
        sections.append(accuracy(report["accuracy"]))
    sections += [
        part(report[name])
        for name, part in (("wide", wide), ("bits", bits), ("cost", cost))
        if name in report
    ]
    PAGE.write_text("\n".join(section.strip("\n") + "\n" for section in sections))


HEAD = """\
# How far sketches may be trusted

Written by `python benchmarks/sketches.py --data FOLDER --cache FOLDER` on {processor}, {threads} \
threads, PyTorch {torch}, Python {python}, float32. What a sketch is and how to choose its size: \
[sketches](sketches.md).
"""

ACCURACY = """\
## Similarities, neighbours, densities

ResNet-20 (270,000 parameters), {images:,} CIFAR-10 test images, its own class against the rest. \
Neighbours and densities of the first {queries:,} among all of them are compared with those of \
the exact kernel, whose similarities are \
{similarity_mean:.2f} in the mean with a deviation of {similarity_std:.2f}; the tenth nearest \
image has {tenth_neighbour:.2f}.

- *Error*: root mean square of k̂ − k over the {pairs:,} pairs of the first {compared:,} images; \
*law*: (1 − k²)/√S for the same pairs.
- *Recall*: how many of the true ten nearest are among the ten best by sketch; *of 50*: after \
the 50 best were re-ordered by the exact kernel. The second needs no more than that a true \
neighbour is among the 50. Through `store.nearest(…, rerank=…)` the first {asked[queries]} images \
with S = {asked[dim]:,} have {asked[recall]:.4f}, and {asked[among_candidates]:.4f} of their true \
neighbours are candidates.
- *Soft*, *hard*: correlation of Σ k and of #{{k ≥ 0.5}} with the exact ones over the images, \
Pearson's and of ranks. Activations have another scale, so their threshold is the one above \
which equally many pairs lie ({thresholds}).
- *Bytes*: of the folder, a sample, with all columns beside the sketches.

| features | error | law | bias | recall@10 | of 50 | soft | ranks | hard | ranks | bytes |
|---|---|---|---|---|---|---|---|---|---|---|
"""

SOFT = """
![Error of similarities against the law, and recall of the ten nearest, by size of the sketch]\
(images/sketches.png)

### The error of soft densities

Σ_j k̂_ij = ⟨φ_i, Σ_j φ_j⟩ is one product with one long vector of length √(Σ_jl k_jl), so its \
deviation by chance is about √(Σ_jl k_jl / S): errors of all pairs of a sample do not average \
out as independent ones would. Part of it is the same for all samples (*shift*), the rest \
(*noise*) blurs their order. Exact soft densities are {soft_mean:,.0f} in the mean with a \
deviation of {soft_std:,.0f}.

| S | by law | shift | noise | noise over deviation |
|---|---|---|---|---|
"""

WIDE = """
## Ten outputs, from the factors

A perceptron 784-512-256-10 (ReLU, 535,818 parameters, one epoch of Adam on MNIST), {images:,} \
test images, all ten logits whitened. The sketches of its wide layers come from the factors by \
FFT. *Law* is that of one output, (1 − k²)/√S. All pairs share one draw of signs and buckets, \
which shows as a bias where many similarities are alike. A pass is one forward and backward over \
the same images, hundredths of a second here; beside it stands all of `ks.sketch`, with its \
checks and files. Ten outputs alone take ten backward passes.

| S | error | law | bias | largest | seconds | passes | memory |
|---|---|---|---|---|---|---|---|
"""

BITS = """
## What changes the bits

ResNet-20, {images:,} images, S = 2048; a store made with one thread and micro-batches of 64, \
beside others of the same images: how many of the {again[numbers]:,} float16 numbers differ, the \
most by which they do (numbers are about 1/√S = 0.02), and the most by which a similarity does.

| other | numbers that differ | largest | of a similarity |
|---|---|---|---|
"""

COST = """
## Cost

Everything that `ks.sketch` does with a new kernel: reading, checks, the error measured on 64 \
samples, writing to disk. A *pass* is one forward and backward over the same images in batches of \
100, in the same run, alternating; the least time of each counts. *Memory*: the peak above that \
before.

| job | seconds | seconds of a pass | passes | memory |
|---|---|---|---|---|
| {images:,} images, S = {dim:,} | {seconds:.1f} | {pass_seconds:.1f} | {passes:.2f} | \
{memory_mib:,.0f} MiB |
"""


def accuracy(found: dict) -> str:
    """The table of sketches and activations, and that of soft densities."""
    count = found["truth"]["compared"]
    text = ACCURACY.format(
        images=found["images"],
        pairs=count * (count - 1) // 2,
        asked=found["through_rerank"],
        thresholds=", ".join(f"{r['name']} {r['threshold']:.2f}" for r in found["baselines"]),
        **found["truth"],
    )
    for row in found["sketches"]:
        text += (
            f"| sketch, S = {row['dim']:,} | {row['rms']:.4f} | {row['law']:.4f} | "
            f"{row['bias']:+.4f} | {judged(row)}"
        )
    for row in found["baselines"]:
        text += (
            f"| cosine of the {row['name']}, {row['numbers']} numbers | – | – | – | {judged(row)}"
        )
    text += SOFT.format(**found["truth"])
    for row in found["sketches"]:
        text += (
            f"| {row['dim']:,} | {row['soft_law']:.0f} | {row['soft_shift']:+.0f} | "
            f"{row['soft_noise']:.0f} | {row['soft_noise'] / found['truth']['soft_std']:.2f} |\n"
        )
    return text


def judged(row: dict) -> str:
    """The columns that sketches and activations share."""
    return (
        f"{row['recall']:.3f} | {row['recall_reranked']:.4f} | {row['soft']:.3f} | "
        f"{row['soft_rank']:.3f} | {row['hard']:.3f} | {row['hard_rank']:.3f} | "
        f"{row['bytes']:,.0f} |\n"
    )


def wide(found: dict) -> str:
    """The rows of the perceptron."""
    return WIDE.format(**found) + "".join(
        f"| {row['dim']:,} | {row['rms']:.4f} | {row['law']:.4f} | {row['bias']:+.4f} | "
        f"{row['largest']:.3f} | {row['seconds']:.2f} | {row['passes']:.1f} | "
        f"{row['memory_mib']:,.0f} MiB |\n"
        for row in found["rows"]
    )


def bits(found: dict) -> str:
    """The rows of stores beside the first."""
    names = {
        "again": "the same again",
        "threads": "two threads",
        "half": "micro-batches of 32",
        "odd": "micro-batches of 5",
    }
    return BITS.format(**found) + "".join(
        f"| {name} | {found[key]['differ']:,} | {found[key]['most']:.1e} | "
        f"{found[key]['similarity']:.1e} |\n"
        for key, name in names.items()
    )


def cost(found: dict) -> str:
    """The row of passes."""
    return COST.format(**found)


def draw(report: dict) -> None:
    """Error with the law drawn in; recall with the activations as lines."""
    figure = Figure(figsize=(11, 4.4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle("Sketches of the tangent kernel by their size S, against the exact kernel")
    left, right = figure.subplots(1, 2)
    rows = report["accuracy"]["sketches"]
    draw_error(left, rows, report.get("wide", {}).get("rows", []))
    draw_recall(right, rows, report["accuracy"]["baselines"])
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        sizes = [row["dim"] for row in rows]
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xlabel("S, numbers a sample")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE)


def draw_error(axes, rows: list[dict], wide_rows: list[dict]) -> None:
    """Root mean square errors as marks on the line of the law."""
    sizes = [row["dim"] for row in rows]
    axes.plot(
        sizes,
        [row["law"] for row in rows],
        "-",
        color=BLUE,
        label="ResNet-20, own class: law (1 − k²)/√S",
    )
    axes.plot(sizes, [row["rms"] for row in rows], "o", color=ORANGE, ms=8,
              label="ResNet-20, own class: measured")  # fmt: skip
    if wide_rows:
        wide_sizes = [row["dim"] for row in wide_rows]
        name, mark = "perceptron, ten logits whitened", {"marker": "D", "ls": "", "color": RED}
        axes.plot(wide_sizes, [row["law"] for row in wide_rows], **mark, mfc="none",
                  label=f"{name}: law")  # fmt: skip
        axes.plot(wide_sizes, [row["rms"] for row in wide_rows], **mark, label=f"{name}: measured")
    axes.set_yscale("log", base=2)
    ticks = [0.01, 0.02, 0.04, 0.08]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("root mean square error of k")
    axes.set_title("Error of similarities")


def draw_recall(axes, rows: list[dict], baselines: list[dict]) -> None:
    """Recall of the true ten nearest, before and after exact re-ranking of 50."""
    sizes = [row["dim"] for row in rows]
    axes.plot(sizes, [row["recall_reranked"] for row in rows], "s-", color=GREEN,
              label="sketch, best 50 re-ranked exactly")  # fmt: skip
    axes.plot(sizes, [row["recall"] for row in rows], "o-", color=ORANGE, label="sketch alone")
    for row, style in zip(baselines, ("--", ":"), strict=True):
        axes.axhline(row["recall"], ls=style, color=BLUE, label=f"cosine of the {row['name']}")
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("recall of the ten nearest")
    axes.set_title("Neighbours found")
