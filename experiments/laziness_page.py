"""The page of laziness.py."""

import statistics
from itertools import product
from pathlib import Path

from laziness_numbers import (
    DRAWS,
    ENOUGH,
    FLAT,
    GAPS,
    KINDS,
    MEASURES,
    by_noise,
    correlations,
    draw_drift,
    draw_flatness,
    fitted,
    of_minima,
    of_widths,
    slope,
)  # fmt: skip
from pages import markdown
from paired import mean
from resumable import minutes, relative

PAGE = """\
# Lazy networks and flat minima

Two claims that are often made with tangent kernels. *Laziness*: the wider a network, the less its \
kernel moves while it learns. *Flat minima*: a fitted network with small curvature generalises \
better. For squared loss with one output, curvature near a fit is K/N, K the tangent Gram of the \
training samples: its trace and its top eigenvalue are those of the Hessian, up to the residuals.

## In short

{conclusions}

## Drift of the kernel against width

![Change of the kernel by width, two parametrisations]({drift_image})

Mean over {width_seeds} seeds ± half the 95 % interval of Student's t. K₀ and K₁ are of \
{probes} test pictures before and after {steps} steps. *Slope*: of the logarithm against that of \
the width, a fit for each seed.

{drift_table}
The slopes: {slopes}. Infinite-width theory says that the change falls as 1/√width or faster in \
the tangent parametrisation, with all else fixed; it says nothing of Adam.

## Curvature against the generalisation gap

![Trace and top eigenvalue against the generalisation gap]({flat_image})

Networks of width {narrow}, PyTorch's own parametrisation, SGD with {rates} as rate and batches of \
{batches}, {flat_seeds} seeds each, trained until the training loss ½(f − y)² is at most {enough}. \
Spearman's rank correlation with 95 % interval ({draws} bootstrap draws of networks); *within \
seeds*: the mean over seeds of the correlation among the settings of one seed, where data and \
initialisation are the same. The intervals take networks as independent, which those of a seed are \
not. *Flipped*: share of wrong training labels.

{flat_table}
{unfitted}
Settings, mean over seeds:

{settings_table}
A correlation among networks that differ in rate and batch size is no cause: a large rate both \
ends where curvature is small (it cannot stay elsewhere) and changes what is learnt otherwise. Nor \
is curvature a property of the function: a network that is [written otherwise](rewriting.md) has \
another one.

## What was done

- {task}, pictures averaged to 7×7, labels ±1, {train} training and {test} test pictures drawn by \
the seed. Two hidden layers of ReLU. Widths in batches of {batch}.
- *Tangent parametrisation*: weights drawn with deviation 1, divided by √inputs when used; one \
learning rate serves every width. Adam up to width {most_standard}.
- Settings were chosen so that networks fit; none was chosen by its gap.

## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/laziness.py                       # digits, a minute: drift as here; \
on digits curvature tells nothing of the gap
$ python experiments/laziness.py --data FOLDER         # two minutes: both as here, with fewer \
widths and no clean labels
$ python experiments/laziness.py --data FOLDER --full  # {minutes} minutes of one core
```

FOLDER holds `fashion_mnist/`. An interrupted run goes on where it was. Measured on {processor}, \
threads: {threads}, PyTorch {torch}, Python {python}, on a machine shared with other work. \
Numbers: [laziness.json]({results}).
"""


def write_page(report: dict, page: Path, images: Path, results: Path) -> str:
    """Write both figures and the page; the conclusions come back."""
    widths, flats = of_widths(report["cells"]), of_minima(report["cells"])
    drawings = {name: images / f"laziness_{name}.png" for name in ("drift", "flatness")}
    draw_drift(widths, drawings["drift"])
    draw_flatness(flats, drawings["flatness"])
    found = {key: correlations(rows) for key, rows in by_noise(fitted(flats)).items()}
    short = "\n".join(f"- {line}" for line in [*_on_drift(widths), *_on_flatness(found)])
    sizes = report["sizes"]
    tasks = {
        "fashion_mnist": "T-shirts against shirts of Fashion-MNIST",
        "digits": "Digits 3 and 8",
    }
    text = PAGE.format(
        **report["environment"],
        **{n: v for n, v in sizes.items() if n not in ("rates", "batches", "data", "widths")},
        conclusions=short,
        drift_image=relative(drawings["drift"], page),
        flat_image=relative(drawings["flatness"], page),
        results=relative(results, page),
        drift_table=_drift_table(widths),
        slopes="; ".join(_slope_words(widths)),
        narrow=report["narrow"],
        rates=", ".join(map(str, sizes["rates"])),
        batches=" or ".join(map(str, sizes["batches"])),
        enough=ENOUGH,
        draws=f"{DRAWS:,}",
        flat_table=_flat_table(found),
        unfitted=_unfitted(flats),
        settings_table=_settings(fitted(flats)),
        task=tasks[sizes["data"]],
        minutes=minutes(report),
    )
    page.write_text(text)
    return short


