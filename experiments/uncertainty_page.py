"""The figure and the page of the uncertainty experiment, from its numbers alone."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from pages import IMAGES, markdown
from scores import NAMES

COLOURS = {
    "influence": "#1b6ca8", "posterior": "#2a9d5c", "norm": "#999999",
    "distance": "#d95f02", "ensemble": "#7b3294", "constant": "#333333",
}  # fmt: skip

PAGE = """\
# Does the error grow with the uncertainty?

A network is asked about new points. Each score says how unsure it is there; high means unsure. \
Are the errors larger where the score is higher, and do intervals scaled by it cover what they \
promise?

- *Influence*: 1 / Σ_j |k_N(x, x_j)| over the training samples, k_N(x, x_j) = g(x)·g(x_j)/‖g(x)‖². \
How much f(x) can change before the samples change by one in total.
- *Posterior std*: √(k(x,x) − k_x (K + ρI)⁻¹ k_xᵀ) of the tangent kernel, ρ by leave-one-out.
- *Gradient norm*, a control: is the kernel more than that?
- *Distance*: mean distance to the {neighbours} nearest training samples in the last hidden layer.
- *Ensemble*: standard deviation of five networks, at five times the training.
- *Constant*: the same width everywhere. Its thirds are those of the influence.

Seven regression tables, targets of std 1, {seeds} seeds. At most {train} training rows, of which \
a fifth, drawn by the seed, is held out to calibrate; test rows of the standard split 0, at most \
{test}. ReLU perceptron, two hidden layers of {width}, Adam 2e-3, {steps} steps of 32 rows. All \
scores are judged by the errors of the same single network.

![Rank correlation, error by third, coverage by third](../images/uncertainty.png)

## Summary

*Spearman* of score and |error| and *ratio*, mean |error| in the highest third of the score over \
that in the lowest: means over seeds, then medians over tables. Intervals ±q·score, q from the \
calibration rows for 90 % (split conformal): mean *coverage* of the test rows, overall and by \
thirds of the score; *width* relative to the constant, median over tables.

{summary}
## What came out

{conclusions}
## Every table

Spearman's correlation of score and |error|, mean over seeds (smallest to largest).

{correlations}
Coverage of the lowest / highest third, and width relative to the constant in brackets.

{intervals}
## To repeat it

```console
$ python experiments/uncertainty.py --data FOLDER
```

