"""Tables, figures and the page of the alignment experiment."""

from pathlib import Path
from typing import Any

import numpy as np
from map_alignment_cells import ARMS, REACH, TWIN, TWINS
from map_alignment_costs import costs_table
from map_alignment_denoising_page import explained
from map_alignment_regions_page import chapter
from map_alignment_text import OPEN, PAGE
from pages import markdown
from resumable import minutes, relative

from kinsight.drawing.style import CATEGORIES, DASHES, house_style, new_figure


def write_page(report: dict, where: dict[str, Path]) -> str:
    """The page's text, written to its place with the figure beside the others."""
    refused = {n: c["refused"] for n, c in report["cells"].items() if "refused" in c}
    cells = {name: cell for name, cell in report["cells"].items() if name not in refused}
    curves = where["images"] / "map_alignment.png"
    figure(cells).savefig(curves, dpi=110, metadata={"Software": None})
    sizes, environment = report["sizes"], report["environment"]
    text = PAGE.format(
        scenes=sizes["scenes"],
        held_out=sizes["held_out"],
        side=sizes["side"],
        steps=", ".join(map(str, sizes["steps"])),
        given=f"{cells['main 0'].get('vertices', 0):,}",
        curves=relative(curves, where["page"]),
        scene=relative(where["images"] / "map_alignment_scene.png", where["page"]),
        main=main_table(cells),
        aim=aim(cells),
        arms=arms_table(cells),
        said=said(cells),
        way=way_table(cells),
        explained=explained(cells, where),
        confidence=confidence_table(cells),
        regions=chapter(cells, sizes, where),
        costs=costs_table(cells),
        others=elsewhere(cells),
        open=unmeasured(cells, refused),
        device=report.get("device", "cpu"),
        minutes=minutes(report),
        cells=len(cells),
        **{name: environment[name] for name in ("processor", "threads", "torch", "python")},
    )
    where["page"].write_text(text)
    return text


def unmeasured(cells: dict, refused: dict[str, str]) -> str:
    """Arms without a cell, and what the library refused."""
    found = [arm for arm in ARMS if not seeds(cells, arm)]
    found += [f"the twin of {arm}" for arm in TWINS if not seeds(cells, arm + TWIN)]
    said = [OPEN]
    if found:
        said.append(f"Arms of the script without a cell so far: {'; '.join(found)}.")
    said += [f"Refused: {name}: {why}." for name, why in refused.items()]
    return " ".join(said)


def elsewhere(cells: dict) -> str:
    """Which cells another machine computed; they say so themselves."""
    there = [name for name, cell in cells.items() if cell.get("machine")]
    trained = [name for name in there if "rows" in cells[name]]
    if not there:
        return ""
    return (
        f" {len(there)} cells were computed on one core of another machine without a GPU (PyTorch "
        f"2.13.0): those that ask networks, and the trainings {'; '.join(trained)}."
    )


def seeds(cells: dict, arm: str) -> list[dict]:
    """The cells of an arm that were measured."""
    return [cell for name, cell in cells.items() if name.rsplit(" ", 1)[0] == arm]


def rows(cells: dict, arm: str, stage: str, region: str = "taught") -> list[dict]:
    """One stage of an arm, for every seed."""
    return [
        row
        for cell in seeds(cells, arm)
        for row in cell["rows"]
        if (row["stage"], row["region"]) == (stage, region)
    ]


def median(cells: dict, arm: str, stage: str, region: str = "taught") -> str:
    """The median error over seeds, with its range; a dash where nothing was measured."""
    found = [row["median"] for row in rows(cells, arm, stage, region)]
    if not found:
        return "–"
    middle = f"{np.median(found):.2f}"
    return middle if len(found) == 1 else f"{middle} ({min(found):.2f} to {max(found):.2f})"


def last(cells: dict, arm: str) -> str:
    """The name of the last round of an arm."""
    stages = [row["stage"] for cell in seeds(cells, arm) for row in cell["rows"]]
    return max((stage for stage in stages if stage.startswith("round")), default="round 0")


def main_table(cells: dict) -> str:
    """Median, mean and shares of the main arm, before and after each round."""
    head = ["", "median, px", "mean, px", *(f"within {tau} px" for tau in (1, 2, 4, 8, 16))]
    lines = []
    for region in ("taught", "unseen"):
        for stage in ("given", "round 1", "round 2", "round 3"):
            found = rows(cells, "main", stage, region)
            shares = np.mean([row["within"] for row in found], 0)
            lines.append([
                f"{stage}, {region}", median(cells, "main", stage, region),
                f"{np.mean([row['mean'] for row in found]):.2f}",
                *(f"{100 * shares[tau]:.0f} %" for tau in (1, 2, 4, 8, 16)),
            ])  # fmt: skip
    return markdown(head, lines)


