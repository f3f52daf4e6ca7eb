"""The network: an image branch and a polygon branch that a common trunk brings together."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.alignment.raster import CHANNELS
from kinsight.checks import positive
from kinsight.errors import ArgumentError

CLASSES = ("background", "inside", "edge", "vertex")
_GROUPS = 4


@dataclass(frozen=True)
class NetworkSize:
    """How large the network is; the default has 95,078 parameters.

    Args:
        image, polygon, trunk: channels at 1/2, 1/4 and 1/8 of the resolution, multiples of four.

    Raises:
        ArgumentError: other counts.
    """

    image: tuple[int, int, int] = (12, 20, 32)
    polygon: tuple[int, int, int] = (8, 16, 24)
    trunk: tuple[int, int, int] = (20, 28, 40)

    def __post_init__(self) -> None:
        for name in ("image", "polygon", "trunk"):
            widths = getattr(self, name)
            if len(widths) != 3 or any(positive(name, width) % _GROUPS for width in widths):
                raise ArgumentError(f"{name}: expected three multiples of 4, got {widths!r}")


class AlignmentNetwork(nn.Module):
    """A double U-Net: where do the polygons have to go, and what is where in the image?

    Two encoders read the image and the polygons' channels at 1/2, 1/4 and 1/8 of the resolution;
    at each, the trunk reads both beside each other, and goes up again. It works at any scale: the
    caller hands over image and polygons in coarser pixels. Group norm keeps samples independent.
    Source: Girard, Charpiat and Tarabalka, "Aligning and updating cadaster maps with aerial images
    by multi-task, multi-resolution deep learning", ACCV 2018; this one is smaller, and its
    displacement is not bounded by a tanh, as the mean that a squared loss learns is not either.
    """

    def __init__(self, size: NetworkSize | None = None):
        super().__init__()
        self.size = size = size or NetworkSize()
        self.image = _Encoder(3, size.image)
        self.polygon = _Encoder(len(CHANNELS), size.polygon)
        both = [a + b for a, b in zip(size.image, size.polygon, strict=True)]
        self.bottom = nn.Sequential(
            _block(both[2], size.trunk[2]), _block(size.trunk[2], size.trunk[2])
        )
        self.middle = _block(both[1] + size.trunk[2], size.trunk[1])
        self.top = _block(both[0] + size.trunk[1], size.trunk[0])
        self.displacement = nn.Conv2d(size.trunk[0], 2, 3, padding=1)
        self.segmentation = nn.Conv2d(size.image[0] + size.trunk[0], len(CLASSES), 3, padding=1)
        for head in (self.displacement, self.segmentation):
            nn.init.zeros_(head.weight)  # begins with no displacement, all classes alike
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, polygons: Tensor) -> tuple[Tensor, Tensor]:
        """Displacements and class scores for every pixel.

        Args:
            image: (B, 3, H, W) in [0, 1]; sides that are multiples of 8.
            polygons: (B, 3, H, W), what ``rasterised`` gives.

        Returns:
            displacement (B, 2, H, W), x and y in pixels, from where a polygon is to where it
            should be; scores (B, 4, H, W) of background, inside, edge, vertex.
        """
        seen, drawn = self.image(4 * image - 2), self.polygon(polygons)
        half, quarter, eighth = (
            torch.cat(pair, 1) for pair in zip(seen, drawn, strict=True)
        )  # (B, C, H/2, W/2) and so on
        found = self.bottom(eighth)
        found = self.middle(torch.cat([quarter, _twice(found)], 1))
        found = self.top(torch.cat([half, _twice(found)], 1))
        scores = self.segmentation(torch.cat([seen[0], found], 1))
        return _twice(self.displacement(found)), _twice(scores)


class _Encoder(nn.Module):
    def __init__(self, channels: int, widths: tuple[int, int, int]):
        super().__init__()
        first = nn.Conv2d(channels, widths[0], 5, stride=2, padding=2)
        self.fine = nn.Sequential(first, nn.ReLU(), _block(widths[0], widths[0]))
        self.coarser = nn.Sequential(nn.MaxPool2d(2), _block(widths[0], widths[1]))
        self.coarsest = nn.Sequential(
            nn.MaxPool2d(2), _block(widths[1], widths[2]), _block(widths[2], widths[2])
        )

    def forward(self, values: Tensor) -> list[Tensor]:
        half = self.fine(values)
        quarter = self.coarser(half)
        return [half, quarter, self.coarsest(quarter)]


def _block(given: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, width, 3, padding=1), nn.GroupNorm(_GROUPS, width), nn.ReLU()
    )


def _twice(values: Tensor) -> Tensor:
    return functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
