"""A store of sketches as a view: columns of its rows, nearest samples searched when asked for."""

import hashlib
import json
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from kinsight.explorer.columns import Columns
from kinsight.explorer.kept import Kept
from kinsight.explorer.lists import Lists, padded
from kinsight.explorer.reach import Reach
from kinsight.explorer.store_table import StoreTable
from kinsight.explorer.view import MOST_NEIGHBOURS, NETWORK, Facts, Map, told
from kinsight.search.maps import axes_of
from kinsight.search.tiles import PRODUCT, tiles
from kinsight.sketching.store import Store

_AXES_FROM = 16_384  # rows that decide the directions of a map


class StoreView:
    """A store, finished or under way with the rows it has so far."""

    def __init__(self, store: Store):
        self.store = store
        self.folder: Path | None = store.folder.place.local
        self.columns = Columns(StoreTable(store.folder), len(store))
        self.reach = Reach(store)
        self.facts = _facts(store)
        self._kept = Kept()
        self._placing = Lock()

    def __len__(self) -> int:
        return len(self.store)

    @property
    def similarities(self) -> list[str]:
        """``network`` alone: a store knows no other."""
        return [NETWORK]

    @property
    def most(self) -> int:
        """All others, up to a limit: they are searched."""
        return min(MOST_NEIGHBOURS, len(self) - 1)

    def classes(self) -> list[str]:
        """None: a store does not say which class an output is of."""
        return []

    def sentences(self) -> list[str]:
        """How many rows of how many numbers, their error, and what a survey would add."""
        error = self.store.head.get("error")
        said = [f"{len(self):,} samples, sketched to {self.store.rows.dim:,} numbers each."]
        if isinstance(error, dict) and isinstance(error.get("rms"), int | float):
            said.append(f"Similarities are off by {error['rms']:.3g} (root of the mean square).")
        if not self.store.finished:
            said.append("The store is still being written; start again to see more of it.")
        elif not self.columns.has("density"):
            said.append(
                f"`kinsight survey {self.facts.path_name}` adds density, a map, neighbours and "
                "suspected labels."
            )
        return said

    def neighbours(self, by: str, sample: int, k: int) -> list[tuple[int, float]]:
        """Searched among all sketches."""
        return self.reach.nearest(sample, k) if k else []

    def lists(self) -> Lists | None:
        """Those that a survey kept, if there was one that looked at all pairs."""
        if not (self.columns.has("neighbours") and self.columns.has("similarity")):
            return None
        return self._kept.get("lists", self._read_lists)

    def map_kind(self) -> tuple[str, list[float] | None] | None:
        """Principal components, of the survey or made here."""
        return "principal", None

    def map(self) -> Map | None:
        """Places of the samples; without a survey the directions are those of some of the rows.

        Cost without a survey: one reading of the store, at most 16,384 S² multiplications.
        """
        return self._kept.get("map", self._made_map)

    def has(self, what: str) -> bool:
        """A store keeps no media."""
        return False

    def picture(self, sample: int) -> bytes | None:
        """None: a store keeps no pictures."""
        return None

    def signal(self, sample: int) -> tuple[list[list[float | None]], int] | None:
        """None: a store keeps no waveforms."""
        return None

    def inputs(self, sample: int) -> list[tuple[str, float | None]] | None:
        """None: a store keeps no inputs."""
        return None

    def explanation(self, sample: int, other: int) -> dict[str, Any] | None:
        """None: a store keeps no explanations."""
        return None

    def _read_lists(self) -> Lists:
        other = padded(self.columns.table.read("neighbours"), np.int64)
        return Lists.of_rows(other, padded(self.columns.table.read("similarity"), np.float32))

    def _made_map(self) -> Map:
        if self.columns.has("map_x") and self.columns.has("map_y"):
            axes = [self.columns.numbers(name) for name in ("map_x", "map_y")]
            return Map(np.stack(axes, 1), "principal", None)
        return Map(principal_places(self.store), "principal", None)


def principal_places(store: Store) -> np.ndarray:
    """Rows along two directions of most variance, of every m-th of them: (N, 2) float32."""
    rows, total = store.rows, len(store)
    step = max(1, -(-total // _AXES_FROM))
    first = torch.zeros(rows.dim, dtype=torch.float64)
    second = torch.zeros(rows.dim, rows.dim, dtype=torch.float64)
    count = 0
    for where, tile in tiles(rows, PRODUCT):
        some = tile[-where.start % step :: step]
        some = some[some.any(1)]
        first += some.double().sum(0)
        second += some.T @ some
        count += len(some)
    axes = axes_of(first, second, count)  # (S, 2)
    mean = (first / max(count, 1)) @ axes
    points = torch.empty(total, 2)
    for where, tile in tiles(rows, PRODUCT):
        points[where] = (tile @ axes.float() - mean.float()).masked_fill_(
            ~tile.any(1)[:, None], torch.nan
        )
    return points.numpy()


def _facts(store: Store) -> Facts:
    identity, folder = store.head["identity"], store.folder
    metric = identity.get("metric")
    name = told(folder.path.rstrip("/").rsplit("/", 1)[-1])
    segments = [[s.start, s.rows, s.data] for s in folder.segments]
    outputs = identity.get("outputs")
    return Facts(
        title=name,
        path_name=name,
        kind="store",
        status="finished" if store.finished else "running",
        output=told(identity.get("output")),
        outputs=outputs if isinstance(outputs, int) else 0,
        normalization=told(identity.get("normalization")),
        metric=None if metric is None else told(metric),
        begun=None,
        data=hashlib.sha256(json.dumps(segments).encode()).hexdigest(),
    )