def _on_drift(widths: dict) -> list[str]:
    lines = []
    for kind, title in KINDS.items():
        mine = sorted(width for name, width in widths if name == kind)
        ends = [mean([run["drift"] for run in widths[kind, w]]).mean for w in (mine[0], mine[-1])]
        fall, turn = (slope(widths, kind, key) for key in ("drift", "turn"))
        lines.append(
            f"{title}: the kernel's relative change is {ends[0]:.2g} at width {mine[0]} and "
            f"{ends[1]:.2g} at width {mine[-1]}, slope {fall.mean:+.2f} ({fall.low:+.2f} to "
            f"{fall.high:+.2f}). What is left of it up to a factor, 1 − cosine, "
            + ("falls, too" if turn.high < 0 else "does not fall beyond the noise of the seeds")
            + f": slope {turn.mean:+.2f} ({turn.low:+.2f} to {turn.high:+.2f})."
        )
    return lines


def _on_flatness(found: dict) -> list[str]:
    lines = []
    for (level, pairs), (gap, word) in product(found.items(), GAPS.items()):
        texts = [
            f"{FLAT[flat]} {each['all']:+.2f} ({each['low']:+.2f} to {each['high']:+.2f}), within "
            f"seeds {each['within']:+.2f}"
            for (flat, other), each in pairs.items()
            if other == gap
        ]
        sure = [FLAT[flat] for (flat, other), e in pairs.items() if other == gap and e["low"] > 0]
        verdict = f"Beyond chance: {', '.join(sure) or 'neither'}."
        lines.append(
            f"Curvature and the {word}, {level:.0%} of the labels flipped, rank correlation: "
            f"{'; '.join(texts)}. {verdict}"
        )
    return lines


def _drift_table(widths: dict) -> str:
    rows = []
    for (kind, width), runs in sorted(widths.items(), key=lambda item: (item[0][0], item[0][1])):
        means = [mean([run[key] for run in runs]) for key in (*MEASURES, "error")]
        rows.append([KINDS[kind], str(width), *(f"{m.mean:.2g} ± {m.half:.1g}" for m in means)])
    return markdown(["network", "width", *MEASURES.values(), "test error"], rows)


def _slope_words(widths: dict) -> list[str]:
    texts = []
    for kind, title in KINDS.items():
        each = [(word, slope(widths, kind, key)) for key, word in MEASURES.items()]
        falls = ", ".join(f"{word} {m.mean:+.2f} ± {m.half:.2f}" for word, m in each)
        texts.append(f"{title}: {falls}")
    return texts


def _flat_table(found: dict) -> str:
    rows = [
        [
            f"{level:.0%}", FLAT[flat], GAPS[gap], str(each["count"]),
            f"{each['all']:+.2f} ({each['low']:+.2f} to {each['high']:+.2f})",
            f"{each['within']:+.2f}",
        ]
        for level, pairs in found.items()
        for (flat, gap), each in pairs.items()
    ]  # fmt: skip
    head = ["flipped", "curvature", "gap", "networks", "rank correlation", "within seeds"]
    return markdown(head, rows)


def _unfitted(rows: list[dict]) -> str:
    left = len(rows) - len(fitted(rows))
    if not left:
        return f"All {len(rows)} networks reached that loss.\n"
    return f"{left} of {len(rows)} networks did not reach that loss and are left out.\n"


def _settings(rows: list[dict]) -> str:
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["flipped"], row["rate"], row["batch"]), []).append(row)
    keys = ("trace", "top", "gap", "error gap")
    lines = [
        [f"{key[0]:.0%}", *map(str, key[1:]), str(len(group)),
         f"{statistics.mean(row['steps'] for row in group):,.0f}",
         *(f"{statistics.mean(row[name] for row in group):.3g}" for name in keys)]
        for key, group in sorted(groups.items())
    ]  # fmt: skip
    head = ["flipped", "rate", "batch", "networks", "steps", "trace", "top eigenvalue"]
    return markdown([*head, *GAPS.values()], lines)
