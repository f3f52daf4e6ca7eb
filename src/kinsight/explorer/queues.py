"""Lists of samples worth a look, best first: suspects, extremes, what changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kinsight.explorer.columns import Columns

MOST_QUEUED = 10_000  # suspects
_EXTREMES = 500


@dataclass(frozen=True)
class Queue:
    """Samples in an order, with the values of the column that orders them."""

    id: str
    title: str
    explains: str
    column: str
    ids: np.ndarray
    values: np.ndarray


def queues(columns: Columns) -> list[Queue]:
    """Those for which there are columns."""
    found = [_suspected(columns)]
    if columns.has("density"):
        density = columns.numbers("density")
        found += [
            _ordered("loneliest", "Loneliest", "Fewest samples like them.", "density", density),
            _ordered(
                "most_crowded", "Most crowded", "Most samples like them.", "density", -density
            ),
        ]
    if columns.has("fit_spread"):
        found.append(
            _ordered(
                "most_ambiguous", "Most ambiguous", "The labels around them are most mixed.",
                "fit_spread", -columns.numbers("fit_spread"),
            )
        )  # fmt: skip
    kept = [queue for queue in found if queue is not None and len(queue.ids)]
    return [_with_values(queue, columns) for queue in kept]


def changed(shared: np.ndarray) -> Queue:
    """Samples whose nearest ones differ most between two views."""
    queue = _ordered(
        "changed", "Most changed", "Their nearest samples differ most between the two views.",
        "shared", shared,
    )  # fmt: skip
    return Queue(**{**vars(queue), "values": shared[queue.ids]})


def _suspected(columns: Columns) -> Queue | None:
    title, explains = "Suspected labels", "The others propose another label, most suspected first."
    real = columns.has("label_off")
    if not (columns.has("suspect_score") or real):
        return None
    column = "label_off" if real else "suspect_score"
    key = -np.abs(columns.numbers(column))
    if columns.has("suspect_rank"):
        key = columns.numbers("suspect_rank")
    if columns.has("contradicted"):
        doubted: Any = columns.arrow("contradicted").fill_null(False)
        key = np.where(doubted.to_numpy(zero_copy_only=False), key, np.nan)
    else:
        explains = "The labels that the others support least."
    return _ordered("suspected", title, explains, column, key, MOST_QUEUED)


def _ordered(
    name: str, title: str, explains: str, column: str, key: np.ndarray, most: int = _EXTREMES
) -> Queue:
    """Smallest key first, ties by number; samples without one are left out."""
    there = np.flatnonzero(np.isfinite(key))
    if len(there) > 4 * most:  # only the front is wanted in order
        border = np.partition(key[there], most)[most]
        there = there[key[there] <= border]
    order = there[np.argsort(key[there], kind="stable")][:most]
    return Queue(name, title, explains, column, order, key[order])


def _with_values(queue: Queue, columns: Columns) -> Queue:
    """The column's own values instead of the key."""
    return Queue(**{**vars(queue), "values": columns.numbers(queue.column)[queue.ids]})
