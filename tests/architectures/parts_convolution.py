"""Convolutions of every rank: strides, dilations, groups, paddings, transposed."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.parts_common import Entry, Net, Pooled, images, sequences, volumes

entry = partial(Entry, "convolution")


def padded(mode: str) -> nn.Module:
    """A 2d convolution whose borders are filled in by ``mode``."""
    return Pooled(nn.Conv2d(4, 3, 3, padding=1, padding_mode=mode), 2, 3)


class Frames(nn.Module):
    """Several images a sample, convolved as if they were samples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x.reshape(-1, 2, 6, 6)).tanh()  # (N·2, 3, 4, 4)
        return y.reshape(len(x), 2, 3, -1).mean((1, 3))


class ResidualBlock(nn.Module):
    """Two convolutions with batch norm, a strided shortcut, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 5, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(5, 5, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(4, 5, 1, stride=2)
        self.norms = nn.ModuleList([nn.BatchNorm2d(5) for _ in range(2)])
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.norms[0](self.first(x)))
        y = F.gelu(self.norms[1](self.second(y)) + self.shortcut(x))
        return self.head(y.mean((2, 3)))


class EncoderDecoder(nn.Module):
    """A U-net of one level: down, up, and both halves side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.down = nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(3, 4, 2, stride=2)
        self.up, self.leave = nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.enter(x).tanh()
        coarse = self.up(self.down(fine).tanh()).tanh()
        return self.leave(torch.cat([fine, coarse], 1)).tanh().mean((2, 3))


class Causal(nn.Module):
    """A temporal network: convolutions that see the past only, at growing distances."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(4, 4, 2, dilation=d) for d in (1, 2)])
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mT
        for layer in self.layers:
            x = x + layer(F.pad(x, (layer.dilation[0], 0))).tanh()
        return self.head(x[:, :, -1])


CONVOLUTION = [
    entry("convolution 1d", lambda: Pooled(nn.Conv1d(5, 3, 2), 2), sequences()),
    entry(
        "convolution 1d, circular",
        lambda: Pooled(nn.Conv1d(5, 3, 3, padding=1, padding_mode="circular"), 2),
        sequences(),
    ),
    entry(
        "convolution 1d, strided and dilated",
        lambda: Pooled(nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), 2),
        lambda count: torch.randn(count, 4, 8),
    ),
    entry("convolution 2d", lambda: Pooled(nn.Conv2d(4, 3, 3), 2, 3), images()),
    entry(
        "convolution 2d, strided, dilated, grouped",
        lambda: Pooled(nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), 2, 3),
        images(),
    ),
    entry(
        "convolution 2d, oblong",
        lambda: Pooled(nn.Conv2d(4, 3, (1, 3), stride=(2, 1), padding=(0, 2)), 2, 3),
        images(),
    ),
    entry("convolution 2d, padded by reflection", lambda: padded("reflect"), images()),
    entry("convolution 2d, padded by replication", lambda: padded("replicate"), images()),
    entry("convolution 2d, padded circularly", lambda: padded("circular"), images()),
    entry(
        "convolution 2d, same size, even kernel",
        lambda: Pooled(nn.Conv2d(4, 3, 2, padding="same", dilation=2), 2, 3),
        images(),
    ),
    entry("convolution 2d of width one", lambda: Pooled(nn.Conv2d(4, 3, 1), 2, 3), images()),
    entry(
        "depthwise convolution, padded by reflection",
        lambda: Pooled(nn.Conv2d(4, 8, 3, groups=4, padding=1, padding_mode="reflect"), 2, 3),
        images(),
    ),
    entry(
        "depthwise separable convolution",
        lambda: Pooled(nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 3, 1)), 2, 3),
        images(),
    ),
    entry(
        "convolution 3d, same size",
        lambda: Pooled(nn.Conv3d(2, 3, 3, padding="same"), 2, 3, 4),
        volumes(),
    ),
    entry(
        "convolution 3d, strided, grouped",
        lambda: Pooled(nn.Conv3d(2, 4, 2, stride=2, padding=1, groups=2), 2, 3, 4),
        volumes(),
    ),
    entry(
        "transposed convolution 1d",
        lambda: Pooled(nn.ConvTranspose1d(5, 3, 3, stride=2), 2),
        sequences(),
    ),
    entry(
        "transposed convolution 2d, grouped, dilated",
        lambda: Pooled(
            nn.ConvTranspose2d(
                4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2
            ),
            2,
            3,
        ),
        images(),
    ),
    entry(
        "transposed convolution 3d",
        lambda: Pooled(nn.ConvTranspose3d(2, 3, 2, stride=2, padding=1), 2, 3, 4),
        volumes(),
    ),
    entry("several images a sample", Frames, images()),
    entry("residual block with batch norm", ResidualBlock, images()),
    entry("U-net", EncoderDecoder, images()),
    entry("causal dilated convolutions", Causal, sequences()),
    entry(
        "memory in the order of channels-last",
        lambda: Pooled(nn.Conv2d(4, 3, 3).to(memory_format=torch.channels_last), 2, 3),
        lambda count: torch.randn(count, 4, 6, 6).to(memory_format=torch.channels_last),
    ),
    entry(
        "convolution, maximum, linear",
        lambda: nn.Sequential(
            nn.Conv2d(4, 4, 3), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)
        ),
        images(),
    ),
    entry(
        "patches unfolded for a linear layer",
        lambda: Net(
            lambda net, x: net.layer(F.unfold(x, 2, stride=2).mT).tanh().mean(1),
            layer=nn.Linear(16, 3),
        ),
        images(),
    ),
    entry(
        "convolution and pixel shuffle",
        lambda: Pooled(nn.Sequential(nn.Conv2d(4, 12, 3), nn.PixelShuffle(2)), 2, 3),
        images(),
    ),
    entry(
        "upsampling and convolution",
        lambda: Pooled(
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 3, 3)), 2, 3
        ),
        images(),
    ),
]
