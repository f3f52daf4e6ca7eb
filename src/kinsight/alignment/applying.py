"""A trained network applied: every polygon of a map moved to where the network sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kinsight.alignment.network import AlignmentNetwork
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.raster import drawn
from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.progress import bar

SCALES = (4, 2, 1)
_BATCH = 16
_REACH = 4  # pixels around a window, of which the drawing of a polygon spreads fewer
_VIEWS = ((), (3,), (2,), (2, 3))  # axes that are mirrored


@dataclass(frozen=True)
class Alignment:
    """What became of a map.

    Args:
        polygons: where they are now, in the order given.
        displacement: (M, 2) how far each moved in all, x and y in pixels.
        spread: (M,) px; deviation among mirrored views in the last pass, on each axis; NaN with
            one view.
        last: (M,) px; length of the last pass's own move: large where it has not come to rest.
        seen: (M,) bool; no pixel of the others lay in the image, and they stayed.
    """

    polygons: list[Polygon]
    displacement: np.ndarray
    spread: np.ndarray
    last: np.ndarray
    seen: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """1 / (1 + spread + last), 0 where unseen: (M,) in [0, 1], high is sure.

        An order, no probability: how far mirrored views agree, and whether the polygon came to
        rest. One view only: its spread counts as 0.
        """
        doubt = np.nan_to_num(self.spread) + self.last
        return np.where(self.seen, 1 / (1 + doubt), 0.0)


@dataclass(frozen=True)
class Passes:
    """How a map is aligned: coarse to fine, some passes at each scale.

    Args:
        scales: in this order; 4: pixels four times as large.
        repeats: passes at each. A network taught by noisy labels moves polygons by a share of the
            way only (the rest averages to nothing), so that one pass is not enough.
        views: mirrored views averaged, 1, 2 or 4.
        side: of the window around each polygon, in pixels of the scale; a multiple of 8.

    Raises:
        ArgumentError.
    """

    scales: tuple[int, ...] = SCALES
    repeats: int = 2
    views: int = 1
    side: int = 96

    def __post_init__(self) -> None:
        positive("repeats", self.repeats)
        if not self.scales or any(positive("scales", scale) != scale for scale in self.scales):
            raise ArgumentError(f"scales: expected whole numbers, got {self.scales!r}")
        if self.views not in (1, 2, 4):
            raise ArgumentError(f"views: expected 1, 2 or 4, got {self.views!r}")
        if positive("side", self.side) % 8:
            raise ArgumentError(f"side: expected a multiple of 8, got {self.side}")


def align(
    network: AlignmentNetwork,
    image: np.ndarray,
    polygons: Sequence[Polygon],
    passes: Passes | None = None,
    progress: bool | None = False,
) -> Alignment:
    """Move every polygon as a whole by the displacement that the network sees for it.

    In every pass, for every polygon: a window around it, the displacement averaged over its own
    pixels. All polygons of a pass move at once. Empty polygons stay.

    Args:
        image: (3, H, W) float32 in [0, 1]; where a window leaves it, the border is repeated.
        polygons: in pixels of the image.
        progress: show a bar; None: on a terminal.

    Raises:
        DataError: an image of another shape.

    Cost: a forward pass of ``side``² pixels for each polygon, scale, repeat and view; memory of
    the image, its pyramid and its polygons' channels, about four times the image.
    """
    passes = passes or Passes()
    pyramid = Pyramid(image, passes.scales)
    now, steps = list(polygons), [s for s in passes.scales for _ in range(passes.repeats)]
    moves, seen = np.zeros((passes.views, len(now), 2)), np.zeros(len(now), dtype=bool)
    with bar("aligning", len(steps), "passes", progress) as shown:
        for scale in steps:
            found, seen = displacements(network, pyramid, now, scale, passes)
            moves = found * scale
            now = [p.shifted(move) for p, move in zip(now, moves.mean(0), strict=True)]
            shown.advance(1)
    total = np.array([_way(a, b) for a, b in zip(polygons, now, strict=True)]).reshape(-1, 2)
    spread = moves.std(0, ddof=1).mean(1) if passes.views > 1 else np.full(len(now), np.nan)
    return Alignment(now, total, spread, np.linalg.norm(moves.mean(0), axis=1), seen)


def displacements(
    network: AlignmentNetwork, pyramid: Pyramid, polygons: Sequence[Polygon], scale: int,
    passes: Passes,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What one pass at one scale answers: (views, M, 2) in pixels of the scale, and (M,) seen."""
    found = np.zeros((passes.views, len(polygons), 2))
    seen = np.zeros(len(polygons), dtype=bool)
    where = next(network.parameters()).device
    solid = [i for i, polygon in enumerate(polygons) if not polygon.is_empty]
    canvas = _canvas(pyramid, polygons, scale, passes.side)
    for start in range(0, len(solid), _BATCH):
        chosen = solid[start : start + _BATCH]
        parts = [_window(pyramid, canvas, polygons[i], scale, passes.side) for i in chosen]
        stacked = (torch.from_numpy(np.stack(part)).to(where) for part in zip(*parts, strict=True))
        image, channels, mask = stacked
        seen[chosen] = mask.flatten(1).any(1).cpu().numpy()
        for view in range(passes.views):
            answer = _viewed(network, image, channels, _VIEWS[view])
            found[view, chosen] = averaged(answer, mask).cpu().numpy()
    return found, seen


