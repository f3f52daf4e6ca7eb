"""Why suspects are like their nearest: shares of layers, and where in both inputs they arise."""

import io
from math import prod
from typing import Any

import numpy as np
import torch
from PIL import Image

from kinsight.drawing.style import ACCENT, INK, WARM, house_style, new_figure, plain
from kinsight.kernel.explanation_figure import show_heat
from kinsight.report.plates.plate import WIDTH, Plate
from kinsight.report.samples import Samples, clean

PAIRS = 4
LAYERS = 6
_LARGEST = 1 << 22  # places of a heat-map


def explanations(samples: Samples) -> Plate | None:
    """A row a pair: both inputs with their heat-maps, and the layers with the largest shares."""
    pairs = chosen_pairs(samples)
    if not pairs:
        return None
    widths = [1, 1, 1.5]
    figure, axes = new_figure(3, WIDTH / 3, 2.3, len(pairs), width_ratios=widths)
    for row, pair in enumerate(pairs):
        left, middle, right = axes[3 * row : 3 * row + 3]
        for panel, position, side in (
            (left, pair["sample"], ""),
            (middle, pair["other"], "other_"),
        ):
            _input(panel, samples, pair, position, side)
        _shares(right, pair)
    said = (
        "Red places and bars make the two inputs alike, blue ones speak against it; the bars of "
        "all layers add up to the similarity. What a layer sees comes from all of its receptive "
        "field, so that deep layers say little about where."
    )
    return Plate("explanations", "Why suspects are like their nearest", said, figure)


def chosen_pairs(samples: Samples) -> list[dict[str, Any]]:
    """The most suspected samples that were explained, each with the most similar other."""
    if not samples.run.has("explanations"):
        return []
    rank = {i: r for i, r in enumerate(samples.column("suspect_rank")) if r is not None}
    best: dict[int, dict[str, Any]] = {}
    for row in samples.run.table("explanations").to_pylist():
        own = row["sample"]
        inside = all(0 <= row[end] < samples.count for end in ("sample", "other"))
        if inside and (own not in best or row["similarity"] > best[own]["similarity"]):
            best[own] = row
    order = sorted(best, key=lambda i: (rank.get(i, samples.count), i))
    return [best[i] for i in order[:PAIRS]]


def heat_of(pair: dict[str, Any], side: str) -> torch.Tensor | None:
    """The heat-map of ``side`` ("" or "other_"); None where there is none, or one of no sense."""
    shape, values = pair.get(f"{side}heat_shape"), pair.get(f"{side}heat")
    if not shape or not values or len(shape) > 2 or min(shape) < 1:
        return None
    if prod(shape) != len(values) or prod(shape) > _LARGEST:
        return None
    return torch.tensor(values, dtype=torch.float64).nan_to_num().reshape(shape)


def _input(axes: Any, samples: Samples, pair: dict, position: int, side: str) -> None:
    heat, png = heat_of(pair, side), samples.png(position)
    shown = samples.shown(position)
    name = shown.name if shown.label is None else f"{shown.name}: {shown.label}"
    if heat is not None:
        show_heat(axes, heat, _picture(png, tuple(heat.shape)))
    else:
        plain(axes)
        if png is not None:
            axes.imshow(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
    with house_style():
        axes.set_title(clean(name, 34), fontsize=9)


def _picture(png: bytes | None, shape: tuple[int, ...]) -> torch.Tensor | None:
    """(H, W, 3) in [0, 1], as large as the heat-map that lies over it."""
    if png is None or len(shape) != 2:
        return None
    image = Image.open(io.BytesIO(png)).convert("RGB").resize((shape[1], shape[0]))
    return torch.from_numpy(np.array(image)).double() / 255


def _shares(axes: Any, pair: dict[str, Any]) -> None:
    """The largest shares as bars, those of the other layers as one."""
    given = [(str(s["name"]), float(s["share"])) for s in pair["shares"] or []]
    given.sort(key=lambda share: -abs(share[1]))
    bars = given[:LAYERS]
    if len(given) > LAYERS:
        bars.append((f"{len(given) - LAYERS} others", sum(share for _, share in given[LAYERS:])))
    values = [share for _, share in bars]
    # As in the heat-maps: warm speaks for being alike, blue against.
    axes.barh(range(len(bars)), values, color=[WARM if v > 0 else ACCENT for v in values])
    with house_style():
        axes.set_yticks(range(len(bars)), [clean(name, 30) for name, _ in bars], fontsize=8)
        axes.set_title(f"similarity {pair['similarity']:.2f}", fontsize=9)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
