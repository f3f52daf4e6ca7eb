"""Cells on real regions: maps as they are and with noise on top, regions left out, levels, thirds.

Nobody knows where the buildings really are: errors are distances from the map as given, which is
itself off by a pixel or several. A network taught by that map says how far one can get.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from map_alignment_cells import DRAW, Region, Sizes, summary

from kinsight.alignment import (
    AlignmentNetwork,
    Area,
    LabelNoise,
    Passes,
    Polygon,
    Scene,
    Training,
    align,
    cut_up,
    load_network,
    read_bradbury,
    read_folder,
    read_mosaics,
    train,
)

PREFIX = "tiles, "
GIVEN = "as given"
MAIN, LEVELS = 8.0, (2.0, 4.0, 8.0, 16.0)  # pixels on each axis
HELD_OUT = 4  # of so many scenes of a region, the last is seen by no training
THIRDS = 3
SAID = 5  # repairs of a region that are told
EVERYWHERE = "all regions"

Errors = dict[tuple[str, str, str, float], list[np.ndarray]]  # region, stage, part, noise


@dataclass(frozen=True)
class TileArm:
    """What a cell is taught and tested on.

    Args:
        noise: on top of the map, pixels on each axis; None: taught by the map as given.
        left_out: a region that training does not see, and that alone is tested.
        alone: a region that is taught and tested alone.
        third: taught by every third scene alone, and not tested here.
        longer: with ``long_steps`` and random changes of light.
    """

    noise: float | None
    left_out: str | None = None
    alone: str | None = None
    third: int | None = None
    longer: bool = False

    @property
    def levels(self) -> tuple[float, ...]:
        """Noise of the maps that are tested."""
        if self.noise is not None:
            return (self.noise,)
        return LEVELS if self.alone else (MAIN,)

    def taught(self, names: list[str]) -> list[str]:
        """The regions of training."""
        return [self.alone] if self.alone else [name for name in names if name != self.left_out]

    def tested(self, names: list[str]) -> list[str]:
        """The regions that are tested."""
        if self.third is not None:
            return []
        one = self.left_out or self.alone
        return [one] if one else names


def arms(areas: list[Area]) -> dict[str, TileArm]:
    """All arms, the most important first; noise levels on the region with the most polygons."""
    names = [area.name for area in areas]
    largest = max(areas, key=lambda area: sum(len(one.polygons) for one in area.scenes)).name
    found = {GIVEN: TileArm(None), f"{MAIN:g} px": TileArm(MAIN)}
    if len(names) > 1:
        found |= {f"{MAIN:g} px without {n}": TileArm(MAIN, left_out=n) for n in names}
    found |= {f"{MAIN:g} px, longer": TileArm(MAIN, longer=True),
              f"{GIVEN}, longer": TileArm(None, longer=True)}  # fmt: skip
    found |= {f"{GIVEN}, third {k + 1}": TileArm(None, third=k) for k in range(THIRDS)}
    found[f"{largest} {GIVEN}"] = TileArm(None, alone=largest)
    found |= {f"{largest} {level:g} px": TileArm(level, alone=largest) for level in LEVELS}
    if len(names) > 1:
        found |= {f"{MAIN:g} px, longer without {n}": TileArm(MAIN, left_out=n, longer=True)
                  for n in names}  # fmt: skip
        found |= {f"{GIVEN} without {n}": TileArm(None, left_out=n) for n in names}
    return {PREFIX + name: arm for name, arm in found.items()}


def read_areas(data: Path, sizes: Sizes) -> list[Area]:
    """The regions of a folder, in scenes that have polygons.

    ``aerial_osm``, ``aerial_inria`` and ``bradbury`` in it, as far as they are there; else the
    folder itself: tiles with an index, or images with maps or masks.
    """
    found = []
    if (data / "aerial_osm").is_dir():
        found += read_mosaics(data / "aerial_osm", sizes.tile)
    if (data / "bradbury").is_dir():
        found += read_bradbury(data / "bradbury", sizes.tile)
    if (data / "aerial_inria").is_dir():
        found.append(folder_area(data / "aerial_inria", "inria", sizes.tile))
    if not found:
        one = (data / "index.json").exists()
        found = (
            read_mosaics(data, sizes.tile) if one else [folder_area(data, data.name, sizes.tile)]
        )
    before = data / "repairs.json"  # of a copy, where the original was repaired
    said = json.loads(before.read_text()) if before.exists() else {}
    return [filled(area, said.get(area.name, []), sizes.tile_scenes) for area in found]


def folder_area(folder: Path, name: str, side: int) -> Area:
    """A folder of images with maps or masks as one region."""
    tiles = read_folder(folder)
    parts = [cut_up(scene, side) for scene in tiles.scenes]
    gone = sum(count for _, count in parts)
    said = [f"{gone} polygon(s) outside their image or empty left out"] if gone else []
    return Area(name, [scene for found, _ in parts for scene in found], None, tiles.repairs + said)


def filled(area: Area, before: list[str], most: int | None) -> Area:
    """Without the scenes that have no polygon; the first ``most``."""
    scenes = [scene for scene in area.scenes if scene.polygons]
    gone = len(area.scenes) - len(scenes)
    said = [f"{area.name}: {gone} scene(s) without a polygon left out"] if gone else []
    return Area(area.name, scenes[:most], area.metres, before + area.repairs + said)


def described(area: Area) -> dict:
    """What the page says of a region's data."""
    more = len(area.repairs) - SAID
    return {
        "scenes": len(area.scenes),
        "polygons": sum(len(scene.polygons) for scene in area.scenes),
        "vertices": sum(len(p.vertices) for scene in area.scenes for p in scene.polygons),
        "metres": area.metres,
        "repairs": [*area.repairs[:SAID], *([f"and {more} more"] if more > 0 else [])],
    }


