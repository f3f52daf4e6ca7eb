"""Windows of one polygon each, as training shows them, and the networks of finished cells.

f(x) is the displacement averaged over a polygon, in pixels of the window: the same quantity for
gradient, prediction and label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from map_alignment_cells import TWIN, Region, Sizes, parsed, region
from torch import Tensor

import kinsight as ks
from kinsight.alignment import Displacements, Polygon, load_network
from kinsight.alignment.applying import window_of
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.windows import Averaged
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.stream import Block

SCALE, SIDE = 4, 96
BATCH = 16
MEMORY = 4 << 30  # bytes


@dataclass(frozen=True)
class Windows:
    """N windows of side S; lengths in pixels of the window, but ``place``.

    Args:
        data: image (N, 3, S, S), channels (N, 3, S, S), mask (N, S, S), all float32.
        labels: (N, 2) ỹ, the displacement that training asks for.
        noise: (N, 2) ε = ỹ − y; NaN where a polygon is invented.
        scene, number: (N,) which scene, and which polygon of its map.
        place: (N, 2) the polygon's centre in the map, in pixels of the scene.
    """

    data: tuple[Tensor, Tensor, Tensor]
    labels: Tensor
    noise: Tensor
    scene: Tensor
    number: Tensor
    place: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def true(self) -> Tensor:
        """y, from the polygon as it is seen to its building: (N, 2)."""
        return self.labels - self.noise

    @property
    def weights(self) -> Tensor:
        """Of each window in the loss, a mean over owned pixels: its share of them, mean 1: (N,)."""
        area = self.data[2].sum((1, 2)).double().clamp_min(1)
        return area / area.mean()


def taken(
    where: Region, seed: int, count: int | None = None, *, maps: list[list[Polygon]] | None = None,
    scale: int = SCALE, side: int = SIDE, moving: bool = True,
) -> Windows:  # fmt: skip
    """One window for each polygon, or for ``count`` of them chosen at random.

    Two regions that differ in the draw of their noise give windows of the same polygons with the
    same known displacements.

    Args:
        maps: the labels, in the order of the region's; by default as they were given.
        moving: with the known displacements of training; else each polygon where its map has it.
    """
    maps = where.maps if maps is None else maps
    random = np.random.default_rng([1, seed])
    every = [(i, j) for i, polygons in enumerate(maps) for j in range(len(polygons))]
    chosen = [every[k] for k in random.permutation(len(every))[:count]]
    levels = {i: Pyramid(where.scenes[i].image, (scale,)) for i in {i for i, _ in chosen}}
    parts, labels, noise = [], [], []
    for i, j in chosen:
        moves = np.zeros((len(maps[i]), 2))
        if moving:
            moves = scale * Displacements().of([p.scaled(1 / scale) for p in maps[i]], random)
        away = [p.shifted(-move) for p, move in zip(maps[i], moves, strict=True)]
        parts.append(window_of(levels[i], away, j, scale, side))
        labels.append(moves[j] / scale)
        noise.append(wrong(where, maps, i, j) / scale)
    columns = [torch.from_numpy(np.stack(column)).float() for column in zip(*parts, strict=True)]
    places = np.array([maps[i][j].centre for i, j in chosen])
    scene, number = torch.tensor(chosen).T
    return Windows(
        data=(columns[0], columns[1], columns[2]),
        labels=torch.tensor(np.array(labels)),
        noise=torch.tensor(np.array(noise)),
        scene=scene,
        number=number,
        place=torch.tensor(places),
    )


def wrong(where: Region, maps: list[list[Polygon]], i: int, j: int) -> np.ndarray:
    """How far a polygon of a map lies from the truth: (2,) pixels; NaN where it is invented."""
    source = where.noisy[i].source[j]
    if source < 0:
        return np.full(2, np.nan)
    return maps[i][j].outline[0] - where.scenes[i].polygons[source].outline[0]


def taught(name: str, sizes: Sizes) -> Region:
    """The scenes of a cell with the map that its first round learns from, or begins with."""
    arm, seed, draw, _ = parsed(name)
    return region(sizes.scenes, seed, arm.noise, sizes.side, draw)


def twin_of(name: str, kind: str = TWIN) -> str:
    """The cell with the same scenes, weights and batches: with other noise, or once again.

    >>> twin_of("16 px 0"), twin_of("main 0", AGAIN)
    ('16 px twin 0', 'main again 0')
    """
    arm, seed = name.rsplit(" ", 1)
    return f"{arm}{kind} {seed}"


def seed_of(name: str) -> int:
    """The seed at the end of a cell's name."""
    return parsed(name)[1]


