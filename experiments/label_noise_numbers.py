"""Measured cells of the experiment with planted label noise, as tables and as a figure."""

import statistics
from itertools import product
from pathlib import Path

import matplotlib
from label_scores import OURS
from pages import markdown

matplotlib.use("Agg")
from matplotlib import pyplot

ARMS = {
    "fashion_mnist": "Fashion-MNIST, small network trained on the noisy labels",
    "cifar10": "CIFAR-10, small network trained on the noisy labels",
    "resnet20": "CIFAR-10 test images, ResNet-20 trained elsewhere on clean labels",
}
DRAWN = {
    "confidence": ("confidence, 1 − p_y (= cleanlab, self_confidence)", "#4477aa", "o"),
    "normalized_margin": ("cleanlab, normalized_margin", "#66ccee", "s"),
    "hidden_neighbours": ("25 nearest, last hidden layer", "#999999", "^"),
    "hidden_mixed": ("the recipe, last hidden layer as kernel", "#ee99aa", "v"),
    OURS: ("the recipe, tangent kernel", "#aa3377", "D"),
}


class Cells:
    """The measured cells, asked by arm, noise, method and measure."""

    def __init__(self, cells: dict[str, dict]):
        self.cells = cells
        keys = [name.split("/") for name in cells]
        self.kinds = sorted({key[1] for key in keys}, reverse=True)  # symmetric first
        self.rates = sorted({key[2] for key in keys})
        self.seeds = sorted({key[3] for key in keys})
        self.noises = list(product(self.kinds, self.rates))

    def over_seeds(self, arm: str, noise: tuple, method: str, measure: str, where: str) -> list:
        """One number a seed."""
        kind, rate = noise
        names = [f"{arm}/{kind}/{rate}/{seed}" for seed in self.seeds]
        return [self.cells[name][where][method][measure] for name in names]

    def mean_noise(self, arm: str, method: str, measure: str, where: str = "unseen") -> list:
        """One number a seed, the mean over the kinds of noise that were measured."""
        noises = [
            n for n in self.noises if where in self.cells[f"{arm}/{n[0]}/{n[1]}/{self.seeds[0]}"]
        ]
        columns = [self.over_seeds(arm, noise, method, measure, where) for noise in noises]
        return [statistics.mean(values) for values in zip(*columns, strict=True)]

    def accuracies(self, arm: str) -> list[float]:
        """Of the network, on true labels."""
        return [cell["accuracy"] for name, cell in self.cells.items() if name.startswith(arm + "/")]


def table(columns: dict[str, dict[str, list]], names: dict[str, str]) -> str:
    """Rows of methods, columns of numbers over seeds: mean ± deviation, the best one bold."""
    best = {
        head: max(round(statistics.mean(values[name]), 3) for name in names)
        for head, values in columns.items()
    }
    rows = []
    for name, text in names.items():
        cells = [written(values[name], best[head]) for head, values in columns.items()]
        rows.append([text, *cells])
    return markdown(["method", *columns], rows)


def written(values: list[float], best: float) -> str:
    """Mean ± standard deviation; bold where the mean is the best."""
    mean = statistics.mean(values)
    text = f"**{mean:.3f}**" if round(mean, 3) == best else f"{mean:.3f}"
    return f"{text} ± {statistics.stdev(values):.3f}" if len(values) > 1 else text


def noise_name(noise: tuple[str, str]) -> str:
    """As a head of a column."""
    return f"{noise[0]} {100 * float(noise[1]):.0f} %"


def figure(cells: Cells, image: Path) -> None:
    """Average precision of the main methods, one panel a setting, one group a kind of noise."""
    drawing, panels = pyplot.subplots(1, 3, figsize=(12.8, 4.6), sharey=True)
    for axes, (arm, title) in zip(panels, ARMS.items(), strict=True):
        for place, (method, (name, colour, marker)) in enumerate(DRAWN.items()):
            columns = [
                cells.over_seeds(arm, noise, method, "average precision", "unseen")
                for noise in cells.noises
            ]
            axes.errorbar(
                [statistics.mean(values) for values in columns],
                [group + 0.15 * (2 - place) for group in range(len(columns))],
                xerr=[statistics.stdev(v) if len(v) > 1 else 0.0 for v in columns],
                fmt=marker,
                color=colour,
                label=name,
                markersize=7,
                capsize=2,
            )
        axes.set_title(title.replace(", ", ",\n", 1), fontsize=10)
        axes.set_xlabel("average precision")
        axes.grid(axis="x", alpha=0.3)
        for group in range(1, len(cells.noises)):
            axes.axhline(group - 0.5, color="0.85", linewidth=0.8)
    panels[0].set_yticks(range(len(cells.noises)), [noise_name(noise) for noise in cells.noises])
    panels[0].invert_yaxis()
    drawing.legend(
        *panels[0].get_legend_handles_labels(), loc="lower center", ncols=3, frameon=False
    )
    drawing.tight_layout(rect=(0, 0.12, 1, 1))
    drawing.savefig(image, dpi=125)
    pyplot.close(drawing)