`FOLDER` holds tab_uci and tab_california_housing. It took {minutes} minutes on {processor}, \
{threads} thread, PyTorch {torch}, Python {python}, seeds 0 to {last_seed}, on a machine shared \
with other work. Expect the numbers above. Processors that round otherwise will move single \
correlations; how far was not measured, the range over seeds is in the table. All numbers: \
`experiments/results/uncertainty.json`.
"""


def page(report: dict) -> str:
    """The page, numbers from the report only."""
    asked = report["environment"]["arguments"]
    return PAGE.format(
        **report["environment"],
        **{name: asked[name] for name in ("seeds", "train", "test", "width", "steps")},
        neighbours=10,
        last_seed=asked["seeds"] - 1,
        summary=summary_table(report["summary"]),
        conclusions="".join(f"- {sentence}\n" for sentence in conclusions(report)),
        correlations=correlation_table(report["tables"]),
        intervals=interval_table(report["tables"]),
    )


def conclusions(report: dict) -> list[str]:
    """What the numbers say, in words that follow from them."""
    return [
        *ordering(report["summary"], report["tables"]),
        *intervals(report["summary"]),
    ]


def ordering(summary: dict, tables: dict) -> list[str]:
    """Sentences on how well the scores order the errors."""
    said = {name: each["correlation"] for name, each in summary.items() if name != "constant"}
    grows = {
        name: sum(table["scores"][name]["correlation"] > 0.05 for table in tables.values())
        for name in said
    }
    wins = dict.fromkeys(said, 0)
    for table in tables.values():
        wins[max(said, key=lambda name: table["scores"][name]["correlation"])] += 1
    gap = said["influence"] - said["norm"]
    beyond = "hardly better than" if abs(gap) < 0.03 else "better than" if gap > 0 else "worse than"
    best = max(said, key=lambda name: said[name])
    strong = [
        table
        for table, each in tables.items()
        if max(each["scores"][name]["correlation"] for name in said) > 0.2
    ]
    return [
        f"Of {len(tables)} tables, those on which the error grows with the score (Spearman above "
        "0.05): "
        + ", ".join(f"{count} for {NAMES[name]}" for name, count in grows.items())
        + f". The largest median is {said[best]:+.2f} ({NAMES[best]}). Above 0.2 for any score: "
        + (" and ".join(strong) or "no table")
        + ". Elsewhere every score orders the errors weakly or not at all.",
        "Best on single tables: "
        + ", ".join(f"{NAMES[name]} on {count}" for name, count in wins.items() if count)
        + ".",
        f"Influence orders errors {beyond} the gradient norm alone ({said['influence']:+.2f} "
        f"against {said['norm']:+.2f}). The posterior of the same kernel comes to "
        f"{said['posterior']:+.2f}, the distance in the last hidden layer to "
        f"{said['distance']:+.2f}, the ensemble, at five trainings, to {said['ensemble']:+.2f}.",
    ]


def intervals(summary: dict) -> list[str]:
    """Sentences on coverage and width."""
    worst = {
        name: max(abs(part - 0.9) for part in each["coverage_thirds"])
        for name, each in summary.items()
    }
    even, uneven = min(worst, key=worst.__getitem__), max(worst, key=worst.__getitem__)
    overall = [each["coverage"] for each in summary.values()]
    low = {n: e["coverage_thirds"][0] for n, e in summary.items() if n != "constant"}
    small = "every score" if max(low.values()) < 0.9 else "some scores"
    narrow = [name for name, each in summary.items() if each["relative_width"] < 0.99]
    return [
        f"Overall coverage is {min(overall):.1%} to {max(overall):.1%} for every score: that is "
        "the work of the calibration, not of the score.",
        f"By thirds, {NAMES[even]} stays closest to 90 % (off by {100 * worst[even]:.1f} points "
        f"at most, mean over tables), {NAMES[uneven]} is worst "
        f"({100 * worst[uneven]:.1f} points); "
        + ", ".join(f"{NAMES[n]} {100 * worst[n]:.1f}" for n in worst if n not in (even, uneven))
        + ".",
        f"Where the score is low, intervals are too narrow for {small}: "
        f"{min(low.values()):.1%} to {max(low.values()):.1%}. Constant intervals err the other way "
        f"round: {summary['constant']['coverage_thirds'][0]:.1%} in the lowest third of the "
        f"influence, {summary['constant']['coverage_thirds'][2]:.1%} in the highest.",
        "Narrower than constant intervals, median over tables: "
        + (", ".join(f"{NAMES[n]} {summary[n]['relative_width']:.2f}" for n in narrow) or "none")
        + ". The influence score alone makes them "
        f"{summary['influence']['relative_width']:.2f} times as wide.",
    ]


def summary_table(summary: dict) -> str:
    """Scores down, measures across."""
    rows = []
    for name, each in summary.items():
        constant = name == "constant"
        parts = [f"{value:.1%}" for value in each["coverage_thirds"]]
        order = ["", ""] if constant else [f"{each['correlation']:+.2f}", f"{each['ratio']:.2f}"]
        rows.append(
            [
                NAMES[name],
                *order,
                f"{each['coverage']:.1%}",
                *parts,
                f"{each['relative_width']:.2f}",
            ]
        )
    head = ["score", "Spearman", "ratio", "coverage", "lowest third", "middle", "highest", "width"]
    return markdown(head, rows)


def correlation_table(tables: dict) -> str:
    """Tables down, scores across."""
    names = [name for name in NAMES if name != "constant"]
    rows = []
    for table, each in tables.items():
        said = []
        for name in names:
            score = each["scores"][name]
            low, high = min(score["correlations"]), max(score["correlations"])
            said.append(f"{score['correlation']:+.2f} ({low:+.2f} to {high:+.2f})")
        sizes = "/".join(str(each[kind]) for kind in ("fit", "calibration", "test"))
        rows.append([table, sizes, f"{each['rmse']:.2f}", *said])
    head = ["table", "fit/calibration/test", "RMSE", *(NAMES[name] for name in names)]
    return markdown(head, rows)


def interval_table(tables: dict) -> str:
    """Tables down, scores across."""
    rows = []
    for table, each in tables.items():
        said = []
        for name in NAMES:
            low, _, high = each["scores"][name]["coverage_thirds"]
            width = each["scores"][name]["relative_width"]
            said.append(f"{low:.0%} / {high:.0%} ({width:.2f})")
        rows.append([table, *said])
    return markdown(["table", *NAMES.values()], rows)


def figure(report: dict) -> None:
    """Rank correlation by table; mean error by third; coverage by third."""
    plt.rcParams.update({"font.size": 13})
    picture, axes = plt.subplots(
        1, 3, figsize=(16, 5.8), dpi=100, gridspec_kw={"width_ratios": [1.7, 1, 1]}
    )
    tables = report["tables"]
    scored = [name for name in NAMES if name != "constant"]
    for place, name in enumerate(scored):
        values = [each["scores"][name]["correlation"] for each in tables.values()]
        places = [row + 0.16 * (place - 2) for row in range(len(tables))]
        axes[0].bar(places, values, 0.15, color=COLOURS[name], label=NAMES[name])
    axes[0].set_xticks(range(len(tables)), tables, rotation=25, ha="right")
    axes[0].axhline(0, color="black", linewidth=0.8)
    axes[0].set_title("Spearman: score and |error|")
    for name in NAMES:
        style = {"color": COLOURS[name], "marker": "o", "linewidth": 2, "label": NAMES[name]}
        own = [each["scores"][name] for each in tables.values()]
        if name != "constant":
            parts = zip(*([e / sum(s["error_thirds"]) * 3 for e in s["error_thirds"]] for s in own),
                        strict=True)  # fmt: skip
            axes[1].plot([sum(part) / len(own) for part in parts], **style)
        axes[2].plot(report["summary"][name]["coverage_thirds"], **style)
    axes[1].set_title("mean |error| by third of the score\n(1: the table's mean)")
    axes[2].set_title("coverage by third, promised 0.9")
    axes[2].axhline(0.9, color="black", linewidth=1, linestyle=":")
    for axis in axes[1:]:
        axis.set_xticks(range(3), ["lowest", "middle", "highest"])
        axis.grid(alpha=0.25)
    handles, labels = axes[2].get_legend_handles_labels()
    picture.legend(handles, labels, loc="lower center", ncols=6, fontsize=11, frameon=False)
    picture.tight_layout(rect=(0, 0.06, 1, 1))
    IMAGES.mkdir(parents=True, exist_ok=True)
    picture.savefig(IMAGES / "uncertainty.png")
    plt.close(picture)
