"""Normalisation layers in evaluation mode, those of torch and some written by hand."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.parts_common import (
    Entry,
    Net,
    Pooled,
    images,
    sequences,
    tokens,
    vectors,
    volumes,
    weights,
)

entry = partial(Entry, "normalisation")


def seasoned(layer: nn.Module) -> nn.Module:
    """As after training: running statistics, scale and shift away from 0 and 1."""
    for name, tensor in (*layer.named_buffers(), *layer.named_parameters()):
        if name != "num_batches_tracked":
            tensor.data.uniform_(0.5, 2.0)
    return layer


class ConditionalBatchNorm(nn.Module):
    """Scale and shift picked by the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Embedding(9, 4), nn.Embedding(9, 4)
        self.norm, self.layer = seasoned(nn.BatchNorm1d(4, affine=False)), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.layer(x.to(self.layer.weight) / 9))
        return (hidden * self.scale(x[:, 0]) + self.shift(x[:, 0])).tanh()


NORMALIZATION = [
    entry(
        "batch norm 1d",
        lambda: nn.Sequential(nn.Linear(4, 3), seasoned(nn.BatchNorm1d(3)), nn.Softplus()),
        vectors(),
    ),
    entry(
        "batch norm 1d on positions",
        lambda: Pooled(seasoned(nn.BatchNorm1d(5)), 2),
        sequences(),
    ),
    entry("batch norm 2d", lambda: Pooled(seasoned(nn.BatchNorm2d(4)), 2, 3), images()),
    entry("batch norm 3d", lambda: Pooled(seasoned(nn.BatchNorm3d(2)), 2, 3, 4), volumes()),
    entry("layer norm", lambda: Pooled(seasoned(nn.LayerNorm(4)), 1), sequences()),
    entry(
        "layer norm over two axes", lambda: Pooled(seasoned(nn.LayerNorm((5, 4))), 1), sequences()
    ),
    entry(
        "layer norm without bias",
        lambda: Pooled(seasoned(nn.LayerNorm(4, bias=False)), 1),
        sequences(),
    ),
    entry(
        "layer norm, positions before samples",
        lambda: Net(
            lambda net, x: net.norm(x.transpose(0, 1)).tanh().mean(0),
            norm=seasoned(nn.LayerNorm(4)),
        ),
        sequences(),
    ),
    entry("group norm", lambda: Pooled(seasoned(nn.GroupNorm(2, 4)), 2, 3), images()),
    entry(
        "instance norm 1d",
        lambda: Pooled(seasoned(nn.InstanceNorm1d(5, affine=True)), 2),
        sequences(),
    ),
    entry(
        "instance norm 2d",
        lambda: Pooled(seasoned(nn.InstanceNorm2d(4, affine=True)), 2, 3),
        images(),
    ),
    entry(
        "instance norm 2d, running statistics",
        lambda: Pooled(seasoned(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)), 2, 3),
        images(),
    ),
    entry("RMS norm", lambda: Pooled(seasoned(nn.RMSNorm(4)), 1), sequences()),
    entry(
        "RMS norm by hand",
        lambda: Net(
            lambda net, x: (
                (net.scale * x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()).tanh().mean(1)
            ),
            scale=weights(4),
        ),
        sequences(),
    ),
    entry(
        "layer norm over channels of an image",
        lambda: Net(
            lambda net, x: net.norm(x.permute(0, 2, 3, 1)).tanh().mean((1, 2)),
            norm=seasoned(nn.LayerNorm(4)),
        ),
        images(),
    ),
    entry("batch norm conditioned on a class", ConditionalBatchNorm, tokens()),
    entry(
        "cosine classifier",
        lambda: Net(
            lambda net, x: net.scale * F.normalize(x, dim=1) @ F.normalize(net.classes, dim=1).T,
            classes=weights(3, 4),
            scale=nn.Parameter(torch.tensor(4.0)),
        ),
        vectors(),
    ),
]
