"""Measured cells of the comparison of noisy-label methods: paired differences, tables, figure."""

import math
import statistics
from itertools import product
from pathlib import Path

import matplotlib
from noisy_methods_arms import ARMS
from noisy_methods_training import CLASSES
from pages import markdown
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot as plt

DATA = {"fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
KINDS = {"symmetric": "any class", "class-dependent": "similar class"}
COLOURS = {
    "any class 20 %": "#66ccee",
    "any class 40 %": "#4477aa",
    "similar class 20 %": "#ee99aa",
    "similar class 40 %": "#aa3377",
}
BASES = {1: "plain", 2: "plain_twice"}  # as many steps in all


class Mean:
    """Mean of paired numbers, one a seed, with its standard error."""

    def __init__(self, values: list[float]):
        self.value = statistics.mean(values)
        several = len(values) > 1
        self.error = statistics.stdev(values) / math.sqrt(len(values)) if several else math.nan
        factor = float(stats.t.ppf(0.975, len(values) - 1)) if several else math.nan
        self.clear = abs(self.value) > factor * self.error  # 95 % of Student's t; NaN says no

    def points(self, signed: bool = True) -> str:
        """In percentage points; bold where the sign is clear and there is one."""
        if not signed:
            return f"{100 * self.value:.1f} ± {100 * self.error:.1f}"
        text = f"{100 * self.value:+.1f} ± {100 * self.error:.1f}"
        return f"**{text}**" if self.clear else text


class Cells:
    """The measured cells, asked by data set, noise and arm."""

    def __init__(self, cells: dict[str, dict]):
        keys = [name.split("/") for name in cells]
        noises = list(product(KINDS, sorted({key[2] for key in keys})))
        seeds = sorted({key[3] for key in keys})
        wanted = {seed: list(product(DATA, noises)) for seed in seeds}
        self.cells = cells
        self.noises = noises
        self.seeds = [  # whole ones
            seed
            for seed, each in wanted.items()
            if all(f"{data}/{kind}/{rate}/{seed}" in cells for data, (kind, rate) in each)
        ]

    def over_seeds(self, data: str, noise: tuple, name: str, part: str = "accuracy") -> list[float]:
        """One number a seed."""
        kind, rate = noise
        return [self.cells[f"{data}/{kind}/{rate}/{seed}"][part][name] for seed in self.seeds]

    def difference(self, data: str, noise: tuple, arm: str, base: str) -> list[float]:
        """Paired: arm − base, one number a seed."""
        first, second = (self.over_seeds(data, noise, name) for name in (arm, base))
        return [a - b for a, b in zip(first, second, strict=True)]

    def mean_noise(self, data: str, arm: str, base: str) -> Mean:
        """arm − base, the mean over the noises, over seeds."""
        columns = [self.difference(data, noise, arm, base) for noise in self.noises]
        return Mean([statistics.mean(each) for each in zip(*columns, strict=True)])

    @property
    def columns(self) -> list[tuple[str, tuple]]:
        """Data set and noise."""
        return list(product(DATA, self.noises))


def noise_name(noise: tuple) -> str:
    """Such as "any class 20 %"."""
    return f"{KINDS[noise[0]]} {float(noise[1]):.0%}".replace("%", " %")


def accuracy_table(cells: Cells) -> str:
    """Test accuracy, arms down, problems across."""
    head = ["method", "knows besides", "steps"]
    head += [f"{DATA[data]}, {noise_name(noise)}" for data, noise in cells.columns]
    rows = []
    for name, arm in ARMS.items():
        said = [Mean(cells.over_seeds(*column, name)).points(False) for column in cells.columns]
        rows.append([arm.text, arm.knows, f"{arm.budget} T", *said])
    return markdown(head, rows)


def difference_table(cells: Cells) -> str:
    """Paired difference to the noisy labels as they are, T steps."""
    head = ["method", *(f"{DATA[data]}, {noise_name(noise)}" for data, noise in cells.columns)]
    rows = []
    for name, arm in ARMS.items():
        if name != "plain":
            found = [Mean(cells.difference(*column, name, "plain")) for column in cells.columns]
            rows.append([arm.text, *(each.points() for each in found)])
    return markdown(head, rows)


def summary_table(cells: Cells) -> str:
    """Mean over the noises, against the noisy labels with T and with as many steps."""
    head = ["method", "knows besides", "steps"]
    head += [f"{name}, {against}" for name in DATA.values() for against in ("T", "same steps")]
    rows = []
    for name, arm in ARMS.items():
        if name != "plain":
            said = []
            for data, base in product(DATA, ("plain", BASES[arm.budget])):
                same = name == base
                said.append("0" if same else cells.mean_noise(data, name, base).points())
            rows.append([arm.text, arm.knows, f"{arm.budget} T", *said])
    return markdown(head, rows)


def label_table(cells: Cells) -> str:
    """Percent of right labels among those that an arm trains on."""
    names = {
        "plain": "noisy labels as they are",
        "cleanlab_drop": "confident learning: what is left",
        "others_drop": "leave-one-out: what is left",
        "left out": "*share that both leave out*",
        "cleanlab_relabel": "confident learning: issues relabelled",
        "others_hard": "leave-one-out: contradicted labels replaced",
        "contradicted": "*share that leave-one-out contradicts*",
    }
    head = ["labels", *(f"{DATA[data]}, {noise_name(noise)}" for data, noise in cells.columns)]
    rows = [
        [
            text,
            *(
                f"{100 * statistics.mean(cells.over_seeds(*at, name, 'labels')):.1f}"
                for at in cells.columns
            ),
        ]
        for name, text in names.items()
    ]
    return markdown(head, rows)


def matrix_table(cells: Cells) -> str:
    """Mean absolute error of an entry of T: of each estimate, and if noise were denied."""
    names = ("forward_anchor", "forward_counted", "noise_layer")
    head = ["T from", *(f"{DATA[data]}, {noise_name(noise)}" for data, noise in cells.columns)]
    # A row of the identity is off by the rate at its label, and by as much at the others.
    denied = [f"{2 * float(rate) / CLASSES:.3f}" for _, (_, rate) in cells.columns]
    rows = [["the identity, as if there were no noise", *denied]]
    for name in names:
        errors = [cells.over_seeds(*column, name, "matrix error") for column in cells.columns]
        rows.append([ARMS[name].text, *(f"{statistics.mean(each):.3f}" for each in errors)])
    return markdown(head, rows)


def figure(cells: Cells, file: Path) -> None:
    """Paired difference to the noisy labels with as many steps: arms down, noises in colour."""
    plt.rcParams.update({"font.size": 12})
    shown = [name for name in ARMS if name not in BASES.values()]
    picture, axes = plt.subplots(1, 2, figsize=(15, 7.5), dpi=100, sharey=True)
    for axis, (data, title) in zip(axes, DATA.items(), strict=True):
        for place, noise in enumerate(cells.noises):
            found = [
                Mean(cells.difference(data, noise, name, BASES[ARMS[name].budget]))
                for name in shown
            ]
            axis.errorbar(
                [100 * each.value for each in found],
                [row + 0.18 * (place - (len(cells.noises) - 1) / 2) for row in range(len(shown))],
                xerr=[100 * each.error for each in found],
                fmt="o", color=COLOURS[noise_name(noise)], label=noise_name(noise),
            )  # fmt: skip
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_yticks(range(len(shown)), [ARMS[name].text for name in shown])
        axis.set_title(title)
        axis.set_xlabel("test accuracy against noisy labels, same steps (points)")
        axis.grid(axis="y", alpha=0.25)
    axes[0].invert_yaxis()
    axes[1].legend(loc="best", fontsize=10)
    picture.tight_layout()
    picture.savefig(file)
    plt.close(picture)
