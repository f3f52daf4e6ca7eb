"""The map of samples: near each other what the network couples, coloured by label."""

from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

from kinsight.drawing.style import PAPER, WARM, colour_and_marker, house_style, new_figure
from kinsight.report.plates.plate import WIDTH, Plate
from kinsight.report.samples import Samples, clean, natural

MOST_NAMED = 28  # labels with a look of their own; the rest is grey
_GREY = "#999999"
_APART = 0.06  # of the map's extent, at which names can stand beside each other


def map_of_samples(samples: Samples) -> Plate | None:
    """Points in the plane; suspects in a ring."""
    if not samples.run.has("map"):
        return None
    place = samples.by_sample("map", ("x", "y"))  # (N, 2)
    there = np.isfinite(place.sum(1))  # (N,)
    if not there.any():
        return None
    figure, (axes,) = new_figure(1, WIDTH, 6.4)
    labels = samples.columns.get("label")
    if labels is not None and samples.classes:
        _by_class(axes, place, there, labels)
        colour = "label"
    else:
        colour = "density" if labels is None else "label"
        values = samples.density if labels is None else samples.numbers("label")
        _by_number(axes, place, there, values, colour)
    ringed = there & np.array([bool(v) for v in samples.column("contradicted")])
    if ringed.any():
        ring = {"s": 34, "facecolors": "none", "edgecolors": WARM, "linewidths": 1.1}
        axes.scatter(*place[ringed].T, **ring, rasterized=True, label="contradicted label")
    _finished(axes)
    said = (
        f"Near each other lies what the network couples; the colour is the {colour}. "
        f"{_ringed(int(ringed.sum()))}{_kind(samples.run.record.get('map'))}"
    )
    return Plate("map", "Map of the samples", said, figure)


def _by_class(axes: Any, place: np.ndarray, there: np.ndarray, labels: list) -> None:
    """A look for each of the largest classes, and its name in the middle of its samples."""
    size: dict[str, int] = {}
    for label in labels:
        if label is not None:
            size[label] = size.get(label, 0) + 1
    named = sorted(sorted(size, key=natural), key=lambda c: -size[c])[:MOST_NAMED]
    code = np.array([named.index(v) if v in named else -1 for v in labels])
    rest = there & (code < 0)
    axes.scatter(*place[rest].T, s=9, c=_GREY, linewidths=0, rasterized=True)
    middles: list[tuple[str, np.ndarray]] = []
    for look, label in enumerate(sorted(named, key=natural)):
        chosen = there & (code == named.index(label))
        if not chosen.any():
            continue
        colour, marker = colour_and_marker(look)
        points = {"c": colour, "marker": marker, "linewidths": 0, "rasterized": True}
        axes.scatter(*place[chosen].T, s=11, label=clean(label, 24), **points)
        middles.append((clean(label, 24), np.median(place[chosen], axis=0)))
    _named(axes, middles, np.ptp(place[there], axis=0).max())


def _named(axes: Any, middles: list[tuple[str, np.ndarray]], extent: float) -> None:
    """Names where they stand apart; all of them are in the legend."""
    rim = [withStroke(linewidth=2.5, foreground=PAPER)]  # the points around stay to be seen
    written: list[np.ndarray] = []
    for name, at in middles:
        if all(np.abs(at - other).max() > _APART * extent for other in written):
            written.append(at)
            with house_style():
                axes.text(
                    *at, name, ha="center", va="center", weight="bold", size=11, path_effects=rim
                )


def _by_number(
    axes: Any, place: np.ndarray, there: np.ndarray, values: np.ndarray, name: str
) -> None:
    known = there & np.isfinite(values)
    axes.scatter(*place[there & ~known].T, s=9, c=_GREY, linewidths=0, rasterized=True)
    if not known.any():
        return
    with house_style():
        drawn = axes.scatter(
            *place[known].T, s=11, c=values[known], cmap="cividis", linewidths=0, rasterized=True
        )
        axes.figure.colorbar(drawn, ax=axes, label=name, shrink=0.7)


def _finished(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines["bottom"].set_visible(False)
    with house_style():
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=1.6, fontsize=9)


def _ringed(count: int) -> str:
    return f"Rings mark the {count:,} labels that the others contradict. " if count else ""


def _kind(record: Any) -> str:
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind == "umap":
        return "Made by UMAP: groups mean something, distances between them little."
    shares = record.get("explained") if isinstance(record, dict) else None
    if kind == "principal" and isinstance(shares, list) and len(shares) == 2:
        return (
            f"The two directions in which samples differ most, with {shares[0]:.0%} and "
            f"{shares[1]:.0%} of all differences: what differs elsewhere lies on one another here."
        )
    return "Samples that lie on one another may differ in directions that are not shown."
