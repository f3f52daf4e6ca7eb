"""Linear layers: over vectors, positions, grids; axes and samples in every order."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.parts_common import Entry, Net, Pooled, sequences, vectors

entry = partial(Entry, "linear")


class PositionsFirst(nn.Module):
    """Positions and samples in one axis, positions first, as in many recurrent codes."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(0, 1).reshape(-1, 4)  # (T·N, C)
        rows = self.leave(self.enter(rows).tanh())
        return rows.reshape(x.shape[1], -1, 3).mean(0)


class ResidualPerceptron(nn.Module):
    """Two residual blocks between an entry and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(4, 5), nn.Linear(5, 3)
        self.blocks = nn.ModuleList([nn.Linear(5, 5) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.enter(x)
        for block in self.blocks:
            hidden = hidden + F.silu(block(hidden))
        return self.head(hidden)


class Mixer(nn.Module):
    """One layer along positions, one along channels."""

    def __init__(self) -> None:
        super().__init__()
        self.along_positions, self.along_channels = nn.Linear(5, 5), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.along_positions(x.transpose(1, 2)).tanh().transpose(1, 2)
        return self.along_channels(x).tanh().mean(1)


LINEAR = [
    entry("linear", lambda: nn.Linear(4, 3), vectors()),
    entry("linear without bias", lambda: nn.Linear(4, 3, bias=False), vectors()),
    entry(
        "perceptron of three layers",
        lambda: nn.Sequential(
            nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 3)
        ),
        vectors(),
    ),
    entry("residual perceptron", ResidualPerceptron, vectors()),
    entry("linear at every position", lambda: Pooled(nn.Linear(4, 3), 1), sequences()),
    entry(
        "linear on a grid",
        lambda: Pooled(nn.Linear(4, 3), 1, 2),
        lambda count: torch.randn(count, 2, 3, 4),
    ),
    entry(
        "linear along positions",
        lambda: Net(lambda net, x: net.layer(x.mT).tanh().mean(1), layer=nn.Linear(5, 3)),
        sequences(),
    ),
    entry("positions before samples", PositionsFirst, sequences()),
    entry(
        "positions after samples, flattened",
        lambda: Net(
            lambda net, x: net.layer(x.reshape(-1, 4)).tanh().reshape(len(x), 5, 3).mean(1),
            layer=nn.Linear(4, 3),
        ),
        sequences(),
    ),
    entry("perceptron mixer", Mixer, sequences()),
    entry(
        "gated linear unit",
        lambda: Net(
            lambda net, x: net.down(F.silu(net.gate(x)) * net.up(x)).sum(1),
            gate=nn.Linear(4, 6, bias=False),
            up=nn.Linear(4, 6, bias=False),
            down=nn.Linear(6, 3, bias=False),
        ),
        sequences(),
    ),
]
