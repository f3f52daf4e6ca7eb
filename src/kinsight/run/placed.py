"""map.parquet: every sample as a point of the plane, near others that the network takes alike."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source
from kinsight.run.addition import Addition
from kinsight.search.maps import principal_map, umap_map

MapKind = Literal["principal", "umap"]
LANDMARKS = 256  # samples by which tangent features are told apart for the map
_TOO_FEW = "map by UMAP: too few samples, or all alike; by principal components instead"


class FewRows:
    """Features in memory, as a search asks for rows on disk; samples set apart are zeros."""

    def __init__(self, features: Tensor):
        padded = torch.nn.functional.pad(features, (0, max(0, 2 - features.shape[1])))
        self._values = padded.nan_to_num(0.0)
        self.dim = self._values.shape[1]
        self.shards: Sequence[range] = [range(len(features))]

    def __len__(self) -> int:
        return len(self._values)

    def read(self, shard: int) -> Tensor:
        """All rows."""
        return self._values


def place(source: Source, nearest: Neighbours, kind: MapKind) -> Addition:
    """map.parquet: ``sample``, ``x``, ``y``; null where a sample has no gradient to place it by.

    principal: the two components of most variance of tangent features, by Nyström on at most
    256 samples drawn with a fixed seed; exact up to as many samples. umap: UMAP on the run's own
    neighbours, begun at the principal components; what is near is near, distances between
    clusters say little.

    Cost: one sweep, 256·N similarities; UMAP some seconds for a thousand samples.
    """
    features = source.features(LANDMARKS)
    if not bool(features.nan_to_num(0.0).any()):
        return Addition(None, ["map: no sample has a gradient to place it by"])
    found = principal_map(FewRows(features))
    points, explained, why = found.points, found.explained.tolist(), []
    if kind == "umap" and not _spread(nearest, points):
        kind, why = "principal", [_TOO_FEW]
    if kind == "umap":
        points, explained = umap_map(nearest, points), None
    missing = ~points.isfinite().all(1).numpy()
    table = pa.table(
        {
            "sample": np.arange(len(points)),
            **{
                name: pa.array(points[:, i].numpy(), pa.float32(), mask=missing)
                for i, name in enumerate(("x", "y"))
            },
        }
    )
    return Addition(table, why, {"map": {"kind": kind, "explained": explained}})


def _spread(nearest: Neighbours, points: Tensor) -> bool:
    """Whether UMAP has something to lay out: more samples than neighbours of one, not all alike."""
    alive = points[(nearest.indices[:, 0] >= 0) & points.isfinite().all(1)]
    return len(alive) > nearest.indices.shape[1] + 1 and bool((alive != alive[0]).any())
