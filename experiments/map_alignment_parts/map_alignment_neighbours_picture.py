"""The picture of windows and the ones that are most like them, by each similarity."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from map_alignment_windows import Windows
from torch import Tensor

from kinsight.drawing.style import INK, PAPER, WARM, house_style, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGER = 2  # times the displacement: how long an arrow is drawn
_TILE = 1.15  # inches
_HALF = 18  # pixels of the window around its polygon that are shown
_ARROW = PAPER


def chosen(windows: Windows, best: Tensor) -> list[int]:
    """Three windows that are not picked for their looks: bad, usual and good ones.

    Of the half that has the longer true displacements, those at the quartiles of the cosine
    between a window's own displacement and the mean one of its neighbours ``best`` (N, k).
    """
    own, theirs = windows.true, windows.true[best].mean(1)
    long = own.norm(dim=1).nan_to_num(0.0).argsort()[len(own) // 2 :]
    cosine = torch.cosine_similarity(own[long], theirs[long], dim=1).nan_to_num(-1.0)
    order = long[cosine.argsort()]
    return [int(order[round(share * (len(order) - 1))]) for share in (0.25, 0.5, 0.75)]


def picture(windows: Windows, retrieved: dict[str, Tensor], queries: list[int]) -> "Figure":
    """For each query one row a similarity: the query, then what is most like it.

    Args:
        retrieved: (N, k) by name.
        queries: windows that are asked about.
    """
    k = next(iter(retrieved.values())).shape[1]
    rows = len(queries) * len(retrieved)
    figure, axes = new_figure(k + 1, _TILE, _TILE, rows=rows)
    grid = np.array(axes).reshape(rows, k + 1)
    with house_style():
        for place, query in enumerate(queries):
            for line, (name, best) in enumerate(retrieved.items()):
                row = grid[place * len(retrieved) + line]
                if line == 0:
                    tile(row[0], windows, query)
                else:
                    plain(row[0])
                for axis, other in zip(row[1:], best[query].tolist(), strict=True):
                    tile(axis, windows, other)
                row[1].set_title(name, loc="left", fontsize=8, color=INK, pad=3)
            grid[place * len(retrieved), 0].set_title("asked about", loc="left", fontsize=8, pad=3)
    return figure


def tile(axes, windows: Windows, number: int) -> None:
    """One window: image, outline of its polygon, an arrow for the true displacement."""
    image, channels, mask = (part[number] for part in windows.data)
    axes.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy())
    faint = np.zeros((*mask.shape, 4))
    faint[..., :3], faint[..., 3] = 1.0, 0.35 * channels[1].numpy()
    axes.imshow(faint)
    if bool((mask > 0).any()):
        axes.contour(mask.numpy(), [0.5], colors=[WARM], linewidths=1.2)
        y, x = (float(v.float().mean()) for v in torch.nonzero(mask > 0).T)
        dx, dy = (LONGER * windows.true[number].nan_to_num(0.0)).tolist()
        axes.annotate(
            "", (x + dx, y + dy), (x, y), annotation_clip=False,
            arrowprops={"arrowstyle": "-|>", "color": _ARROW, "lw": 1.6, "mutation_scale": 8,
                        "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
        half = min(_HALF, mask.shape[0] / 2)
        side = mask.shape[0] - 0.5
        left = min(max(x - half, -0.5), side - 2 * half)
        top = min(max(y - half, -0.5), side - 2 * half)
        axes.set_xlim(left, left + 2 * half)
        axes.set_ylim(top + 2 * half, top)
    plain(axes)
