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
from kinsight.errors import DataError
from kinsight.files import write_whole
from kinsight.kernel.tangent_kernel import TangentKernel

WINDOWS = "windows.pt"
KNOWN = 150  # windows of training that are kept
_KIND = "kinsight alignment windows 1"


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

    def part(self, chosen: Tensor) -> "Windows":
        """Some of them."""
        return Windows(self.image[chosen], self.channels[chosen], self.mask[chosen], self.scale)


def windows_of(
    images: Sequence[np.ndarray], maps: Sequence[Sequence[Polygon]], scale: int, side: int,
    displacements: Displacements | None = None, count: int | None = None, seed: int = 0,
) -> Windows:  # fmt: skip
    """A window around each polygon, or around ``count`` of them chosen at random.

    Args:
        displacements: every polygon is moved as in training; None: it stays.

    Raises:
        DataError: no polygon with corners.
    """
    random = np.random.default_rng([2, seed])
    solid = [(i, j) for i, m in enumerate(maps) for j, one in enumerate(m) if not one.is_empty]
    if not solid:
        raise DataError("polygons: expected some with corners, got none")
    chosen = sorted(solid[k] for k in random.permutation(len(solid))[:count])
    pyramids = {i: Pyramid(images[i], (scale,)) for i in {i for i, _ in chosen}}
    parts = []
    for i, j in chosen:
        now = list(maps[i])
        if displacements is not None:
            moves = scale * displacements.of([p.scaled(1 / scale) for p in now], random)
            now = [p.shifted(-move) for p, move in zip(now, moves, strict=True)]
        parts.append(window_of(pyramids[i], now, j, scale, side))
    image, channels, mask = (
        torch.from_numpy(np.stack(column)).float() for column in zip(*parts, strict=True)
    )
    return Windows(image, channels, mask, scale)


def density(network: AlignmentNetwork, asked: Windows, known: Windows) -> np.ndarray:
    """Σ_j k_C(x, x_j), how many of the known windows the network takes for alike: (N,).

    Of the tangent kernel of the displacement averaged over a polygon, two numbers, whitened:
    k_C(x, y) = ½ Tr K(x, x)^(−1/2) K(x, y) K(y, y)^(−1/2), in [−1, 1]. From −M to M for M known
    windows, 0 where a polygon has no pixel in its window. Few alike: few labels were averaged
    there, and the answer is less sure.

    Raises:
        DataError: windows of another scale or side.

    Cost: two sweeps over all windows, each about a training step.
    """
    if (asked.scale, asked.image.shape[2:]) != (known.scale, known.image.shape[2:]):
        raise DataError(
            f"known: expected windows as those asked about, 1/{asked.scale} of the resolution and "
            f"{asked.image.shape[-1]} px, got 1/{known.scale} and {known.image.shape[-1]} px"
        )
    found = torch.zeros(len(asked), dtype=torch.float64)
    seen = asked.mask.flatten(1).any(1)
    if seen.any():
        kernel = TangentKernel(Averaged(network).eval(), device=next(network.parameters()).device)
        data, reference = asked.part(seen), known.part(known.mask.flatten(1).any(1))
        found[seen] = kernel.density(
            (data.image, data.channels, data.mask),
            (reference.image, reference.channels, reference.mask),
        ).double()
    return found.numpy()


def save_windows(windows: Windows, path: str | Path) -> None:
    """Windows as one file, about 0.1 MB each; colours and channels in half precision.

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
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
        if value["kind"] != _KIND:
            raise DataError(f"{path}: expected windows of an alignment, got {value['kind']!r}")
        image, channels, mask = (value[name].float() for name in ("image", "channels", "mask"))
        return Windows(image, channels, mask, value["scale"])
    except DataError:
        raise
    except Exception as error:  # torch raises whatever a damaged file leads to
        said = error.strerror if isinstance(error, OSError) else "a file of something else"
        raise DataError(f"{path}: expected windows of an alignment, got: {said}") from error
