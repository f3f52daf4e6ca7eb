"""The page of the comparison of noisy-label methods; every sentence is made from the numbers."""

import os
import statistics
from pathlib import Path

from noisy_methods_arms import ARMS
from noisy_methods_numbers import (
    BASES,
    DATA,
    Cells,
    Mean,
    accuracy_table,
    difference_table,
    figure,
    label_table,
    matrix_table,
    noise_name,
    summary_table,
)
from noisy_methods_training import BATCH

PAGE = """\
# Training on noisy labels: which method helps?

Written by `python experiments/noisy_methods.py --data FOLDER{option}` from what it measured, on \
{processor}, threads: {threads}, PyTorch {torch}, Python {python}. Processor time: {minutes} min. \
{seeds} seeds, paired. Numbers: [noisy_methods.json]({numbers}).

![Test accuracy of each method against training on the noisy labels with as many steps]({image})

## In short

{conclusions}

## Test accuracy

Percent of {test:,} test pictures with true labels, mean over {seeds} seeds ± standard error. T is \
{steps} steps. *Any class*: that share of the labels was replaced by any other class with equal \
chances. *Similar class*: by the class that looks most like it (cat→dog, shirt→T-shirt).

{accuracy}
Rows with something under *knows besides* use more than the noisy labels: they are no rivals of \
the others.

## Against the noisy labels

Mean over the {noises} noises, in points, ± standard error over seeds. *T*: against T steps on the \
noisy labels. *Same steps*: against as many steps as the method spent in all. Bold: the 95 % \
interval of Student's t over {seeds} paired seeds leaves zero out; with this many comparisons \
about one in twenty does so by chance.

{summary}
The same for each noise, against T steps:

{differences}
## What was done

- *Network*: three convolutions with batch norm, 20,000 parameters. SGD with momentum 0.9, one \
cycle of the learning rate up to 0.1, batches of 64, weight decay 0.0005, no augmentation. The \
seed draws {samples:,} training pictures out of 7,000, the noise, the initialisation and the \
batches; all methods share them, and T. A sample that is left out has weight 0 in the same \
batches.
- *Steps*: methods that train once spend T. Methods that train something first (T from anchor \
points: a plain network; all that is cross-validated: a network on each half with T/2 steps; \
distillation: the teacher) spend 2 T, and their last training has T of them.
- *Forward correction*: −log (pᵀT)_y; *backward*: −(T⁻¹ log p)_y (Natarajan et al. 2013; Patrini \
et al. 2017). T_ij = P(noisy j | true i), the planted one, or from *anchor points*: the \
noisy-label network's own answer for the training picture at the 97 % quantile of class i; or \
from *cross-validated counts*: cleanlab's `estimate_joint`.
- *Noise layer* (Sukhbaatar et al. 2014): forward correction with T = softmax of ten rows of \
parameters, 0.86 on the diagonal at first, learnt along with ten times the learning rate (a row \
sees a tenth of the samples) and the same weight decay.
- *Distillation* (Li et al. 2017): a teacher is trained on a tenth of the pictures with their true \
labels; targets are half label, half teacher. The fair rival knows the same: the true labels put \
in, without a teacher.
- *Confident learning*: each half is judged by the network trained on the other; cleanlab's \
`find_label_issues` with its defaults; issues are left out, or replaced by that network's answer. \
Five folds, as is usual, would show each network more labels and cost more steps than others have.
- *Leave-one-out*: the same two networks, each half judged by `ks.suspects` with the tangent \
kernel (three random probes, normalised) among the noisy labels of that half, mixed with the \
network's answer. *Replaced*: every label that the answers contradict. *Answers as targets*: the \
answers, scaled to sum 1. *Left out*: the most suspected, as many as cleanlab's issues, so that \
only the order differs.
- All settings were fixed before the first full run, none was chosen on test pictures, and none \
is another for one method, data set or noise. So a method may do better with settings of its own.
- Not measured: larger sets, larger networks, and longer training, which learns more wrong labels \
by heart. T steps are about {passes} passes over the data.
- Pictures are standardised with mean and deviation over training and test pictures together.

## Why relabelling does what it does

Percent of right labels among those that are trained on, mean over the seeds:

{labels}
How far the estimated T is from the planted one, mean absolute error of an entry:

{matrices}
## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/noisy_methods.py --data FOLDER          # three minutes of two cores, rough
$ python experiments/noisy_methods.py --data FOLDER --full   # {minutes} minutes of one core
```

FOLDER holds `cifar10/` and `fashion_mnist/`. The quick run writes into runs/. An interrupted run \
goes on where it was. Elsewhere rounding changes the training: numbers should agree within the ± \
given.
"""

