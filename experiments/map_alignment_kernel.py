"""What the tangent kernel says of the networks of finished alignment cells, kind by kind.

    python experiments/map_alignment_kernel.py [--full] [--device cpu] [--workers 1] [--minutes 60]

Adds to the results of experiments/map_alignment.py, which must have trained the cells before in
the same place, and writes its page anew. KINSIGHT_DATA: a folder with ``pretrained/``, for the
layers of another network; without it they are left out.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "map_alignment_parts"))
import map_alignment_consistency as consistency
import map_alignment_denoising as denoising
import map_alignment_gain as gain
import map_alignment_neighbours as neighbours
import map_alignment_rounds as rounds_kind
import map_alignment_sureness as sureness
from map_alignment_cells import AGAIN, TWIN, Sizes
from map_alignment_costs import costed, full_precision
from map_alignment_page import write_page
from map_alignment_windows import rounds
from pages import ROOT
from resumable import completed, keep, options, places

LEVELS = ("main", "2 px", "4 px", "16 px", "displacement alone")
NOISY = (*LEVELS, "shared", "biased", "biased, not mirrored", "missing, invented")
# Kind, what measures it, the arms it is measured for.
KINDS: dict[str, tuple[Callable[..., dict], tuple[str, ...]]] = {
    "gain": (gain.measured, LEVELS),
    "neighbours": (neighbours.measured, ("main",)),
    "consistency": (consistency.measured, NOISY),
    "rounds": (rounds_kind.measured, ("main", "displacement alone")),
    "sureness": (sureness.measured, NOISY),
    "denoising": (denoising.measured, LEVELS),
}


def asked_of(names: Iterable[str], folder: Path) -> list[str]:
    """The kernel's cells, "KIND, NAME", that finished cells allow; a gain needs a twin.

    Args:
        names: of finished cells, twins among them or not.
        folder: where their networks are.
    """
    plain = [name for name in names if TWIN not in name and AGAIN not in name]
    names = [name for name in plain if rounds(folder, name)]
    return [
        f"{kind}, {name}"
        for kind, (_, arms) in KINDS.items()
        for name in names
        if name.rsplit(" ", 1)[0] in arms and (kind != "gain" or gain.measurable(name, folder))
    ]


def solve(
    cell: str, sizes: Sizes, folder: Path, device: str = "cpu", images: Path | None = None,
    **more: int,
) -> dict:  # fmt: skip
    """One of the kernel's cells.

    Args:
        cell: "KIND, NAME", one of ``asked_of``.
        images: where the picture of the neighbours goes.
        more: ``count`` and ``side`` of the windows.
    """
    kind, name = cell.split(", ", 1)
    if kind == "neighbours":
        return neighbours.measured(name, sizes, folder, device=device, images=images, **more)
    return KINDS[kind][0](name, sizes, folder, device=device, **more)


def main() -> None:
    """Measure what is missing of the cells that are finished, then write the page anew."""
    asked = parser_of().parse_args()
    where = places("map_alignment", asked)
    if not where["results"].exists():
        raise SystemExit(f"{where['results']}: not there; run map_alignment.py before")
    report = json.loads(where["results"].read_text())
    folder = ROOT / "runs" / ("alignment_tiny" if asked.tiny else "alignment")
    cell = partial(
        on_device, sizes=sizes_of(report["sizes"]), folder=folder, device=asked.device,
        images=where["images"], **({} if asked.count is None else {"count": asked.count}),
    )  # fmt: skip
    names = [
        name
        for name in asked_of(report["cells"], folder)
        if asked.kinds is None or name.split(", ")[0] in asked.kinds
    ]
    completed(report, names, cell, where["results"], asked)
    keep(report, where["results"])
    print(write_page(report, where))


def parser_of() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = options(__doc__)
    parser.add_argument("--tiny", action="store_true", help="the cells of map_alignment.py --tiny")
    parser.add_argument("--device", default="cpu", help="where networks and kernels are computed")
    parser.add_argument("--count", type=int, help="windows of a cell; by default all polygons")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), help="by default all")
    return parser


def sizes_of(kept: dict) -> Sizes:
    """The sizes that a report was measured with."""
    known = {one.name: kept[one.name] for one in fields(Sizes) if one.name in kept}
    return Sizes(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})  # type: ignore[arg-type]


def on_device(name: str, device: str, **known: Any) -> dict:
    """A cell, and what it cost; in whole float32 on a GPU too."""
    full_precision()
    return costed(partial(solve, name, device=device, **known), device)


if __name__ == "__main__":
    main()
