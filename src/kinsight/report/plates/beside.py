"""What others would have called near, beside the network: how many neighbours they share."""

from typing import Any

import numpy as np

from kinsight.drawing.style import CATEGORIES, house_style, new_figure
from kinsight.report.plates.plate import WIDTH, Plate
from kinsight.report.samples import Samples, clean

_BEYOND = 6  # more views than that have no room


def beside(samples: Samples) -> Plate | None:
    """Shared neighbours as bars; where there are classes, how often neighbours have the label."""
    if not samples.run.has("beside"):
        return None
    views = samples.views()
    shared = {name: shared_counts(samples.pairs, pairs) for name, pairs in views.items()}
    shared = {name: counts for name, counts in shared.items() if len(counts)}
    if not shared:
        return None
    k = samples.kept
    with_labels = samples.classes and "label" in samples.columns
    figure, axes = new_figure(1 + with_labels, WIDTH / (1 + with_labels), 3.2)
    _bars(axes[0], shared, k)
    if with_labels:
        _agreement(axes[1], samples, views)
    said = "; ".join(
        f"{np.mean(counts):.1f} are also among the {k} nearest by {clean(name)}"
        for name, counts in shared.items()
    )
    said = (
        f"Of the {k} nearest of a sample in the network’s eyes, on the average {said}: the fewer, "
        "the more the tangent kernel tells that those views do not."
    )
    return Plate("beside", "What others would have called near", said, figure)


def shared_counts(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """How many neighbours both have in common, for each sample that both know.

    Args:
        one, other: (sample, neighbour), pairs that occur once each.
    """
    size = 1 + max((int(a.max(initial=-1)) for a in (*one, *other)), default=0)
    both = np.isin(other[0] * size + other[1], one[0] * size + one[1])
    counts = np.bincount(other[0][both], minlength=size)
    return counts[np.intersect1d(one[0], other[0])]


def label_agreement(labels: list, sample: np.ndarray, neighbour: np.ndarray) -> float:
    """Share of pairs with the same label, of those where both have one; NaN if there is none."""
    given = np.array(["" if v is None else v for v in labels])
    missing = np.array([v is None for v in labels])
    known = ~missing[sample] & ~missing[neighbour]
    return float((given[sample] == given[neighbour])[known].mean()) if known.any() else np.nan


def _bars(axes: Any, shared: dict[str, np.ndarray], k: int) -> None:
    width = 0.85 / len(shared)
    for i, (name, counts) in enumerate(list(shared.items())[:_BEYOND]):
        share = np.bincount(counts, minlength=k + 1) / len(counts)
        places = np.arange(len(share)) + (i - (len(shared) - 1) / 2) * width
        axes.bar(places, 100 * share, width, color=CATEGORIES[i], label=clean(name))
    axes.set_xlabel(f"neighbours in common with the network’s {k}")
    axes.set_ylabel("samples, in per cent")
    with house_style():
        axes.legend()


def _agreement(axes: Any, samples: Samples, views: dict) -> None:
    labels = samples.columns["label"]
    found = {"network": label_agreement(labels, *samples.pairs)}
    found |= {clean(n): label_agreement(labels, *pairs) for n, pairs in views.items()}
    names = list(found)[: 1 + _BEYOND]
    colours = ["#30343b", *CATEGORIES][: len(names)]
    values = [100 * found[name] for name in names]
    axes.barh(range(len(names)), values, color=colours)
    with house_style():
        axes.set_yticks(range(len(names)), names)
        for place, value in enumerate(values):
            axes.text(value, place, f" {value:.1f}", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 112)
    axes.set_xlabel("nearest samples with the same label, in per cent")
