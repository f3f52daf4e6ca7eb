"""One cell of the alignment experiment: noise on generated scenes, rounds, errors at each stage."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinsight.alignment import (
    AlignmentNetwork,
    LabelNoise,
    NoisyMap,
    Passes,
    Polygon,
    Scene,
    Training,
    align,
    load_network,
    picture,
    scenes,
    train,
    vertex_errors,
    within,
)

REACH = np.arange(33)  # pixels
TEST_SEED = 500  # of scenes that no training sees
DRAW = 1_000_000_007  # between the seeds of two draws of noise


@dataclass(frozen=True)
class Sizes:
    """How much is computed in a cell."""

    scenes: int = 30
    held_out: int = 6
    side: int = 480  # of a scene, pixels
    steps: tuple[int, ...] = (700, 350, 350)
    tile: int = 512  # of a scene of real tiles, pixels at most
    tile_steps: tuple[int, ...] = (1000, 500, 500)
    long_steps: tuple[int, ...] = (3000, 1000, 1000)
    light: float = 0.2  # of the longer trainings
    tile_scenes: int | None = None  # of a region, at most


@dataclass(frozen=True)
class Arm:
    """What the labels are like, and what is done with them."""

    noise: LabelNoise
    clean: bool = False  # the network is taught by the true map: the upper bound
    segmentation: float = 1.0
    mirrored: bool = True  # patches of training are mirrored and turned


ARMS = {
    "main": Arm(LabelNoise(8.0)),
    "clean labels": Arm(LabelNoise(8.0), clean=True),
    "2 px": Arm(LabelNoise(2.0)),
    "4 px": Arm(LabelNoise(4.0)),
    "16 px": Arm(LabelNoise(16.0)),
    "shared": Arm(LabelNoise(0.0, field=8.0, length=150.0)),
    "biased": Arm(LabelNoise(8.0, bias=(6.0, 0.0))),
    "biased, not mirrored": Arm(LabelNoise(8.0, bias=(6.0, 0.0)), mirrored=False),
    "missing, invented": Arm(LabelNoise(8.0, missing=0.2, invented=0.2)),
    "displacement alone": Arm(LabelNoise(8.0), segmentation=0.0),
}


@dataclass(frozen=True)
class Region:
    """Scenes with the maps as they are given."""

    scenes: list[Scene]
    noisy: list[NoisyMap]

    @property
    def maps(self) -> list[list[Polygon]]:
        """Where the given maps say that the polygons are."""
        return [one.polygons for one in self.noisy]

    def errors(self, maps: list[list[Polygon]]) -> list[np.ndarray]:
        """Distances of all vertices from the truth, in pixels: (V,) for each scene."""
        found = zip(maps, self.noisy, self.scenes, strict=True)
        return [vertex_errors(m, n.source, s.polygons) for m, n, s in found]

    def row(self, stage: str, region: str, maps: list[list[Polygon]]) -> dict:
        """Errors of all vertices of one state of the maps."""
        return {"stage": stage, "region": region, **summary(self.errors(maps))}


def summary(parts: list[np.ndarray]) -> dict:
    """Median, mean, and the share within each of ``REACH`` pixels, of errors (V,) in parts."""
    errors = np.concatenate(parts)
    return {
        "median": round(float(np.median(errors)), 3),
        "mean": round(float(errors.mean()), 3),
        "within": [round(float(share), 4) for share in within(errors, REACH)],
    }


def region(count: int, seed: int, noise: LabelNoise, side: int = 480, draw: int = 0) -> Region:
    """Generated scenes and their noise; another ``draw``: the same scenes with other noise."""
    found = scenes(count, seed, side)
    noisy = [
        noise.applied(one.polygons, side, side, 7919 * seed + number + DRAW * draw)
        for number, one in enumerate(found)
    ]
    return Region(found, noisy)


TWIN = " twin"  # behind an arm: the same but for another draw of noise, and one round only
TWINS = ("main", "2 px", "4 px", "16 px", "displacement alone")
AGAIN = " again"  # the first round once more: what a GPU's order of sums alone changes


def parsed(name: str) -> tuple[Arm, int, int, bool]:
    """Arm, seed and draw of a cell, and whether it ends after one round.

    >>> parsed("2 px twin 1")[0].noise.shift, parsed("2 px twin 1")[1:]
    (2.0, (1, 1, True))
    """
    label, seed = name.rsplit(" ", 1)
    plain = label.removesuffix(TWIN).removesuffix(AGAIN)
    return ARMS[plain], int(seed), int(label.endswith(TWIN)), plain != label


def solve(
    name: str, sizes: Sizes, folder: Path, images: Path | None = None, device: str = "cpu"
) -> dict:
    """All rounds of one arm with one seed.

    Args:
        name: arm and seed, such as "main 0", or of a twin, "main twin 0".
        folder: for checkpoints: a cell that was stopped goes on.
        images: where the pictures of the first cell go.
    """
    arm, seed, which, short = parsed(name)
    taught, other = (
        region(sizes.scenes, seed, arm.noise, sizes.side, which),
        region(sizes.held_out, TEST_SEED + seed, arm.noise, sizes.side, which),
    )
    given = [one.polygons for one in taught.scenes] if arm.clean else taught.maps
    steps = (sum(sizes.steps),) if arm.clean else sizes.steps[: 1 if short else None]
    asked = Training(
        steps=steps, seed=seed, segmentation=arm.segmentation, mirrored=arm.mirrored, device=device
    )
    given_rows = [("taught", taught), ("unseen", other)]
    rows = [where.row("given", label, where.maps) for label, where in given_rows]
    done = train([one.image for one in taught.scenes], given, asked, folder / name)
    maps = done.maps[1:]
    if arm.clean:
        maps = [moved(done.network, taught, taught.maps, asked.passes)]
    for number, found in enumerate(maps):
        stage = f"round {number + 1}"
        network = load_network(folder / name / f"round{number}.pt", device)
        rows.append(taught.row(stage, "taught", found))
        rows.append(other.row(stage, "unseen", moved(network, other, other.maps, asked.passes)))
    if not arm.clean and not short:
        first = load_network(folder / name / "round0.pt", device)
        rows += without_teaching(first, taught, maps[0], len(steps), asked.passes)
    if images is not None and name == "main 0":
        draw(done.network, other, images)
    count = sum(len(one.vertices) for polygons in given for one in polygons)
    return {"rows": rows, "confidence": confidence(done.network, other), "vertices": count}


def moved(
    network: AlignmentNetwork, where: Region, maps: list[list[Polygon]], passes: Passes
) -> list[list[Polygon]]:
    """Maps aligned by a network."""
    pairs = zip(where.scenes, maps, strict=True)
    return [align(network, one.image, polygons, passes).polygons for one, polygons in pairs]


def without_teaching(
    network: AlignmentNetwork, taught: Region, maps: list[list[Polygon]], rounds: int,
    passes: Passes,
) -> list[dict]:  # fmt: skip
    """The first network applied again and again to what it left, never taught again."""
    rows = []
    for number in range(1, rounds):
        maps = moved(network, taught, maps, passes)
        rows.append(taught.row(f"applied {number + 1} times", "taught", maps))
    return rows


def confidence(network: AlignmentNetwork, other: Region) -> dict:
    """Does a polygon of low confidence lie worse? On unseen scenes, with four views."""
    sure, errors = [], []
    for one, noisy in zip(other.scenes, other.noisy, strict=True):
        found = align(network, one.image, noisy.polygons, Passes(views=4))
        for number, source in enumerate(noisy.source):
            if source >= 0:
                off = found.polygons[number].vertices - one.polygons[source].vertices
                errors.append(float(np.linalg.norm(off, axis=1).mean()))
                sure.append(float(found.confidence[number]))
    order = np.argsort(sure)
    half = len(order) // 2
    return {
        "polygons": len(errors),
        "correlation": round(rank_correlation(sure, errors), 3),
        "unsure": round(float(np.median(np.array(errors)[order[:half]])), 3),
        "sure": round(float(np.median(np.array(errors)[order[half:]])), 3),
    }


def rank_correlation(one: list[float], other: list[float]) -> float:
    """Spearman's; ties, which these do not have, would be ordered as they come."""
    first, second = (np.argsort(np.argsort(values)) for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


def draw(network: AlignmentNetwork, other: Region, images: Path) -> None:
    """Before and after on an unseen scene."""
    one, noisy = other.scenes[0], other.noisy[0]
    found = align(network, one.image, noisy.polygons, Passes(views=4))
    figure = picture(one.image, noisy.polygons, found.polygons, found.confidence)
    figure.savefig(images / "map_alignment_scene.png", dpi=75, metadata={"Software": None})


def smallest(sizes: Sizes) -> Sizes:
    """A cell of seconds, for tests: numbers without meaning."""
    return replace(sizes, scenes=1, held_out=1, side=288, steps=(2, 1, 1), tile=256,
                   tile_steps=(2, 1, 1), long_steps=(2, 1, 1), tile_scenes=4)  # fmt: skip
