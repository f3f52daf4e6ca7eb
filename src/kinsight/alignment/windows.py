"""Windows of one polygon each, and how many of those a network was taught by it takes for alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from kinsight.alignment.applying import averaged, window_of
from kinsight.alignment.network import AlignmentNetwork
from kinsight.alignment.patches import Displacements
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.saved import read_tensors
from kinsight.errors import DataError
from kinsight.files import write_whole
from kinsight.kernel.tangent_kernel import TangentKernel

WINDOWS = "windows.pt"
KNOWN = 150  # windows of training that are kept
_AT_ONCE = 256  # polygons whose windows are in memory
_KIND = "kinsight alignment windows 1"
_WHAT = "windows of a training (train again, or go without density: `--no-density`)"


class Averaged(nn.Module):
    """A network whose answer for a window is the displacement averaged over one polygon."""

    def __init__(self, network: AlignmentNetwork):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, channels: Tensor, mask: Tensor) -> Tensor:
        """(B, 2) from image (B, 3, S, S), channels (B, 3, S, S) and mask (B, S, S)."""
        return averaged(self.network(image, channels)[0], mask)


@dataclass(frozen=True)
class Windows:
    """N windows of side S.

    Args:
        image: (N, 3, S, S) float32.
        channels: (N, 3, S, S) float32, of all polygons near.
        mask: (N, S, S) float32, 1 where the window's own polygon is.
        scale: pixels of the image in one of the window.
    """

    image: Tensor
    channels: Tensor
    mask: Tensor
    scale: int

    def __len__(self) -> int:
        return len(self.image)

    @property
    def data(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the network reads."""
        return self.image, self.channels, self.mask

    def part(self, chosen: Tensor) -> "Windows":
        """Some of them; ``chosen``: (N,) bool."""
        return Windows(self.image[chosen], self.channels[chosen], self.mask[chosen], self.scale)


def windows_of(
    images: Sequence[np.ndarray], maps: Sequence[Sequence[Polygon]], scale: int, side: int,
    displacements: Displacements | None = None, count: int | None = None, seed: int = 0,
) -> Windows:  # fmt: skip
    """A window around each polygon that has corners, in the order of the maps.

    Args:
        images: (3, H, W) float32 in [0, 1] each.
        maps: the polygons of each image, in its pixels.
        scale: pixels of the image in one of the window.
        side: of a window, in its own pixels.
        displacements: every polygon is moved away as training does it; None: it stays.
        count: so many, chosen at random; None: all.
        seed: of what is chosen and of the displacements.

    Raises:
        DataError: no polygon with corners.

    Cost: 28 bytes a pixel of a window, twice while they are put together.
    """
    random = np.random.default_rng([2, seed])
    solid = [(i, j) for i, m in enumerate(maps) for j, one in enumerate(m) if not one.is_empty]
    if not solid:
        raise DataError("polygons: expected some with corners, got none; give maps that have some")
    chosen = sorted(solid[k] for k in random.permutation(len(solid))[:count])
    pyramids = {i: Pyramid(images[i], (scale,)) for i in {i for i, _ in chosen}}
    parts = []
    for i, j in chosen:
        now = list(maps[i])
        if displacements is not None:
            moves = scale * displacements.of([p.scaled(1 / scale) for p in now], random)
            now = [p.shifted(-move) for p, move in zip(now, moves, strict=True)]
        parts.append(window_of(pyramids[i], now, j, scale, side))
    return _stacked(parts, scale)


def _stacked(parts: Sequence[tuple[np.ndarray, ...]], scale: int) -> Windows:
    """Image, channels and mask of each window, together."""
    image, channels, mask = (
        torch.from_numpy(np.stack(column)).float() for column in zip(*parts, strict=True)
    )
    return Windows(image, channels, mask, scale)


def density(
    network: AlignmentNetwork, image: np.ndarray, polygons: Sequence[Polygon], known: Windows
) -> np.ndarray:
    """Σ_j k_C(x, x_j), how many of the known windows the network takes for alike: (M,).

    x is the window around a polygon where it lies. Of the tangent kernel of the displacement
    averaged over it, two numbers, whitened: k_C(x, y) = ½ Tr K(x, x)^(−1/2) K(x, y)
    K(y, y)^(−1/2), in [−1, 1]. So from −N to N for N known windows; 0 for a polygon that is empty
    or has no pixel in its window. Few alike: few labels were averaged there, and the answer is
    less sure.

    Args:
        image: (3, H, W) float32 in [0, 1].
        polygons: M of them, in pixels of the image, as ``align`` left them.
        known: that taught the network, as ``train`` keeps them: ``load_windows``.

    Raises:
        DataError: no known window in which its polygon has a pixel.

    Cost: two sweeps over all windows, together 24 ms of one core a window of 96² px; the known
    ones again for every 256 polygons, 130 MB.
    """
    reference = _shown(known)
    was, where = network.training, next(network.parameters()).device
    kernel = TangentKernel(Averaged(network).eval(), device=where)
    found, side = np.zeros(len(polygons)), known.image.shape[-1]
    pyramid = Pyramid(image, (known.scale,))
    solid = [i for i, polygon in enumerate(polygons) if not polygon.is_empty]
    try:
        for start in range(0, len(solid), _AT_ONCE):
            chosen = solid[start : start + _AT_ONCE]
            parts = [window_of(pyramid, polygons, i, known.scale, side) for i in chosen]
            found[chosen] = _alike(kernel, _stacked(parts, known.scale), reference)
    finally:
        network.train(was)
    return found


def _shown(known: Windows) -> Windows:
    """Those in which the polygon has a pixel: without one there is no gradient."""
    has = known.mask.flatten(1).any(1)
    if not has.any():
        raise DataError(
            "known: expected windows with pixels of their polygons, got none; train on images that "
            "show their polygons"
        )
    return known.part(has)


def _alike(kernel: TangentKernel, asked: Windows, reference: Windows) -> np.ndarray:
    """The density of windows; 0 where a polygon has no pixel."""
    found = torch.zeros(len(asked), dtype=torch.float64)
    seen = asked.mask.flatten(1).any(1)
    if seen.any():
        found[seen] = kernel.density(asked.part(seen).data, reference.data).double()
    return found.numpy()


def save_windows(windows: Windows, path: str | Path) -> None:
    """Windows as one file, 13 bytes a pixel: colours and channels in half precision.

    Raises:
        RunFolderError: it cannot be written there.
    """
    value = {
        "kind": _KIND,
        "image": windows.image.half(),
        "channels": windows.channels.half(),
        "mask": windows.mask.bool(),
        "scale": windows.scale,
    }
    write_whole(Path(path), lambda aside: torch.save(value, aside))


def load_windows(path: str | Path) -> Windows:
    """What ``save_windows`` wrote.

    Raises:
        DataError: no such file, or one of something else.
    """
    value = read_tensors(Path(path), _KIND, _WHAT)
    image, channels, mask = (value[name].float() for name in ("image", "channels", "mask"))
    return Windows(image, channels, mask, value["scale"])
