"""Does a network end up better than the labels it was taught? A wrong map of generated scenes.

    python experiments/map_alignment.py [--full] [--workers 1] [--minutes 60]

Without --full the main arm with one seed, three rounds, below fifteen minutes on two cores, into
runs/. With --full all arms, cell by cell: the same command goes on where it was, and a cell where
it stopped; to experiments/results/map_alignment.json, with docs/experiments/map_alignment.md and
its figures.
"""

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import map_alignment_denoising as denoising
import map_alignment_way as way
from map_alignment_cells import ARMS, Sizes, smallest, solve
from map_alignment_page import write_page
from pages import ROOT
from resumable import completed, keep, options, places, started

SEEDS = 3  # of the main arm and the clean one
# In this order, so that a run that is stopped has the arms that matter.
FULL = (
    "main 0", "clean labels 0", "16 px 0", "4 px 0", "main 1", "shared 0", "2 px 0", "biased 0",
    "missing, invented 0", "displacement alone 0", "main 2", "clean labels 1", "clean labels 2",
    *(f"{arm} {seed}" for arm in ARMS for seed in range(1, SEEDS) if arm != "main"),
)  # fmt: skip


LEVELS = ("main", "2 px", "4 px", "16 px")  # plain shifts, of which the share can be predicted


def main() -> None:
    """Measure what is missing, then write tables, figures and the page."""
    parser = options(__doc__)
    parser.add_argument("--tiny", action="store_true", help="seconds, numbers without meaning")
    asked = parser.parse_args()
    where = places("map_alignment", asked)
    sizes = smallest(Sizes()) if asked.tiny else Sizes()
    names = FULL if asked.full else FULL[:1]
    report = started(where["results"], asdict(sizes))
    folder = ROOT / "runs" / ("alignment_tiny" if asked.tiny else "alignment")
    cell = partial(solve, sizes=sizes, folder=folder, images=where["images"])
    completed(report, names, cell, where["results"], asked)
    finished = [name for name in names if name in report["cells"]]
    of_levels = [name for name in finished if name.rsplit(" ", 1)[0] in LEVELS]
    more = [f"{what}, {name}" for what in ("way", "denoising") for name in of_levels]
    cell = partial(afterwards, sizes=sizes, folder=folder)
    completed(report, more, cell, where["results"], parser.parse_args(["--workers", "1"]))
    keep(report, where["results"])
    print(write_page(report, where))


def afterwards(name: str, sizes: Sizes, folder: Path) -> dict:
    """What is asked of the networks of a finished cell."""
    what, cell = name.split(", ", 1)
    return {"way": way, "denoising": denoising}[what].measured(cell, sizes, folder)


if __name__ == "__main__":
    main()
