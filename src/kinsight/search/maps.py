"""Rows as points of a plane: by their principal components, or by UMAP on our own neighbours."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import Neighbours
from kinsight.search.extras import optional
from kinsight.search.moments import first, second
from kinsight.search.rows import Rows
from kinsight.search.tiles import PRODUCT, tiles

# Of UMAP. Groups that share no neighbours drift apart; with its defaults, 1 and 0.1, each of them
# shrinks to a dot in an empty plane.
_SPREAD, _LEAST = 1.5, 1.0


class PrincipalMap(NamedTuple):
    """N rows along c principal components."""

    points: Tensor  # (N, c) float32; NaN for rows of zeros
    explained: Tensor  # (c,) share of the variance that each component has, float64
    components: Tensor  # (S, c) float64, orthonormal


def principal_map(rows: Rows, components: int = 2) -> PrincipalMap:
    """Coordinates along the directions of most variance, from the second moment.

    Rows of zeros have no place and do not count. The largest entry of each component is
    positive, so that a map does not flip from one machine to another.

    Cost: three readings, N S² multiplications, O(S³).

    Raises:
        ArgumentError: more components than dimensions, or no row that is not zero.
    """
    if positive("components", components) > rows.dim:
        raise ArgumentError(f"components: expected at most {rows.dim}, got {components}")
    alive = torch.cat([tile.any(1) for _, tile in tiles(rows, PRODUCT)])
    count = int(alive.sum())
    if not count:
        raise ArgumentError("rows: expected at least one that is not zero")
    one, two = first(rows), second(rows)
    mean, chosen = one / count, axes_of(one, two, count, components)
    covariance = two / count - torch.outer(mean, mean)
    points = torch.empty(len(rows), components)
    for where, tile in tiles(rows, PRODUCT):
        points[where] = tile @ chosen.float() - (mean @ chosen).float()
    shares = (chosen * (covariance @ chosen)).sum(0).clamp_min(0) / covariance.trace().clamp_min(
        1e-300
    )
    return PrincipalMap(points.masked_fill_(~alive[:, None], torch.nan), shares, chosen)


def axes_of(first: Tensor, second: Tensor, count: int, components: int = 2) -> Tensor:
    """Directions of most variance from the moments of ``count`` rows: (S, c) float64."""
    mean = first / max(count, 1)
    _, vectors = torch.linalg.eigh(second / max(count, 1) - torch.outer(mean, mean))
    chosen = vectors[:, -components:].flip(1)
    largest = chosen.abs().argmax(0, keepdim=True)
    return chosen * torch.where(chosen.gather(0, largest) < 0, -1.0, 1.0)


def umap_map(graph: Neighbours, start: Tensor, seed: int = 0, epochs: int | None = None) -> Tensor:
    """UMAP in the plane from a graph of nearest neighbours, itself excluded: (N, 2) float32.

    Distance is the chord √(2 − 2k) of unit rows. NaN for samples without neighbours.

    Args:
        graph: (N, k), as :func:`~kinsight.search.nearest.graph` gives it.
        start: (N, 2) where the points begin, such as ``principal_map(rows).points``.
        seed: the same seed gives the same map, on one thread.
        epochs: rounds of layout, by default 500 up to 10,000 samples and 200 beyond.

    Raises:
        ArgumentError: ``start`` does not fit the graph, or fewer than three samples have
            neighbours.
        MissingExtraError: umap-learn is not installed.

    Source: McInnes, Healy and Melville 2018.
    """
    umap = optional("umap", "map", "a UMAP map")
    if start.shape != (len(graph.indices), 2):
        raise ArgumentError(
            f"start: expected shape ({len(graph.indices)}, 2), got {tuple(start.shape)}"
        )
    placed = (graph.indices[:, 0] >= 0) & start.isfinite().all(1)
    if int(placed.sum()) < 3:
        raise ArgumentError("graph: expected at least three samples that have neighbours")
    neighbours, distances = _with_themselves(graph, placed)
    begin = start[placed]
    begin = (begin - begin.mean(0)) / begin.std().clamp_min(1e-12)
    layout = umap.UMAP(
        n_neighbors=neighbours.shape[1], random_state=seed, n_jobs=1, n_epochs=epochs,
        spread=_SPREAD, min_dist=_LEAST,
        precomputed_knn=(neighbours.numpy(), distances.numpy()), init=begin.numpy(),
    )  # fmt: skip
    with warnings.catch_warnings():  # that new samples cannot be placed: nobody asks for it
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)
        found = layout.fit_transform(begin.numpy())
    result = torch.full((len(start), 2), torch.nan)
    result[placed] = torch.from_numpy(found).float()
    return result


def _with_themselves(graph: Neighbours, placed: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours and distances among the placed samples, each its own first: (n, k + 1).

    A gap in a list repeats the sample's own number, which gets no weight, at its largest distance.
    """
    position = torch.full((len(placed) + 1,), -1)  # the last one: of no sample
    position[:-1][placed] = torch.arange(int(placed.sum()))
    own = torch.arange(int(placed.sum()))[:, None]
    neighbours = position[graph.indices[placed]]
    distances = (2 - 2 * graph.values[placed].double()).clamp_min(0).sqrt().float()
    missing = neighbours < 0
    neighbours = torch.where(missing, own, neighbours)
    farthest = distances.masked_fill(missing, 0).amax(1, keepdim=True)
    distances = torch.where(missing, farthest, distances)
    return torch.cat([own, neighbours], 1), torch.cat([torch.zeros(len(own), 1), distances], 1)