def noisy_region(area: Area, level: float, draw: int = 0) -> Region:
    """The scenes of an area, and its map with noise on top; the same for every cell."""
    start = 1000 * (zlib.crc32(area.name.encode()) % 100_000) + DRAW * draw
    noise = LabelNoise(level)
    noisy = []
    for number, scene in enumerate(area.scenes):
        height, width = scene.image.shape[1:]
        noisy.append(noise.applied(scene.polygons, height, width, start + number))
    return Region(area.scenes, noisy)


def in_training(area: Area, arm: TileArm) -> list[int]:
    """The scenes that an arm is taught by."""
    every = range(len(area.scenes))
    if arm.third is not None:
        return [i for i in every if i % THIRDS == arm.third]
    return [i for i in every if i % HELD_OUT != HELD_OUT - 1]


def solve_tiles(name: str, sizes: Sizes, folder: Path, data: Path, device: str = "cpu") -> dict:
    """One cell: train, and the errors of every region before and after each round.

    Args:
        name: arm and seed, such as "tiles, 8 px 0".
        folder: for checkpoints: a cell that was stopped goes on.
        data: of the tiles.
    """
    areas = read_areas(data, sizes)
    label, seed = name.rsplit(" ", 1)
    arm = arms(areas)[label]
    names = [area.name for area in areas]
    taught = [area for area in areas if area.name in arm.taught(names)]
    scenes, maps = training_set(taught, arm)
    asked = training_of(arm, sizes, int(seed), device)
    done = train([one.image for one in scenes], maps, asked, folder / name)
    networks = [load_network(folder / name / f"round{i}.pt", device)
                for i in range(len(asked.steps))]  # fmt: skip
    errors: Errors = {}
    for area in (area for area in areas if area.name in arm.tested(names)):
        seen = in_training(area, arm) if area in taught else []
        known = realigned(done.maps[1:], taught, area, arm) if seen else None
        for level in arm.levels:
            region = noisy_region(area, level)
            for stage, maps in states(networks, region, asked.passes, known):
                for part, found in parted(region.errors(maps), seen).items():
                    errors[area.name, stage, part, level] = found
    rows = table(errors)
    vertices = sum(len(one.vertices) for polygons in maps for one in polygons)
    data_rows = {area.name: described(area) for area in areas}
    return {"rows": rows, "vertices": vertices, "scenes": len(scenes), "areas": data_rows}


def training_of(arm: TileArm, sizes: Sizes, seed: int, device: str) -> Training:
    """How an arm is taught; by the map as given in one round of as many steps as all."""
    steps = sizes.long_steps if arm.longer else sizes.tile_steps
    if arm.noise is None:
        steps = (sum(steps),)
    light = sizes.light if arm.longer else 0.0
    return Training(steps=steps, seed=seed, light=light, device=device)


def training_set(taught: list[Area], arm: TileArm) -> tuple[list[Scene], list[list[Polygon]]]:
    """Scenes and labels, region by region."""
    scenes, maps = [], []
    for area in taught:
        noisy = noisy_region(area, arm.noise or 0.0).maps
        for i in in_training(area, arm):
            scenes.append(area.scenes[i])
            maps.append(area.scenes[i].polygons if arm.noise is None else noisy[i])
    return scenes, maps


def realigned(
    history: list[list[list[Polygon]]], taught: list[Area], area: Area, arm: TileArm
) -> list[dict[int, list[Polygon]]] | None:
    """What each round itself left of the scenes of training: [round][scene of the area].

    None where training had the map as given: there it realigned another map than is tested.
    """
    if arm.noise is None:
        return None
    first = sum(len(in_training(one, arm)) for one in taught[: taught.index(area)])
    own = in_training(area, arm)
    return [dict(zip(own, maps[first : first + len(own)], strict=True)) for maps in history]


def states(
    networks: list[AlignmentNetwork], region: Region, passes: Passes,
    known: list[dict[int, list[Polygon]]] | None,
) -> Iterator[tuple[str, list[list[Polygon]]]]:  # fmt: skip
    """The noisy map as given, and after each round.

    Scenes of training as the rounds left them, the others aligned by the network of the round.
    """
    yield "given", region.maps
    for number, network in enumerate(networks):
        found = []
        for i, scene in enumerate(region.scenes):
            if known is not None and i in known[number]:
                found.append(known[number][i])
            else:
                found.append(align(network, scene.image, region.maps[i], passes).polygons)
        yield f"round {number + 1}", found


def parted(errors: list[np.ndarray], seen: list[int]) -> dict[str, list[np.ndarray]]:
    """Errors of the scenes of training, of the others, and of all."""
    unseen = [one for i, one in enumerate(errors) if i not in seen]
    parts = {"taught": [errors[i] for i in seen], "unseen": unseen, "all": errors}
    return {part: found for part, found in parts.items() if found}


def table(errors: Errors) -> list[dict]:
    """A row for each region, stage, part and level; and one for all regions where several are."""
    several = len({area for area, *_ in errors}) > 1
    pooled: Errors = {}
    for (_, *rest), found in errors.items():
        pooled.setdefault((EVERYWHERE, *rest), []).extend(found)  # type: ignore[arg-type]
    return [
        {"region": area, "stage": stage, "part": part, "level": level, **summary(found)}
        for (area, stage, part, level), found in (errors | (pooled if several else {})).items()
    ]
