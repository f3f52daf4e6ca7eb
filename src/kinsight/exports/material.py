"""What an export is made of: a run or a store, what was decided about it, tangent features."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kinsight.errors import ArgumentError
from kinsight.explorer.decisions import Decision, Decisions
from kinsight.explorer.lists import Lists, padded
from kinsight.explorer.opening import open_view, same_samples
from kinsight.explorer.pictures import repainted
from kinsight.explorer.run_view import RunView
from kinsight.explorer.view import Map, View

if TYPE_CHECKING:  # else imported where used: it takes seconds
    from kinsight.sketching.store import Store

_BLOCK = 4096  # rows at once where there are no features
_SCORES = ("Logits", "LogProbabilities")
OWN = "the network's own output"  # as run.json says it
MEDIA = ("pictures", "signals", "inputs", "explanations")


class Material:
    """N samples and all that is known of them, read when first asked for.

    Args:
        view: the run or the store.
        features: a store of the same samples; that of the view itself where it is one.
    """

    def __init__(self, view: View, features: "Store | None" = None):
        self.view = view
        self.store = getattr(view, "store", None) if features is None else features
        self.count = len(view)
        kept = None
        if view.folder is not None:
            kept = Decisions(view.folder, view.facts.data, self.count)
        self.decisions: dict[int, Decision] = {d.sample: d for d in kept.all()} if kept else {}
        self.elsewhere = kept.elsewhere() if kept else 0

    @classmethod
    def opened(cls, folder: str, features: str | None = None) -> "Material":
        """From the path of a run or a store, and of a store of tangent features.

        Raises:
            RunFolderError, StoreError: what is there cannot be read.
            ArgumentError: features of other samples, or a run in their place.
        """
        view = open_view(folder)
        if features is None:
            return cls(view)
        other = open_view(features)
        store = getattr(other, "store", None)
        if store is None:
            raise ArgumentError(
                f"--features: expected a store of sketches, got {features}, a run; `kinsight "
                "sketch` makes one"
            )
        same_samples(view, other)
        return cls(view, store)

    @property
    def present(self) -> frozenset[str]:
        """What there is beside the columns: names as :mod:`kinsight.exports.left_out` has them."""
        found = {
            "output": self.outputs is not None,
            "map": self.map is not None,
            "neighbours": self.lists is not None,
            "features": self.store is not None,
            "decisions": bool(self.decisions),
            "text": self.view.columns.has("text"),
            "beside": len(self.view.similarities) > 1,
        }
        found |= {name: self.view.has(name) for name in MEDIA}
        return frozenset(name for name, there in found.items() if there)

    @cached_property
    def map(self) -> Map | None:
        """Places in a plane, NaN where a sample has none."""
        return self.view.map()

    @cached_property
    def lists(self) -> Lists | None:
        """Nearest samples of all, where they were computed."""
        return self.view.lists()

    @cached_property
    def outputs(self) -> np.ndarray | None:
        """f(x): (N, D) float32, where it was kept."""
        if not self.view.columns.has("output") or not self.count:
            return None
        values = padded(self.view.columns.table.read("output"), np.float32)
        return values if len(values) == self.count else None

    @cached_property
    def probabilities(self) -> np.ndarray | None:
        """Of the classes: (N, D) float64, rows sum to 1; None where f(x) are no scores of classes.

        The softmax of logits, of log-probabilities and of the network's own output, unless that
        one is of probabilities already. NaN where an output is not finite.
        """
        name = self.view.facts.output
        kind, scores = name.split("(")[0].rsplit(".", 1)[-1], self.outputs
        if scores is None or scores.shape[1] < 2 or not (kind in _SCORES or name == OWN):
            return None
        values = scores.astype(np.float64)
        values[~np.isfinite(values).all(1)] = np.nan
        if name == OWN and _sum_to_one(values):
            return values / values.sum(1, keepdims=True)
        powers = np.exp(values - values.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def picture(self, sample: int) -> bytes | None:
        """A PNG, painted anew: nothing of what else the stored file held.

        Raises:
            RunFolderError: what is stored is no picture.
        """
        stored = self.view.picture(sample)
        return None if stored is None else repainted(stored, f"picture of sample {sample}")

    def blocks(self) -> Iterator[tuple[range, np.ndarray | None]]:
        """All rows in order, some at a time, with their tangent features: (B, S) float32.

        The features are of norm 1, zeros where a sample has none. Their memory is that of the
        block before.
        """
        if self.store is None:
            ends = [*range(0, self.count, _BLOCK), self.count]
            yield from ((range(a, b), None) for a, b in pairwise(ends))
            return
        from kinsight.search.tiles import PRODUCT, tiles

        for where, tile in tiles(self.store.rows, PRODUCT):
            yield range(where.start, where.stop), tile.numpy()

    def near(self, rows: Sequence[int]) -> list[list[tuple[int, float]]]:
        """Number and similarity of the nearest samples of some, nearest first."""
        lists = self.lists
        return [[] if lists is None else lists[row] for row in rows]

    @property
    def is_run(self) -> bool:
        """Whether it is a run of analyze, and no store."""
        return isinstance(self.view, RunView)


def _sum_to_one(values: np.ndarray) -> bool:
    """Whether all rows that are finite are probabilities."""
    there = values[np.isfinite(values).all(1)]
    return bool((there >= 0).all() and np.allclose(there.sum(1), 1, atol=1e-3))
