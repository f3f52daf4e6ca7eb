"""Which cell of the real regions says what: medians, and shares of the gap."""

import math

from map_alignment_regions import EVERYWHERE, GIVEN, MAIN, PREFIX

PLAIN, LONGER = "", ", longer"  # how arms are taught
MAIN_CELL, GIVEN_CELL = f"{PREFIX}{MAIN:g} px 0", f"{PREFIX}{GIVEN} 0"
ROUNDS = ("round 1", "round 2", "round 3")
LEAST = 0.1  # of the given error: a smaller gap is none


def row(
    cells: dict, cell: str, region: str, stage: str, part: str = "all", level: float = MAIN
) -> dict | None:  # fmt: skip
    """One row of a cell, or None where it was not measured."""
    wanted = (region, stage, part, level)
    for one in cells.get(cell, {}).get("rows", []):
        if (one["region"], one["stage"], one["part"], one["level"]) == wanted:
            return one
    return None


def median(cells: dict, *which) -> float:
    """The median error of a row; NaN where it was not measured."""
    found = row(cells, *which)
    return math.nan if found is None else found["median"]


def gap(given: float, arm: float, reference: float) -> float:
    """Share of the gap from the noisy labels to the reference that an arm closes.

    NaN where the reference is better than the labels by less than ``LEAST`` of their error.
    """
    wide = given - reference > LEAST * given
    return (given - arm) / (given - reference) if wide else math.nan


def regions(cells: dict) -> list[str]:
    """The regions, as they were read."""
    return list(cells[GIVEN_CELL]["areas"])


def with_all(cells: dict) -> list[str]:
    """The regions, and all together where there are several."""
    names = regions(cells)
    return [*names, EVERYWHERE] if len(names) > 1 else names


def main_cell(how: str) -> str:
    """Taught by the noisy maps of all regions."""
    return f"{PREFIX}{MAIN:g} px{how} 0"


def best_cell(how: str) -> str:
    """Taught by the maps as given."""
    return f"{PREFIX}{GIVEN}{how} 0"


def without(name: str, how: str) -> str:
    """Taught by the noisy maps of all regions but one."""
    return f"{PREFIX}{MAIN:g} px{how} without {name} 0"


def left_out_gaps(cells: dict, how: str = PLAIN) -> dict[str, float]:
    """Share of the gap that a training without the region closes, where it was measured."""
    found = {}
    for name in regions(cells):
        cell = without(name, how)
        if cell in cells:
            found[name] = gap(median(cells, cell, name, "given"),
                              median(cells, cell, name, "round 3"),
                              median(cells, best_cell(how), name, "round 1"))  # fmt: skip
    return found
