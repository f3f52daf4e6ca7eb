"""A map before and after, drawn on its image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kinsight.alignment.polygons import Polygon
from kinsight.drawing.style import ACCENT, WARM, house_style, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(
    image: np.ndarray,
    before: Sequence[Polygon],
    after: Sequence[Polygon],
    confidence: np.ndarray | None = None,
) -> "Figure":
    """The image with the polygons as they were (broken, warm) and as they are now (blue).

    Args:
        image: (3, H, W) in [0, 1].
        confidence: (M,) in [0, 1]: the less sure, the paler the new outline.
    """
    height, width = image.shape[1:]
    figure, (axes,) = new_figure(1, 7.0, 7.0 * height / width)
    with house_style():
        axes.imshow(image.transpose(1, 2, 0), extent=(0, width, height, 0))
        for polygon in before:
            _outlined(axes, polygon, color=WARM, linestyle="--", linewidth=1)
        for number, polygon in enumerate(after):
            sure = 1.0 if confidence is None else 0.3 + 0.7 * float(confidence[number])
            _outlined(axes, polygon, color=ACCENT, linewidth=1.6, alpha=sure)
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    plain(axes)
    return figure


def _outlined(axes, polygon: Polygon, **look) -> None:
    for ring in polygon.rings:
        closed = np.concatenate([ring, ring[:1]])
        axes.plot(closed[:, 0], closed[:, 1], **look)
