"""A small network and data for the tests of runs, importable by a fresh process, too."""

import torch
from torch import nn

from kinsight.run import Subject

COUNT = 60


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 1500), nn.Tanh(), nn.Linear(1500, 3)).eval()


def inputs(count: int = COUNT) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(4))


def subject(**more) -> Subject:
    model, x = network(), more.pop("data", inputs())
    with torch.no_grad():
        labels = model(x).argmax(1)
    return Subject(**{"model": model, "data": x, "labels": labels} | more)