def rounds(folder: Path, name: str) -> int:
    """How many rounds of a cell are finished."""
    return len(list((folder / name).glob("round?.pt")))


def trained(folder: Path, name: str, number: int, device: str) -> Averaged:
    """The network after a round, counted from 0."""
    return Averaged(load_network(folder / name / f"round{number}.pt", device)).eval()


def labels_of(folder: Path, name: str, given: list[list[Polygon]], number: int):
    """The maps that a round learnt from: the given ones, or those the round before left."""
    if number == 0:
        return given
    kept = torch.load(
        folder / name / f"round{number - 1}.state.pt", map_location="cpu", weights_only=True
    )
    found = []
    for polygons, places in zip(given, kept["places"], strict=True):
        ends = np.cumsum([len(p.vertices) for p in polygons])[:-1]
        parts = np.split(places.numpy(), ends) if polygons else []
        found.append([p.moved(at - p.vertices) for p, at in zip(polygons, parts, strict=True)])
    return found


def answers(model: Averaged, data: Sequence[Tensor]) -> Tensor:
    """f of every window: (N, 2) float64 on the CPU."""
    where = next(model.parameters()).device
    batches = zip(*(part.split(BATCH) for part in data), strict=True)
    with torch.no_grad():
        return torch.cat([model(*(p.to(where) for p in b)).cpu() for b in batches]).double()


def kernel_of(model: Averaged, device: str) -> ks.TangentKernel:
    """The tangent kernel of f; several processes share a GPU, so each takes a part of it."""
    return ks.TangentKernel(model, device=device, memory_budget=MEMORY)


class Seen(ExactSource):
    """Windows through the exact kernel; all K_ij, (N, N, 2, 2), are kept for the next question."""

    _kept: list[Block] | None = None

    def products(self) -> Iterator[Block]:
        """K(x_i, x_j) of all pairs, computed once."""
        if self._kept is None:
            self._kept = list(super().products())
        yield from self._kept


def seen(model: Averaged, data: tuple, device: str) -> Seen:
    """The source of f on windows, for every analysis."""
    kernel = kernel_of(model, device)
    return Seen(kernel.engine, data, kernel.normalization)


def size(values: Tensor) -> float:
    """Root mean square on each axis, of what is finite."""
    return round(float(values[values.isfinite()].square().mean().sqrt()), 3)


def middle(values: Tensor) -> float:
    """The median of what is finite."""
    return round(float(values[values.isfinite()].median()), 4)


def digits(value: float | None, count: int = 3) -> float | None:
    """Rounded; None where nothing could be told."""
    return None if value is None or value != value else round(value, count)


def ranked(one: Tensor, other: Tensor) -> float:
    """Spearman's rank correlation of what is finite in both; ties share their mean rank."""
    both = one.isfinite() & other.isfinite()
    ranks = torch.stack([_ranks(one[both].double()), _ranks(other[both].double())])
    return float(torch.corrcoef(ranks)[0, 1])


def _ranks(values: Tensor) -> Tensor:
    below = (values[None] < values[:, None]).sum(1)
    same = (values[None] == values[:, None]).sum(1)
    return (below + (same - 1) / 2).double()
