"""Six estimates of density on real digits: how far they agree, and whom each calls lonely.

    python experiments/estimators.py

Trains the network of `kinsight demo` and writes docs/images/estimators.png. About a minute.
"""

from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

import kinsight as ks
from kinsight.demo import digits

PAGE = Path(__file__).parents[1] / "docs" / "images" / "estimators.png"
SHOWN = 9
ASKED = {
    "soft": ("soft", {}),
    "square": ("square", {}),
    "power 4": ("power", {"power": 4.0}),
    "centred": ("centred", {}),
    "hard 0.7": ("hard", {"threshold": 0.7}),
    "radius, 10th": ("radius", {"k": 10}),
}


def main() -> None:
    """Compute, print the correlations, draw."""
    subject = digits()
    kernel = ks.TangentKernel(
        subject.model, output=subject.output, normalization=subject.normalization
    )
    exact = kernel.on(subject.data)
    source = ks.FeatureSource(exact.features(len(exact)))  # all landmarks: nothing is lost
    crowding = {}
    for name, (estimator, options) in ASKED.items():
        score = ks.density(source, estimator, **options).score
        crowding[name] = -score if estimator == "radius" else score
    agreement = correlations(list(crowding.values()))
    for name, row in zip(crowding, agreement.tolist(), strict=True):
        print(f"{name:14s}", "  ".join(f"{value:5.2f}" for value in row))
    draw(subject.data, crowding, agreement)


def correlations(scores: list[Tensor]) -> Tensor:
    """Spearman's rank correlation of every two estimates; ties share their mean rank."""
    ranks = []
    for score in scores:
        _, place, count = score.unique(return_inverse=True, return_counts=True)
        last = count.cumsum(0).double()
        ranks.append((last - (count - 1) / 2)[place])
    return torch.corrcoef(torch.stack(ranks))


def draw(images: Tensor, crowding: dict[str, Tensor], agreement: Tensor) -> None:
    """The loneliest and the most crowded digits by each estimate, and the correlations."""
    figure = Figure(figsize=(13, 4.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=[2.1, 1])
    left.suptitle(
        "loneliest  →                                                         ←  most crowded"
    )
    axes = left.subplots(len(crowding), 2 * SHOWN + 1)
    for row, (name, score) in zip(axes, crowding.items(), strict=True):
        order = score.argsort()
        shown = [*order[:SHOWN].tolist(), None, *order[-SHOWN:].tolist()]
        for each, position in zip(row, shown, strict=True):
            each.set_axis_off()
            if position is not None:
                each.imshow(images[position, 0], cmap="gray")
        row[SHOWN].text(0.5, 0.5, name, ha="center", va="center", fontsize=8, rotation=0)
    grid = right.subplots()
    grid.imshow(agreement, vmin=0, vmax=1, cmap="cividis")
    names = list(crowding)
    grid.set_xticks(range(len(names)), names, rotation=40, ha="right")
    grid.set_yticks(range(len(names)), names)
    grid.set_title("rank correlation")
    for i, row in enumerate(agreement.tolist()):
        for j, value in enumerate(row):
            grid.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8,
                      color="black" if value > 0.55 else "white")  # fmt: skip
    figure.savefig(PAGE)


if __name__ == "__main__":
    main()
