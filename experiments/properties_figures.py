"""The figures of properties_measured.py."""

from matplotlib.figure import Figure
from pages import IMAGES

BLUE, ORANGE, GREY, RED = "#1b6ca8", "#d95f02", "#7f7f7f", "#b2182b"
MARKS = ("o", "s")


def figure(report: dict) -> None:
    """Outputs against similarity with the bound, and shares of layers."""
    drawn = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = drawn.subplots(1, 2, width_ratios=[2, 1])
    rows = report["theorems"]["outputs"]["bins"]
    far = [row["far"] for row in rows]
    for key, colour, label in (
        ("bound", RED, "bound, median pair"),
        ("largest", BLUE, "largest"),
        ("median", GREY, "median"),
    ):
        left.loglog(far, [row[key] for row in rows], "o-", ms=3, color=colour, label=label)
    left.set_xlabel("1 − k")
    left.set_ylabel("‖f − f′‖")
    left.legend(frameon=False)
    split = report["theorems"]["split"]
    for place, (when, colour) in enumerate((("before", GREY), ("after", BLUE))):
        shares = split[when]["shares"]
        where = [layer + 0.4 * place - 0.2 for layer in range(len(shares))]
        right.bar(where, shares, 0.38, color=colour, label=f"{when} training")
    right.set_xticks(range(3), ["first", "second", "last"])
    right.set_xlabel("layer")
    right.set_ylabel("share of the mean K")
    right.legend(frameon=False)
    save(drawn, "properties")


def widths_figure(report: dict) -> None:
    """Spread and shared nearest by width, along training, and of ensembles."""
    drawn = Figure(figsize=(13, 3.6), layout="constrained")
    axes = drawn.subplots(1, 4)
    for mark, (name, found) in zip(MARKS, report["seeds"].items(), strict=False):
        rows = found["widths"]
        across = [row["width"] for row in rows]
        for when, colour in (("before", GREY), ("after", BLUE)):
            label = f"{name}, {when} training"
            look = {"color": colour, "marker": mark, "ms": 4, "label": label}
            axes[0].plot(across, [row[when]["spread"] for row in rows], **look)
            axes[1].plot(across, [row[when]["shared"] for row in rows], **look)
        steps = [max(row["step"], 0.5) for row in found["checkpoints"]]
        for key, colour, label in (("end", ORANGE, "its own end"), ("seed", BLUE, "another seed")):
            values = [row[key]["shared"] for row in found["checkpoints"]]
            axes[2].plot(steps, values, color=colour, marker=mark, ms=4, label=f"{name}, {label}")
        sizes = [row["size"] for row in found["ensembles"]]
        shared = [row["shared"] for row in found["ensembles"]]
        axes[3].plot(sizes, shared, color=BLUE, marker=mark, ms=4, label=name)
    guide = next(iter(report["seeds"].values()))["widths"]
    ends = [guide[0]["width"], guide[-1]["width"]]
    top = guide[0]["after"]["spread"]
    axes[0].plot(ends, [top, top * (ends[0] / ends[1]) ** 0.5], "--", color=RED, label="1/√w")
    axes[0].set_yscale("log")
    said = ("width", "width", "steps (0 at the left)", "networks averaged")
    what = (
        "spread of k over seeds",
        "shared nearest, two seeds",
        "shared nearest",
        "shared nearest",
    )
    for each, label, name in zip(axes, said, what, strict=True):
        each.set_xscale("log", base=2)
        each.set_xlabel(label)
        each.set_ylabel(name)
        each.legend(frameon=False, fontsize=6)
        if each is not axes[0]:
            each.set_ylim(0, 1.02)
    save(drawn, "properties_widths")


def save(drawn: Figure, name: str) -> None:
    """To docs/images."""
    for axes in drawn.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, color="0.9")
    IMAGES.mkdir(parents=True, exist_ok=True)
    drawn.savefig(IMAGES / f"{name}.png", dpi=110)
