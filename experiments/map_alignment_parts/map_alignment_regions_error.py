"""How far is the map itself off? Two networks that never saw a building, each taught by others.

Of a building at t the map says m = t + ε. Two networks, taught by disjoint parts of the map and by
neither this building nor its label, put it at a = t + c + n¹ and b = t + c + n², with c what they
have in common. Their answers as seen from the map are a − m and b − m. On each axis

    variance of the mean (a + b)/2 − m  −  variance of half the difference (a − b)/2
        = σ²(ε) + σ²(c),

as n¹ and n² are independent of each other and of ε: the network's own error is taken away in
squares. Two things are wrong with it. What both networks get wrong alike, c, is counted as the
map's error: too much. A network that goes only a share s of the way leaves the building near the
map: s² σ²(ε), too little. Where the noise is known, both are measured: generated scenes.
"""

from pathlib import Path

import numpy as np
from map_alignment_cells import ARMS, TEST_SEED, Region, Sizes, region
from map_alignment_regions import GIVEN, PREFIX, THIRDS, read_areas

from kinsight.alignment import AlignmentNetwork, Area, align, load_network

NAME = "tiles, error of the map"
CHECKS = ("2 px", "4 px", "main")
NEEDED = [f"{PREFIX}{GIVEN}, third {k + 1} 0" for k in range(THIRDS)]


def checks(finished: list[str]) -> list[str]:
    """The levels of generated scenes of which two seeds are finished: scenes that differ."""
    return [one for one in CHECKS if {f"{one} 0", f"{one} 1"} <= set(finished)]


def measured(
    sizes: Sizes, folder: Path, data: Path, finished: list[str], device: str = "cpu"
) -> dict:
    """The map's own error for each region, and of generated scenes where it is known.

    Args:
        folder: with the networks of ``NEEDED``.
        finished: names of cells that are finished.
    """
    third = [load_network(folder / name / "round0.pt", device) for name in NEEDED]
    rows = []
    for area in read_areas(data, sizes):
        first, second = answers(third, area)
        rows.append({"area": area.name, "metres": area.metres, "known": None}
                    | estimate(first, second))  # fmt: skip
    for level in checks(finished):
        noise = ARMS[level].noise
        pair = [load_network(folder / f"{level} {k}" / "round0.pt", device) for k in (0, 1)]
        unseen = region(2 * sizes.held_out, TEST_SEED + 100, noise, sizes.side)
        first, second = (moves(network, unseen) for network in pair)
        rows.append({"area": f"generated, {noise.shift:g} px", "metres": None,
                     "known": noise.shift} | estimate(first, second))  # fmt: skip
    return {"error": rows}


def answers(third: list[AlignmentNetwork], area: Area) -> tuple[np.ndarray, np.ndarray]:
    """Where two networks that never saw a scene would move its polygons: (M, 2) twice, pixels."""
    found: tuple[list, list] = ([], [])
    for number, scene in enumerate(area.scenes):
        others = [network for k, network in enumerate(third) if k != number % THIRDS]
        for network, column in zip(others, found, strict=True):
            column.append(align(network, scene.image, scene.polygons).displacement)
    first, second = (np.concatenate(column) for column in found)
    return first, second


def moves(network: AlignmentNetwork, where: Region) -> np.ndarray:
    """How far a network moves the polygons of a noisy map: (M, 2)."""
    pairs = zip(where.scenes, where.maps, strict=True)
    return np.concatenate([align(network, one.image, p).displacement for one, p in pairs])


def estimate(first: np.ndarray, second: np.ndarray) -> dict:
    """The error of the map on each axis, in pixels, from the moves of two networks (M, 2) each.

    robust: from medians, as a plane Gaussian has ‖r‖² = 2 ln 2 σ² in the median; mean: from means
    of squares, which single polygons without a building can blow up. 0 where the networks differ
    more from each other than from the map: nothing can be told. offset: the median of what both
    say in the mean, x and y: what the whole region is off.

    >>> one = np.random.default_rng(0).normal(0, 3, (5000, 2))
    >>> round(estimate(one, one)["robust"], 1)
    3.0
    """
    mean, half = (first + second) / 2, (first - second) / 2
    middle = [np.median((part**2).sum(1)) / (2 * np.log(2)) for part in (mean, half)]
    square = [(part**2).sum(1).mean() / 2 for part in (mean, half)]
    return {
        "polygons": len(first),
        "robust": round(float(max(middle[0] - middle[1], 0) ** 0.5), 3),
        "mean": round(float(max(square[0] - square[1], 0) ** 0.5), 3),
        "network": round(float(middle[1] ** 0.5), 3),
        "seen": round(float(middle[0] ** 0.5), 3),
        "offset": [round(float(one), 2) for one in np.median(mean, 0)],
    }
