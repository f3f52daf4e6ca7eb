"""The part of the alignment page on real regions: tables, verdicts, one figure of curves."""

import math
from pathlib import Path

from map_alignment_regions import GIVEN, LEVELS, PREFIX
from map_alignment_regions_error import NAME
from map_alignment_regions_figure import figure
from map_alignment_regions_numbers import (
    GIVEN_CELL,
    LONGER,
    MAIN_CELL,
    PLAIN,
    ROUNDS,
    best_cell,
    gap,
    left_out_gaps,
    main_cell,
    median,
    regions,
    row,
    with_all,
    without,
)
from map_alignment_regions_text import ABSENT, CHAPTER, ERROR, LONGER_LEFT_OUT, LONGER_PART
from pages import markdown
from resumable import relative

TAUS = (1, 2, 4, 8, 16)
FAR = 20  # pixels
WANTED, WANTED_UNSEEN = 0.75, 0.5  # of the gap


def chapter(cells: dict, sizes: dict, where: dict[str, Path]) -> str:
    """The whole chapter; a sentence where no cell on real tiles was measured."""
    if MAIN_CELL not in cells or GIVEN_CELL not in cells:
        return ABSENT
    curves = where["images"] / "map_alignment_regions.png"
    figure(cells).savefig(curves, dpi=110, metadata={"Software": None})
    return CHAPTER.format(
        steps=", ".join(map(str, sizes["tile_steps"])),
        side=sizes["tile"],
        data=data_table(cells),
        repairs=repairs(cells),
        curves=relative(curves, where["page"]),
        shares=shares_table(cells),
        regions=regions_table(cells, "taught"),
        held_out=regions_table(cells, "unseen"),
        aim=aim(cells),
        left_out=left_out_table(cells),
        aim_left_out=aim_left_out(cells),
        longer=longer_part(cells, sizes),
        levels=levels_table(cells),
        error=error_part(cells),
    )