def aim(cells: dict) -> str:
    """Was the aim reached: a quarter of the injected median?"""
    before = np.median([row["median"] for row in rows(cells, "main", "given")])
    after = np.median([row["median"] for row in rows(cells, "main", "round 3")])
    verdict = "reached" if after <= before / 4 else "missed"
    return (
        f"Aim: a median after round three of at most a quarter of the injected one "
        f"({before / 4:.2f} px). Measured {after:.2f} px, {after / before:.2f} of it: {verdict}."
    )


def arms_table(cells: dict) -> str:
    """All arms: given, after each round, realigned alone, unseen."""
    head = ["arm", "seeds", "given", "one round", "two", "three", "realigned alone", "unseen"]
    lines = []
    for arm in ARMS:
        if not seeds(cells, arm):
            continue
        stages = [median(cells, arm, f"round {number}") for number in (1, 2, 3)]
        if arm == "clean labels":
            stages = ["–", "–", stages[0]]
        lines.append([
            f"{arm}", str(len(seeds(cells, arm))), median(cells, arm, "given"), *stages,
            median(cells, arm, "applied 3 times"), median(cells, arm, last(cells, arm), "unseen"),
        ])  # fmt: skip
    return markdown(head, lines)


def said(cells: dict) -> str:
    """Share of the injected error that is left, by arm."""
    parts = []
    for arm in ARMS:
        before, after = (rows(cells, arm, stage) for stage in ("given", last(cells, arm)))
        if after:
            left = np.median([row["median"] for row in after]) / np.median(
                [row["median"] for row in before]
            )
            parts.append(f"{arm} {100 * left:.0f} %")
    return "Share of the given median error that is left at the end: " + "; ".join(parts) + "."


def confidence_table(cells: dict) -> str:
    """Rank correlation of confidence and error."""
    head = ["arm", "polygons", "correlation", "less sure half, px", "surer half, px"]
    lines = []
    for arm in ARMS:
        found = [cell["confidence"] for cell in seeds(cells, arm)]
        if found:
            mean = {key: np.mean([one[key] for one in found]) for key in found[0]}
            lines.append([
                arm, f"{sum(one['polygons'] for one in found)}", f"{mean['correlation']:.2f}",
                f"{mean['unsure']:.2f}", f"{mean['sure']:.2f}",
            ])  # fmt: skip
    return markdown(head, lines)


def way_table(cells: dict) -> str:
    """Predicted and measured shares of the way, by cell and scale."""
    lines = [
        [name.removeprefix("way, "), f"1/{row['scale']}", f"{row['predicted']:.2f}",
         f"{row['measured']:.2f}", f"{row['correlation']:.2f}"]
        for name, cell in cells.items() if name.startswith("way, ") for row in cell["way"]
    ]  # fmt: skip
    return markdown(["arm, seed", "resolution", "predicted", "measured", "correlation"], lines)


def figure(cells: dict):
    """Shares within τ: the main arm by round, and the last rounds of all arms."""
    found, (left, right) = new_figure(2, 5.4, 3.8)
    with house_style():
        for number, stage in enumerate(("given", "round 1", "round 2", "round 3")):
            curve(left, rows(cells, "main", stage), CATEGORIES[number], stage)
        curve(left, rows(cells, "clean labels", "round 1"), "#30343b", "clean labels", DASHES)
        for number, arm in enumerate(arm for arm in ARMS if seeds(cells, arm)):
            style = "-" if number < len(CATEGORIES) else DASHES
            colour = CATEGORIES[number % len(CATEGORIES)]
            curve(right, rows(cells, arm, last(cells, arm)), colour, arm, style)
        for axes, title in ((left, "8 px on each axis"), (right, "after the last round")):
            axes.set_title(title)
            axes.set_xlabel("τ, pixels")
            axes.set_ylabel("share of vertices within τ")
            axes.set_ylim(0, 1.01)
            axes.legend()
    return found


def curve(axes, found: list[dict], colour: str, label: str, style: Any = "-") -> None:
    """The mean over seeds, and the range as a band."""
    if not found:
        return
    shares = np.array([row["within"] for row in found])
    axes.plot(REACH, shares.mean(0), color=colour, label=label, linestyle=style, linewidth=1.6)
    axes.fill_between(REACH, shares.min(0), shares.max(0), color=colour, alpha=0.2, linewidth=0)
