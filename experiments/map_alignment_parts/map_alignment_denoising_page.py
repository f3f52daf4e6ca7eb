"""The chapter on the tangent kernel of the alignment page: tables and sentences from numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from map_alignment_denoising_figures import densities, gains
from map_alignment_denoising_text import CHAPTER, FACTOR, GAIN, NEIGHBOURS, ROUNDS
from map_alignment_failing_page import consistency, of_kind, shown, sureness
from pages import markdown
from resumable import relative

FIGURES = ("map_alignment_gain.png", "map_alignment_density.png", "map_alignment_neighbours.png")


def explained(cells: dict, where: dict[str, Path]) -> str:
    """The whole chapter "## What the tangent kernel says"; figures go beside the others.

    Args:
        cells: of the report; those named "KIND, NAME" are read, the rest is left alone.
        where: "page" and "images".
    """
    parts = [gain(cells, where), factor(cells), rounds(cells, where), neighbours(cells, where),
             consistency(cells), sureness(cells)]  # fmt: skip
    told = "".join(part for part in parts if part) or "\nNot measured.\n"
    return CHAPTER.format(parts=told)


def points_of(cells: dict) -> list[dict]:
    """Every arm and scale whose gain was measured."""
    found = of_kind(cells, "gain").items()
    return [
        {"arm": name.rsplit(" ", 1)[0], "name": name, "windows": cell["windows"], **row}
        for name, cell in found
        for row in cell["gains"]
    ]


def gain(cells: dict, where: dict[str, Path]) -> str:
    """Measured and predicted gain."""
    points = points_of(cells)
    if not points:
        return ""
    first = next((p for p in points if p["name"] == "main 0"), points[0])
    file = where["images"] / FIGURES[0]
    gains(points, first["patches"]).savefig(file, dpi=110, metadata={"Software": None})
    head = ["arm, seed", "resolution", "σ", "free", "σ̂", "measured", "of the free", "filter",
            "ridge", "factor", "left", "left, predicted", "error"]  # fmt: skip
    keys = ("sigma", "free", "level", "measured", "measured_free", "gain", "ridge", "factor",
            "left", "left_predicted", "error")  # fmt: skip
    lines = [[p["name"], f"1/{p['scale']}", *(shown(p[key]) for key in keys)] for p in points]
    return GAIN.format(
        windows=first["windows"],
        table=markdown(head, lines),
        figure=relative(file, where["page"]),
        said=" ".join(gain_said(points)),
        again=again_said(points),
        patches=patches_table(points),
    )


def gain_said(points: list[dict]) -> Iterator[str]:
    """How far the predictions are right, over all arms and scales."""
    yield f"Over {len(points)} arms and resolutions, predicted over measured in the median:"
    names = {"gain": "filter", "ridge": "ridge", "factor": "factor"}
    for key, name in names.items():
        parts = [compared(points, key, of) for of in ("measured", "measured_free")]
        yield f"{name} {parts[0]}, and of the gain of free noise {parts[1]};"
    yield f"noise left in pixels, without any truth, {compared(points, 'left_predicted', 'left')}."
    share = np.median([p["left"] ** 2 / p["error"] ** 2 for p in points if p["error"]])
    yield (
        f"Noise is {100 * share:.1f} % of the squared error of the answers, in the median: the "
        "rest is the part of the way that they do not go, and what the network cannot see."
    )


def compared(points: list[dict], predicted: str, measured: str) -> str:
    """Median ratio, median error and correlation of a prediction."""
    told = [(p[measured], p[predicted]) for p in points if p[predicted] and p[measured]]
    if not told:
        return "nothing"
    truth, said = np.array(told).T
    ratio, off = np.median(said / truth), np.median(np.abs(said / truth - 1))
    return f"{ratio:.2f} (off by {100 * off:.0f} %{correlated(truth, said)})"


def correlated(measured: np.ndarray, predicted: np.ndarray) -> str:
    """The correlation over arms and scales, where there are three or more."""
    if len(measured) < 3:
        return ""
    return f", correlation {shown(float(np.corrcoef(measured, predicted)[0, 1]), '.2f')}"


def again_said(points: list[dict]) -> str:
    """What the same training once more differs by."""
    found = [(p["again"], p["left"]) for p in points if p["again"] is not None]
    if not found:
        return ""
    again, left = np.array(found).T
    return (
        "The same training made once more, with the same noise, differs by "
        f"{100 * np.median(again / left):.0f} % of what twins differ by: the order of sums on the "
        "device, not the labels."
    )


def patches_table(points: list[dict]) -> str:
    """How the predictions fit window by window."""

    def spread(one: dict, key: str, by: str) -> str:
        return f"{shown(one[key], '.2f')} ± {shown(one[by], '.2f')}"

    head = ["arm, seed", "resolution", "rank, averaged noise", "best possible", "ratio",
            "tied", "ratio, free", "rank, answers", "ratio, answers"]  # fmt: skip
    lines = []
    for p in points:
        one = p["patches"]
        line = [p["name"], f"1/{p['scale']}", shown(one["factor_rank"], ".2f")]
        line += [
            spread(one, "ceiling", "ceiling_spread"),
            spread(one, "factor_ratio", "ratio_spread"),
        ]
        keys = ("tied", "free_ratio", "gain_rank", "gain_ratio")
        lines.append([*line, *(shown(one[key], ".2f") for key in keys)])
    return markdown(head, lines)


def factor(cells: dict) -> str:
    """What the kernel says, beside what the truth says."""
    found = of_kind(cells, "denoising")
    if not found:
        return ""
    head = ["arm, seed", "windows", "factor", "shift", "gain", "σ̂", "σ", "error", "density"]
    keys = ("windows", "factor", "shift", "gain", "level", "label", "error", "density")
    lines = [[name, *(shown(cell[key]) for key in keys)] for name, cell in found.items()]
    broken = sorted({one for cell in found.values() for one in cell["fails"]})
    fails = "Found broken: " + ("; ".join(broken) or "nothing") + "."
    return FACTOR.format(table=markdown(head, lines), fails=fails)


def rounds(cells: dict, where: dict[str, Path]) -> str:
    """Density and factor after each round, plain and turned."""
    found = of_kind(cells, "rounds")
    if not found:
        return ""
    main = found.get("main 0") or next(iter(found.values()))
    file = where["images"] / FIGURES[1]
    densities(main["rounds"], main["windows"]).savefig(file, dpi=110, metadata={"Software": None})
    head = ["arm, seed", "round", "windows", "density", "turned", "mean k", "turned", "factor",
            "turned"]  # fmt: skip
    lines = [
        [name, str(number + 1), str(cell["windows"])]
        + [
            shown(one[kind][key] / (cell["windows"] if key == "density" else 1))
            for key in ("density", "mean", "factor")
            for kind in ("plain", "turned")
        ]
        for name, cell in found.items()
        for number, one in enumerate(cell["rounds"])
    ]
    return ROUNDS.format(table=markdown(head, lines), figure=relative(file, where["page"]),
                         said=rounds_said(main))  # fmt: skip


def rounds_said(main: dict) -> str:
    """What the rounds change, in words that follow from the numbers."""
    shares = [one["plain"]["density"] / main["windows"] for one in main["rounds"]]
    more = np.median([one["turned"]["mean"] - one["plain"]["mean"] for one in main["rounds"]])
    way = "falls" if shares[-1] < shares[0] else "rises"
    told = (
        f"The median share {way} from {shares[0]:.2f} after the first round to {shares[-1]:.2f} "
        f"after the last: the network tells {'more' if way == 'falls' else 'fewer'} windows apart. "
    )
    least = main["windows"] ** -0.5
    return (told if len(shares) > 1 else "") + (
        f"Turning the answers adds {shown(float(more), '.2g')} to the mean similarity. An average "
        f"of all windows alike would have the factor {least:.3f}."
    )


def neighbours(cells: dict, where: dict[str, Path]) -> str:
    """Which similarity finds windows with the same answer."""
    found = of_kind(cells, "neighbours")
    if not found:
        return ""
    main = found.get("main 0") or next(iter(found.values()))
    keys: tuple[str, ...] = ("displacement", "size", "scene")
    forms: list[Callable[[float | None], str]] = [lambda v: shown(v, ".2f")] * 2
    forms.append(lambda v: "–" if v is None else f"{100 * v:.0f} %")
    lines = [
        [name, kind, *(form(one[key]) for key, form in zip(keys, forms, strict=True))]
        for name, cell in found.items()
        for kind, one in cell["kinds"].items()
    ]
    head = ["arm, seed", "similarity", "true displacement", "area", "same scene"]
    file = where["images"] / FIGURES[2]
    return NEIGHBOURS.format(
        k=main["neighbours"],
        windows=main["windows"],
        table=markdown(head, lines),
        said=neighbours_said(main["kinds"]),
        figure=relative(file, where["page"]),
    )


def neighbours_said(kinds: dict[str, dict]) -> str:
    """The best of the others beside the tangent kernel, and what turning adds."""
    own = kinds["tangent kernel"]["displacement"]
    others = {k: one["displacement"] for k, one in kinds.items() if not k.startswith("tangent")}
    best = max(others, key=lambda k: others[k] or -1.0)
    turned = kinds["tangent kernel, up to a rotation"]["displacement_turned"]
    return (
        f"True displacements of neighbours agree by {shown(own, '.2f')} for the tangent kernel and "
        f"by {shown(others[best], '.2f')} for the best of the others ({best}). Neighbours up to a "
        "rotation, their displacements turned as the kernel says: "
        f"{shown(turned, '.2f')}."
    )
