"""One figure of curves: shares within a distance, by round, and of regions left out."""

from typing import Any

import numpy as np
from map_alignment_cells import REACH
from map_alignment_regions import MAIN
from map_alignment_regions_numbers import (
    GIVEN_CELL,
    LONGER,
    MAIN_CELL,
    PLAIN,
    ROUNDS,
    main_cell,
    regions,
    row,
    with_all,
    without,
)

from kinsight.drawing.style import CATEGORIES, DASHES, house_style, new_figure


def figure(cells: dict):
    """Shares within τ of all regions by round, and of regions left out after the last."""
    found, (left, right) = new_figure(2, 5.4, 3.8)
    name = with_all(cells)[-1]
    with house_style():
        for number, stage in enumerate(("given", *ROUNDS)):
            curve(left, row(cells, MAIN_CELL, name, stage, "taught"), CATEGORIES[number], stage)
        longer = row(cells, main_cell(LONGER), name, ROUNDS[-1], "taught")
        curve(left, longer, CATEGORIES[4], f"{ROUNDS[-1]}, longer")
        best = row(cells, GIVEN_CELL, name, "round 1", "taught")
        curve(left, best, "#30343b", "taught by the map", DASHES)
        for number, region in enumerate(regions(cells)):
            cell = without(region, PLAIN)
            colour = CATEGORIES[number % len(CATEGORIES)]
            curve(right, row(cells, cell, region, "round 3"), colour, region)
            curve(right, row(cells, cell, region, "given"), colour, None, DASHES)
        titles = ((left, f"{MAIN:g} px, taught"), (right, "never seen (broken: given)"))
        for axes, title in titles:
            axes.set_title(title)
            axes.set_xlabel("τ, pixels")
            axes.set_ylabel("share of vertices within τ")
            axes.set_ylim(0, 1.01)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
    return found


def curve(axes, found: dict | None, colour: str, label: str | None, style: Any = "-") -> None:
    """One row's shares."""
    if found is not None:
        shares = np.array(found["within"])
        axes.plot(REACH, shares, color=colour, label=label, linestyle=style, linewidth=1.6)
