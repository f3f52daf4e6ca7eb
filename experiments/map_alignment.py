"""Does a network end up better than the labels it was taught? A wrong map of generated scenes.

    python experiments/map_alignment.py [--full] [--data DIR] [--device cuda] [--workers 1]

Without --full the main arm with one seed, three rounds, below fifteen minutes on two cores, into
runs/. With --full all arms, cell by cell: the same command goes on where it was, and a cell where
it stopped; to experiments/results/map_alignment.json, with docs/experiments/map_alignment.md and
its figures. With --data also real regions: a folder that has aerial_osm, aerial_inria or bradbury
in it, or one of images with maps.
"""

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "map_alignment_parts"))
import map_alignment_kernel as kernel
import map_alignment_regions_error as error
import map_alignment_way as way
from map_alignment_cells import AGAIN, ARMS, TWIN, TWINS, Sizes, smallest, solve
from map_alignment_costs import costed, full_precision, named
from map_alignment_page import write_page
from map_alignment_regions import PREFIX, arms, read_areas, solve_tiles
from pages import ROOT
from resumable import completed, keep, options, places, started

from kinsight.checks import present_device
from kinsight.errors import ArgumentError, KinsightError

FEW = 150  # windows that the kernel looks at without --full
SEEDS = 3  # of the main arm and the clean one
# In this order, so that a run that is stopped has the arms that matter.
FULL = (
    "main 0", "clean labels 0", *(f"{arm}{TWIN} 0" for arm in TWINS), "16 px 0", "4 px 0", "main 1",
    "shared 0", "2 px 0", "biased 0", "missing, invented 0", "displacement alone 0", "2 px 1",
    "4 px 1", f"main{AGAIN} 0", "main 2", "clean labels 1", "clean labels 2",
)  # fmt: skip
MORE = tuple(f"{arm} {seed}" for arm in ARMS for seed in range(1, SEEDS) if arm != "main")
FIRST_TILES, LAST_TILES = 8, 18  # cells of real tiles before most of FULL, and before MORE

LEVELS = ("main", "2 px", "4 px", "16 px")  # plain shifts, of which the share can be predicted


def main() -> None:
    """Measure what is missing, then write tables, figures and the page."""
    parser = parser_of()
    asked = parser.parse_args()
    try:
        present_device("device", asked.device)
    except ArgumentError as said:
        parser.error(str(said))
    # Numbers without meaning are never published.
    where = places("map_alignment", argparse.Namespace(full=asked.full and not asked.tiny))
    if asked.page:
        print(write_page(json.loads(where["results"].read_text()), where))
        return
    sizes = smallest(Sizes()) if asked.tiny else Sizes()
    report = started(where["results"], asdict(sizes))
    known = report.setdefault("device", named(asked.device))
    if known != named(asked.device):
        parser.error(f"device: expected {known}, as in {where['results']}, got {asked.device}; "
                     "move that file away to begin anew")  # fmt: skip
    folder = ROOT / "runs" / ("alignment_tiny" if asked.tiny else "alignment")
    given = {
        "images": where["images"],
        "sizes": sizes,
        "folder": folder,
        "data": asked.data,
        "device": asked.device,
    }
    windows = {} if asked.full else {"count": FEW}
    try:
        names = chosen(asked, sizes)
    except KinsightError as said:
        parser.error(f"data: {said}")
    completed(report, names, partial(cell, **given), where["results"], asked)
    finished = list(report["cells"])
    more = begun(afterwards(finished, folder, asked), asked)
    completed(report, more, partial(later, finished=finished, windows=windows, **given),
              where["results"], asked)  # fmt: skip
    keep(report, where["results"])
    if FULL[0] in report["cells"]:
        print(write_page(report, where))


def parser_of() -> argparse.ArgumentParser:
    """What can be asked for."""
    common = options(__doc__)
    # Resolved: the folder of data means something else here.
    parser = argparse.ArgumentParser(
        description=common.description, parents=[common], conflict_handler="resolve"
    )
    parser.add_argument("--data", type=Path, help="folder of real tiles; without: none")
    parser.add_argument("--device", default="cpu", help="where networks run, such as cuda")
    parser.add_argument("--tiny", action="store_true", help="seconds, numbers without meaning")
    parser.add_argument("--cells", nargs="+", help="only those that begin with one of these words")
    parser.add_argument("--page", action="store_true", help="the page again; nothing is measured")
    return parser


def chosen(asked: argparse.Namespace, sizes: Sizes) -> list[str]:
    """The cells of trainings that were asked for, in their order."""
    real = [f"{arm} 0" for arm in arms(read_areas(asked.data, sizes))] if asked.data else []
    names = [
        *FULL[:2], *real[:FIRST_TILES], *FULL[2:], *real[FIRST_TILES:LAST_TILES], *MORE,
        *real[LAST_TILES:],
    ]  # fmt: skip
    if not asked.full:
        names = [FULL[0], *real[:2]]
    return begun(names, asked)


def begun(names: list[str], asked: argparse.Namespace) -> list[str]:
    """Those that begin with one of the words asked for, once each."""
    words = tuple(asked.cells or [""])
    return [name for name in dict.fromkeys(names) if name.startswith(words)]


def cell(
    name: str, sizes: Sizes, folder: Path, images: Path, data: Path | None, device: str
) -> dict:  # fmt: skip
    """One training with its rounds, and what it cost."""
    full_precision()
    if name.startswith(PREFIX):
        if data is None:
            raise ArgumentError(f"data: expected the folder of tiles for {name!r}, got none")
        todo = partial(solve_tiles, name, sizes, folder, data, device)
    else:
        todo = partial(solve, name, sizes, folder, images, device)
    return costed(todo, device)


def afterwards(finished: list[str], folder: Path, asked: argparse.Namespace) -> list[str]:
    """What is asked of the networks of finished cells."""
    of_levels = [name for name in finished if name.rsplit(" ", 1)[0] in LEVELS]
    told = asked.data is not None and set(error.NEEDED) <= set(finished)
    return [
        *([error.NAME] if told else []),
        *(f"way, {name}" for name in of_levels),
        *kernel.asked_of(finished, folder),
    ]


def later(
    name: str, finished: list[str], sizes: Sizes, folder: Path, images: Path, data: Path,
    device: str, windows: dict[str, int],
) -> dict:  # fmt: skip
    """What is asked of networks, and what that cost; "refused" where the library says no."""
    full_precision()
    if name == error.NAME:
        todo = partial(error.measured, sizes, folder, data, finished, device)
    elif name.startswith("way, "):
        todo = partial(way.measured, name.removeprefix("way, "), sizes, folder)
    else:
        todo = partial(kernel.solve, name, sizes, folder, device, images, **windows)
    try:
        return costed(todo, device)
    except KinsightError as said:  # one of many: the others are measured
        return {"refused": str(said)}


if __name__ == "__main__":
    main()