def window_of(
    pyramid: Pyramid, polygons: Sequence[Polygon], number: int, scale: int, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network reads for one polygon, and the pixels that the polygon owns.

    Returns:
        image (3, S, S), channels of all polygons near (3, S, S), mask (S, S) bool.

    Cost: a drawing of one window, with the polygons that reach into it.
    """
    corner = _corner(pyramid, polygons[number], scale, side)
    low, high = (corner - _REACH) * scale, (corner + side + _REACH) * scale
    near = [p for p in polygons if not p.is_empty
            and (p.outline.max(0) >= low).all() and (p.outline.min(0) <= high).all()]  # fmt: skip
    channels = drawn([p.scaled(1 / scale).shifted(-corner) for p in near], side, side)[0]
    return _beside(pyramid, channels, polygons[number], corner, scale)


def _canvas(pyramid: Pyramid, polygons: Sequence[Polygon], scale: int, side: int) -> np.ndarray:
    """The channels of all polygons over the whole image at one scale, at least a window large.

    Drawn once for all windows of a pass: they begin at whole pixels of the scale.
    """
    height, width = pyramid.level(scale).shape[1:]
    scaled = [polygon.scaled(1 / scale) for polygon in polygons]
    return drawn(scaled, max(height, side), max(width, side))[0]


def _window(
    pyramid: Pyramid, canvas: np.ndarray, polygon: Polygon, scale: int, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, channels and own pixels of the window around a polygon."""
    left, top = corner = _corner(pyramid, polygon, scale, side)
    channels = canvas[:, top : top + side, left : left + side]
    return _beside(pyramid, channels, polygon, corner, scale)


def _corner(pyramid: Pyramid, polygon: Polygon, scale: int, side: int) -> np.ndarray:
    """Of the window around a polygon, x and y in whole pixels of the scale."""
    height, width = pyramid.level(scale).shape[1:]
    most = np.maximum((width - side, height - side), 0)
    return np.clip((polygon.centre / scale - side / 2).round(), 0, most).astype(int)


def _beside(
    pyramid: Pyramid, channels: np.ndarray, polygon: Polygon, corner: np.ndarray, scale: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channels (3, S, S) of a window with its image before them and its own pixels behind."""
    side = channels.shape[-1]
    own = polygon.scaled(1 / scale).shifted(-corner)
    mask = drawn([own], side, side)[1] >= 0
    return pyramid.window(scale, corner * scale, side), channels, mask


def averaged(displacement: Tensor, mask: Tensor) -> Tensor:
    """The displacement (B, 2, H, W) averaged over the pixels of a mask (B, H, W): (B, 2).

    0 where the mask is empty.
    """
    weight = mask.to(displacement)[:, None]  # (B, 1, H, W)
    return (displacement * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1)


def _viewed(
    network: AlignmentNetwork, image: Tensor, channels: Tensor, axes: tuple[int, ...]
) -> Tensor:
    """The displacement seen in a mirror, turned back: (B, 2, H, W)."""
    with torch.no_grad():
        answer = network(image.flip(axes), channels.flip(axes))[0].flip(axes)
    signs = torch.tensor([-1.0 if 3 in axes else 1.0, -1.0 if 2 in axes else 1.0])
    return answer * signs.to(answer)[:, None, None]


def _way(before: Polygon, after: Polygon) -> np.ndarray:
    return np.zeros(2) if before.is_empty else after.outline[0] - before.outline[0]