BLIND = [name for name, arm in ARMS.items() if not arm.knows and name not in BASES.values()]
LAST = dict.fromkeys(BASES, "plain")  # as many steps in the last training
TOLD = ["forward_true", "backward_true"]
# Who is held against whom, and what that asks.
PAIRS = (
    ("others_drop", "cleanlab_drop", "As many labels left out, by leave-one-out or by cleanlab"),
    ("others_hard", "cleanlab_relabel", "Labels replaced, by leave-one-out or by cleanlab"),
    ("others_soft", "others_hard", "Leave-one-out answers as targets, or labels replaced by them"),
    ("forward_anchor", "forward_true", "Forward correction, T from anchor points or the true one"),
    ("forward_counted", "forward_true", "Forward correction, T from counts or the true one"),
    ("backward_true", "forward_true", "Backward or forward correction, true T"),
    ("distilled", "known_part", "A tenth of the true labels known, through a teacher or put in"),
)


def write_page(report: dict, page: Path, image: Path) -> str:
    """The figure and the page; returns the table of differences."""
    cells = Cells(report["cells"])
    if not cells.seeds:
        return "no seed is complete yet"
    figure(cells, image)
    rough = page.parent.name != "experiments"
    here = page.parent
    numbers = "noisy_methods.json" if rough else "../../experiments/results/noisy_methods.json"
    seconds = sum(cell["seconds"] for cell in report["cells"].values())
    text = PAGE.format(
        **report["environment"],
        option="" if rough else " --full",
        minutes=round(seconds / 60),
        seeds=len(cells.seeds),
        numbers=numbers,
        image=Path(os.path.relpath(image, here)).as_posix(),
        conclusions="".join(f"- {line}\n" for line in conclusions(cells)).rstrip(),
        test=report["sizes"]["test"],
        samples=report["sizes"]["samples"],
        steps=report["sizes"]["steps"],
        passes=round(report["sizes"]["steps"] * BATCH / report["sizes"]["samples"]),
        noises=len(cells.noises),
        accuracy=accuracy_table(cells),
        summary=summary_table(cells),
        differences=difference_table(cells),
        labels=label_table(cells),
        matrices=matrix_table(cells),
    )
    page.write_text(text)
    return summary_table(cells)


def conclusions(cells: Cells) -> list[str]:
    """What the numbers say, in plain words."""
    return [
        headline(cells),
        *(cost_of_noise(cells, data) for data in DATA),
        *(verdict(cells, data) for data in DATA),
        *(leaders(cells, data) for data in DATA),
        "Told the true T: " + "; ".join(wins(cells, name) for name in TOLD) + ".",
        *(held_against(cells, *pair) for pair in PAIRS),
        what_is_left(cells),
    ]


def headline(cells: Cells) -> str:
    """How many methods that know the noisy labels alone are worth their trouble."""
    parts = []
    for data, title in DATA.items():
        counts = []
        for chosen in (BASES, LAST):
            found = [cells.mean_noise(data, name, chosen[ARMS[name].budget]) for name in BLIND]
            counts.append(sum(each.clear and each.value > 0 for each in found))
        parts.append(
            f"{title}: {counts[0]} of {len(BLIND)} are clearly better than as many steps on the "
            f"noisy labels, {counts[1]} than T steps"
        )
    return (
        "Methods that know the noisy labels alone, in the mean over the noises. "
        + "; ".join(parts) + "."
    )  # fmt: skip


