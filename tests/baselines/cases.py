"""A small convolutional network with layers of every kind that baselines look at, and its data."""

import torch
from torch import Tensor, nn

COUNT = 12


class Pictures(nn.Module):
    """Two convolutions (the second behind an operation in place) and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.silent = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3)
        self.hidden = nn.Linear(5, 6)
        self.head = nn.Linear(6, 3)
        self.spare = nn.Linear(6, 3)  # never called
        self.recurrent = nn.GRU(5, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.silent(self.first(x))
        x = self.second(x).relu().flatten(2).mT  # (B, T, 5)
        x = x + self.recurrent(x)[0]
        return self.head(self.hidden(x.mean(1)).tanh())


def network() -> Pictures:
    torch.manual_seed(0)
    return Pictures().eval()


def pictures(count: int = COUNT) -> Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def cosines(rows: Tensor, others: Tensor | None = None) -> Tensor:
    """The plain formula, in float64."""
    others = rows if others is None else others
    ours = [row.double().flatten() for row in rows]
    theirs = [row.double().flatten() for row in others]
    return torch.stack([torch.stack([a @ b / (a.norm() * b.norm()) for b in theirs]) for a in ours])
