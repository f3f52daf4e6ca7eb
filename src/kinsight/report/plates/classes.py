"""Which classes the network takes for the same: whose samples the nearest of a class are."""

from collections.abc import Sequence

import numpy as np

from kinsight.drawing.marks import cells
from kinsight.drawing.style import new_figure
from kinsight.report.plates.plate import Plate
from kinsight.report.samples import Samples, clean, natural

MOST = 30  # rows of the figure
MOST_CLASSES = 2000  # up to which C × C shares are counted
_LONGEST = 16  # letters of a name beside the table


def classes(samples: Samples) -> Plate | None:
    """A square of shares, row by row; of many classes those that are mixed up most."""
    found = _shares(samples)
    if found is None:
        return None
    names, shares = found
    shown = least_alone(shares, MOST)
    short = [clean(names[i], _LONGEST) for i in shown]
    side = 2.2 + 0.34 * len(shown)
    figure, (axes,) = new_figure(1, max(4.5, side), max(3.2, side - 0.6))
    cells(axes, shares[np.ix_(shown, shown)], short)
    axes.set_xlabel("class of their nearest samples")
    axes.set_ylabel("samples of class")
    part = (
        f" Shown are the {len(shown)} of {len(names):,} classes that are mixed up most."
        if len(shown) < len(names)
        else ""
    )
    said = (
        "Of the nearest samples of each class, the share of every class, in per cent. "
        f"{_worst(names, shares)}{part}"
    )
    return Plate("classes", "Classes taken for the same", said, figure)


def neighbour_shares(
    labels: Sequence[str | None], sample: np.ndarray, neighbour: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Names (C,), and of the labelled neighbours of each class the share of every class: (C, C).

    Args:
        labels: of all samples.
        sample, neighbour: pairs. Rows add up to 1; NaN for classes without labelled neighbours.
    """
    names = sorted({label for label in labels if label is not None}, key=natural)
    place = {name: i for i, name in enumerate(names)}
    code = np.array([-1 if label is None else place[label] for label in labels])
    first, second = code[sample], code[neighbour]
    known = (first >= 0) & (second >= 0)
    count = len(names)
    pairs = np.bincount(first[known] * count + second[known], minlength=count * count)
    pairs = pairs.reshape(count, count).astype(float)
    total = pairs.sum(1, keepdims=True)
    return names, np.divide(pairs, total, out=np.full_like(pairs, np.nan), where=total > 0)


def least_alone(shares: np.ndarray, most: int) -> list[int]:
    """Places of at most so many classes, those with most neighbours of others, in their order."""
    mixed = 1 - np.nan_to_num(shares.diagonal(), nan=1.0)
    return sorted(np.argsort(-mixed, kind="stable")[:most].tolist())


def _shares(samples: Samples) -> tuple[list[str], np.ndarray] | None:
    labels = samples.columns.get("label")
    if labels is None or not samples.classes:
        return None
    if not 2 <= len({v for v in labels if v is not None}) <= MOST_CLASSES:
        return None
    names, shares = neighbour_shares(labels, samples.pairs[0], samples.pairs[1])
    return (names, shares) if np.isfinite(shares).any() else None


def _worst(names: list[str], shares: np.ndarray) -> str:
    others = np.nan_to_num(shares * (1 - np.eye(len(names))))
    row, column = np.unravel_index(int(others.argmax()), others.shape)
    if others[row, column] == 0:
        return "No class has neighbours of another."
    return (
        f"Most mixed up: {others[row, column]:.1%} of the nearest of “{clean(names[row])}” are "
        f"“{clean(names[column])}”."
    )