def cost_of_noise(cells: Cells, data: str) -> str:
    """How much there is to win, and how much of it by leaving out exactly the wrong labels."""
    names = ", ".join(noise_name(noise) for noise in cells.noises)
    lost, back = (
        " / ".join(
            f"{100 * Mean(cells.difference(data, noise, name, 'plain')).value:.1f}"
            for noise in cells.noises
        )
        for name in ("clean", "kept_right")
    )
    return (
        f"{DATA[data]}: the noise ({names}) costs {lost} points of accuracy; leaving out "
        f"exactly the wrong labels would win {back} of them back."
    )


def verdict(cells: Cells, data: str) -> str:
    """Which methods that know the noisy labels alone help in the mean over the noises."""
    found = {name: cells.mean_noise(data, name, BASES[ARMS[name].budget]) for name in BLIND}
    groups = {
        "clearly better": [name for name, mean in found.items() if mean.clear and mean.value > 0],
        "no clear difference": [name for name, mean in found.items() if not mean.clear],
        "clearly worse": [name for name, mean in found.items() if mean.clear and mean.value < 0],
    }
    parts = [
        f"{group}: "
        + (", ".join(f"{plainly(name)} ({found[name].points()})" for name in names) or "none")
        for group, names in groups.items()
    ]
    return (
        f"{DATA[data]}, methods that know the noisy labels alone, against as many steps on them, "
        f"mean over the noises: {'; '.join(parts)}."
    )


def leaders(cells: Cells, data: str) -> str:
    """The best of these for each noise."""
    parts = []
    for noise in cells.noises:
        found = {
            name: Mean(cells.difference(data, noise, name, BASES[ARMS[name].budget]))
            for name in BLIND
        }
        best = max(found, key=lambda name: found[name].value)
        parts.append(f"{noise_name(noise)}: {plainly(best)} ({found[best].points()})")
    return f"{DATA[data]}, the best of them for each noise: {'; '.join(parts)}."


def plainly(name: str) -> str:
    """An arm within a sentence."""
    return ARMS[name].text.replace(": ", ", ")


def wins(cells: Cells, name: str) -> str:
    """In how many problems an arm is clearly before or behind the noisy labels, same steps."""
    found = [
        Mean(cells.difference(*column, name, BASES[ARMS[name].budget])) for column in cells.columns
    ]
    before = sum(each.clear and each.value > 0 for each in found)
    behind = sum(each.clear and each.value < 0 for each in found)
    return (
        f"{plainly(name)}: clearly better than the noisy labels as they are in {before} of "
        f"{len(found)} problems, clearly worse in {behind}"
    )


def held_against(cells: Cells, first: str, second: str, what: str) -> str:
    """One arm less another, mean over the noises, on both data sets."""
    parts = [
        f"{name} {cells.mean_noise(data, first, second).points()}" for data, name in DATA.items()
    ]
    return f"{what}, first less second, mean over the noises: {', '.join(parts)}."


def what_is_left(cells: Cells) -> str:
    """Why leaving labels out does not help more: how many go, how many of those left are right."""
    parts = []
    for data, title in DATA.items():
        ours, theirs, gone, before = (
            statistics.mean(
                value for noise in cells.noises
                for value in cells.over_seeds(data, noise, name, "labels")
            )
            for name in ("others_drop", "cleanlab_drop", "left out", "plain")
        )  # fmt: skip
        parts.append(
            f"{title}: {ours:.1%} right among those that leave-one-out leaves, {theirs:.1%} among "
            f"those that cleanlab leaves, {before:.1%} before; but {gone:.1%} are left out, where "
            f"{1 - before:.1%} are wrong"
        )
    return f"Labels, mean over the noises. {'; '.join(parts)}.".replace("%", " %")
