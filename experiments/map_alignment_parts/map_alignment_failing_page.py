"""Where averaging fails and which polygons end up wrong: two parts of the kernel's chapter."""

import numpy as np
from map_alignment_denoising_text import CONSISTENCY, SURENESS
from pages import markdown

SHARED = "shared"  # the arm whose neighbours err alike
SURE = 3.0  # z from which neighbours are said to err alike
NAMES = {
    "uncertainty": "uncertainty", "density": "density", "gradient": "gradient norm",
    "spread": "mirrored views", "move": "move", "doubt": "views + move",
}  # fmt: skip


def of_kind(cells: dict, kind: str) -> dict[str, dict]:
    """The cells of a kind that were measured and not refused, by the name of the training."""
    begin = f"{kind}, "
    return {
        name[len(begin) :]: cell
        for name, cell in cells.items()
        if name.startswith(begin) and "refused" not in cell
    }


def shown(value: float | None, form: str = ".3g") -> str:
    """A number of a table; a dash where nothing could be told."""
    return "–" if value is None else format(value, form).replace("-", "−")


def _signed(value: float | None, form: str = ".2f") -> str:
    return shown(value, form)


def consistency(cells: dict) -> str:
    """Moran's I of all arms over both kinds of neighbours."""
    found = of_kind(cells, "consistency")
    if not found:
        return ""
    asked = ("residual", "scaled", "moves", "noise")
    kinds = ("kernel", "space")
    head = ["arm, seed", *(f"{of}, {kind}" for kind in kinds for of in asked)]
    lines = [
        [name]
        + [
            f"{_signed(one['i'])} (z {_signed(one['z'], '.1f')})"
            for kind in kinds
            for one in (cell["moran"][of][kind] for of in asked)
        ]
        for name, cell in found.items()
    ]
    return CONSISTENCY.format(
        table=markdown(head, lines), said=consistency_said(found), means=means_table(found)
    )


def consistency_said(found: dict[str, dict]) -> str:
    """By which values and neighbours the shared arm is told from the others."""
    there = [name for name in found if name.startswith(SHARED)]
    parts = [f"Alike (z ≥ {SURE:g}) in cells with errors that neighbours share, and in the others:"]
    for of, what in (("scaled", "scaled residuals"), ("moves", "moves")):
        for kind, words in (("kernel", "similar to the kernel"), ("space", "close by")):
            warned = [name for name, c in found.items() if c["moran"][of][kind]["z"] >= SURE]
            right = sum(name in there for name in warned)
            parts.append(
                f"{what} of windows {words} {right} of {len(there)}, and {len(warned) - right} of "
                f"{len(found) - len(there)};"
            )
    return " ".join(parts)[:-1] + "."


def means_table(found: dict[str, dict]) -> str:
    """The mean of noise, residuals and errors of the answers, on both axes."""

    def pair(one: dict) -> str:
        both = zip(one["mean"], one["error"], strict=True)
        return ", ".join(f"{_signed(mean)} ± {error:.2f}" for mean, error in both)

    head = ["arm, seed", "noise (x, y)", "residual", "error of the answers"]
    names = ("noise", "residual", "error")
    return markdown(
        head, [[n, *(pair(cell["mean"][key]) for key in names)] for n, cell in found.items()]
    )


def sureness(cells: dict) -> str:
    """Rank correlations of scores and errors."""
    found = of_kind(cells, "sureness")
    if not found:
        return ""
    head = ["arm, seed", "where", "polygons", "median error, px", *NAMES.values()]
    rows = [(n, stage, one) for n, cell in found.items() for stage, one in cell["stages"].items()]
    lines = [
        [name, stage, str(one["polygons"]), f"{one['median']:.2f}"]
        + [_signed(one["ranks"][key]) for key in NAMES]
        for name, stage, one in rows
    ]
    chance = np.mean([1 / max(one["polygons"] - 1, 1) ** 0.5 for _, _, one in rows])
    return SURENESS.format(
        table=markdown(head, lines), chance=f"{chance:.2f}", said=sureness_said(rows)
    )


def sureness_said(rows: list[tuple[str, str, dict]]) -> str:
    """The score that says most of the error in each place, by mean rank correlation."""
    parts = []
    for stage in dict.fromkeys(stage for _, stage, _ in rows):
        own = [one["ranks"] for _, which, one in rows if which == stage]
        means = {key: np.mean([r[key] for r in own if r[key] is not None] or [0]) for key in NAMES}
        best = max(means, key=lambda key: abs(means[key]))
        told = ", ".join(f"{NAMES[key]} {_signed(float(v))}" for key, v in means.items())
        parts.append(f"{stage.capitalize()}, mean over cells: {told}; most: {NAMES[best]}.")
    for stage in dict.fromkeys(stage for _, stage, _ in rows):
        own = [one["ranks"] for _, which, one in rows if which == stage]
        wrong = sum((one["uncertainty"] or 0) < 0 and (one["gradient"] or 0) < 0 for one in own)
        if wrong:
            parts.append(
                f"{stage.capitalize()}, uncertainty has the wrong sign in {wrong} of {len(own)}, "
                "and so has the gradient norm, whose inverse would say more."
            )
    return " ".join(parts)
