"""Which samples a report shows: typical ones, the crowded, the lonely, the suspects."""

import numpy as np

from kinsight.report.samples import Samples, natural

QUERIES = 10
EXTREMES = 12
SUSPECTS = 24
AMBIGUOUS = 12


def typical(samples: Samples) -> list[int]:
    """Samples of the largest classes, of middling density there; else spread by density."""
    fit = np.isfinite(samples.density) & (samples.numbers("rank") > 0)
    labels = samples.columns.get("label")
    if labels is None or not all(isinstance(v, str) for v in labels if v is not None):
        return _spread(samples, [int(i) for i in fit.nonzero()[0]], QUERIES)
    members: dict[str, list[int]] = {}
    sound: dict[str, list[int]] = {}
    for position, label in enumerate(labels):
        if label is not None and fit[position]:
            members.setdefault(label, []).append(position)
            if not contradicted(samples, position):
                sound.setdefault(label, []).append(position)
    members |= sound  # a class whose every label is contradicted is shown all the same
    largest = sorted(members, key=lambda c: (-len(members[c]), c))[:QUERIES]
    each = max(1, QUERIES // max(len(largest), 1))
    chosen = [_spread(samples, members[label], each) for label in sorted(largest, key=natural)]
    return [position for positions in chosen for position in positions]


def crowded(samples: Samples) -> list[int]:
    """The samples with the most neighbours."""
    return _extreme(-samples.density)


def lonely(samples: Samples) -> list[int]:
    """The samples with the fewest neighbours."""
    return _extreme(samples.density)


def ambiguous(samples: Samples) -> list[int]:
    """Samples among whose neighbours the labels are most mixed."""
    spread = samples.columns.get("fit_spread")
    if spread is None:
        return []
    known = [(-value, i) for i, value in enumerate(spread) if value is not None]
    return [i for _, i in sorted(known)[:AMBIGUOUS]]


def suspected(samples: Samples) -> list[int]:
    """All samples with a score, most suspected first."""
    ranks = samples.columns.get("suspect_rank")
    if ranks is None:
        return []
    ranked = [(rank, i) for i, rank in enumerate(ranks) if rank is not None]
    return [i for _, i in sorted(ranked)]


def contradicted(samples: Samples, position: int) -> bool:
    """Whether the others propose another label."""
    return bool(samples.value("contradicted", position))


def _spread(samples: Samples, positions: list[int], wanted: int) -> list[int]:
    """Positions at evenly spaced quantiles of the density; the median where one is wanted."""
    order = sorted(positions, key=lambda i: (samples.density[i], i))
    wanted = min(wanted, len(order))
    return [order[(2 * j + 1) * len(order) // (2 * wanted)] for j in range(wanted)]


def _extreme(keys: np.ndarray) -> list[int]:
    fit = int(np.isfinite(keys).sum())
    order = np.argsort(np.where(np.isfinite(keys), keys, np.inf), kind="stable")
    return [int(i) for i in order[: min(EXTREMES, fit)]]