def shown(value: float, digits: int = 2) -> str:
    """A number, or a dash for one that nobody measured."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def percent(value: float) -> str:
    """A share as a whole percentage."""
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def data_table(cells: dict) -> str:
    """What was read of each region."""
    lines = [
        [name, str(one["scenes"]), f"{one['polygons']:,}", f"{one['vertices']:,}",
         "–" if one["metres"] is None else f"{one['metres']:.2f}"]
        for name, one in cells[GIVEN_CELL]["areas"].items()
    ]  # fmt: skip
    return markdown(["region", "scenes", "polygons", "vertices", "pixel, m"], lines)


def repairs(cells: dict) -> str:
    """What was left out or repaired, as the readers say it."""
    found = [said for one in cells[GIVEN_CELL]["areas"].values() for said in one["repairs"]]
    return ("; ".join(found) or "nothing") + "."


def shares_table(cells: dict) -> str:
    """Median, mean and shares of all regions together."""
    name = with_all(cells)[-1]
    asked = [
        ("noisy labels", MAIN_CELL, "given"), ("taught by the map as given", GIVEN_CELL, "round 1"),
        *((f"taught by noisy labels, {stage}", MAIN_CELL, stage) for stage in ROUNDS),
    ]  # fmt: skip
    lines = []
    for part in ("taught", "unseen"):
        for label, cell, stage in asked:
            found = row(cells, cell, name, stage, part)
            if found is not None:
                lines.append([
                    f"{label}; {part}", f"{found['median']:.2f}", f"{found['mean']:.2f}",
                    *(f"{100 * found['within'][tau]:.0f} %" for tau in TAUS),
                ])  # fmt: skip
    return markdown(["", "median, px", "mean, px", *(f"within {tau} px" for tau in TAUS)], lines)


def regions_table(cells: dict, part: str, how: str = PLAIN) -> str:
    """Medians of every region before and after each round."""
    head = ["region", "noisy labels", "taught by the map", *ROUNDS, "gap closed"]
    lines = []
    for name in with_all(cells):
        given = median(cells, main_cell(how), name, "given", part)
        reference = median(cells, best_cell(how), name, "round 1", part)
        after = [median(cells, main_cell(how), name, stage, part) for stage in ROUNDS]
        if not math.isnan(given):
            closed = percent(gap(given, after[-1], reference))
            lines.append([name, *map(shown, (given, reference, *after)), closed])
    return markdown(head, lines)


def aim(cells: dict, how: str = PLAIN) -> str:
    """Was three quarters of the gap closed on the scenes of training?"""
    name = with_all(cells)[-1]
    closed = [
        gap(median(cells, main_cell(how), name, "given", part),
            median(cells, main_cell(how), name, "round 3", part),
            median(cells, best_cell(how), name, "round 1", part))
        for part in ("taught", "unseen")
    ]  # fmt: skip
    if math.isnan(closed[0]):
        return f"Aim: {percent(WANTED)} of the gap. The network taught by the map leaves no gap."
    verdict = "reached" if closed[0] >= WANTED else "missed"
    return (
        f"Aim: {percent(WANTED)} of the gap. On the scenes of training {percent(closed[0])}: "
        f"{verdict}; on other scenes of the same regions {percent(closed[1])}."
    )


def left_out_table(cells: dict, how: str = PLAIN) -> str:
    """Regions that a training never saw."""
    head = ["region", "noisy labels", "taught by the map", "by the map, without the region",
            "noisy, with the region", *(f"without, {stage}" for stage in ROUNDS),
            "gap closed"]  # fmt: skip
    lines = []
    for name, closed in left_out_gaps(cells, how).items():
        cell, other = without(name, how), f"{PREFIX}{GIVEN}{how} without {name} 0"
        values = [
            median(cells, cell, name, "given"), median(cells, best_cell(how), name, "round 1"),
            median(cells, other, name, "round 1"), median(cells, main_cell(how), name, "round 3"),
            *(median(cells, cell, name, stage) for stage in ROUNDS),
        ]  # fmt: skip
        lines.append([name, *map(shown, values), percent(closed)])
    if how == LONGER:  # there is no training by the map without the region
        head, *lines = ([*line[:3], *line[4:]] for line in (head, *lines))
    return markdown(head, lines)


def aim_left_out(cells: dict, how: str = PLAIN) -> str:
    """Was half of the gap closed on regions that no training saw?"""
    gaps = left_out_gaps(cells, how)
    found = {name: value for name, value in gaps.items() if not math.isnan(value)}
    if not found:
        return "No region was left out so far."
    names = [name for name, value in found.items() if value >= WANTED_UNSEEN]
    reached = f"reached on {len(names)} of {len(found)} regions"
    return f"Aim: {percent(WANTED_UNSEEN)} of the gap: {reached} ({', '.join(names) or 'none'})."


def far(cells: dict, stage: str) -> str:
    """The share of vertices that are farther off than ``FAR``, of the longer training."""
    found = row(cells, main_cell(LONGER), with_all(cells)[-1], stage, "taught")
    return "–" if found is None else f"{100 * (1 - found['within'][FAR]):.1f} %"


def longer_part(cells: dict, sizes: dict) -> str:
    """The same with more steps and changes of light, as far as it was measured."""
    if main_cell(LONGER) not in cells or best_cell(LONGER) not in cells:
        return "Not measured so far."
    told = LONGER_PART.format(
        steps=" + ".join(map(str, sizes["long_steps"])),
        plain=" + ".join(map(str, sizes["tile_steps"])),
        light=sizes["light"],
        regions=regions_table(cells, "taught", LONGER),
        held_out=regions_table(cells, "unseen", LONGER),
        aim=aim(cells, LONGER),
        limit=FAR,
        before=far(cells, "given"),
        after=far(cells, ROUNDS[-1]),
    )
    if left_out_gaps(cells, LONGER):
        told += LONGER_LEFT_OUT.format(
            left_out=left_out_table(cells, LONGER), aim_left_out=aim_left_out(cells, LONGER)
        )
    return told


def levels_table(cells: dict) -> str:
    """Noise levels on the region that was taught alone."""
    alone = next((n for n in regions(cells) if f"{PREFIX}{n} {GIVEN} 0" in cells), None)
    if alone is None:
        return "Not measured so far."
    lines = []
    for level in LEVELS:
        noisy, reference = f"{PREFIX}{alone} {level:g} px 0", f"{PREFIX}{alone} {GIVEN} 0"
        for part in ("taught", "unseen"):
            given = median(cells, noisy, alone, "given", part, level)
            best = median(cells, reference, alone, "round 1", part, level)
            after = [median(cells, noisy, alone, stage, part, level) for stage in ROUNDS]
            if not math.isnan(given):
                closed = percent(gap(given, after[-1], best))
                label = f"{alone}, {level:g} px; {part}"
                lines.append([label, *map(shown, (given, best, *after)), closed])
    return markdown(["", "noisy labels", "taught by the map", *ROUNDS, "gap closed"], lines)


def error_part(cells: dict) -> str:
    """The estimate of the map's own error, with what is known of its method."""
    if NAME not in cells:
        return "Not estimated so far: it needs the networks of the three thirds."
    head = ["", "polygons", "seen, px", "networks, px", "σ of the map, px", "σ from squares, px",
            "median distance, px", "in m", "offset x, y, px", "known σ, px"]  # fmt: skip
    lines = []
    for one in cells[NAME]["error"]:
        middle = one["robust"] * math.sqrt(2 * math.log(2))
        metres, known = one["metres"], one["known"]
        lines.append([
            one["area"], str(one["polygons"]), shown(one["seen"]), shown(one["network"]),
            shown(one["robust"]), shown(one["mean"]), shown(middle),
            "–" if metres is None else shown(metres * middle),
            f"{one['offset'][0]:+.1f}, {one['offset'][1]:+.1f}",
            "–" if known is None else shown(known),
        ])  # fmt: skip
    return ERROR.format(table=markdown(head, lines))
