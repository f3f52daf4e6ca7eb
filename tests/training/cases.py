"""A small network with everything a look could disturb, its data, and its training."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import kinsight as ks

COUNT = 24


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 3)
    )


def seeded() -> nn.Sequential:
    random.seed(3)
    np.random.seed(3)
    return network()


def data(count: int = COUNT) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    labels = torch.arange(count) % 3
    middles = 2 * torch.randn(3, 4, generator=generator)
    return middles[labels] + torch.randn(count, 4, generator=generator), labels


def monitor(model: nn.Module, folder: Path, probe: Any = None, **more: Any) -> ks.training.Monitor:
    settings = {"every": 2, "share": None, "folder": folder, **more}
    return ks.training.Monitor(model, data() if probe is None else probe, **settings)


def train(
    model: nn.Module,
    steps: int,
    after: Callable[[], object] = lambda: None,
    between: Callable[[], object] = lambda: None,
) -> list[Any]:
    """Steps of two accumulated batches, drawn by every source of randomness there is."""
    x, y = data()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        for _ in range(2):
            noise = torch.from_numpy(np.random.randn(8, 4)).float() * random.random()
            chosen = torch.randint(len(x), (8,))
            loss = nn.functional.cross_entropy(model(x[chosen] + noise), y[chosen])
            between()
            loss.backward()
        between()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        after()
    states = [random.random(), np.random.rand(), torch.rand(1).item()]
    return [losses, states, model.state_dict(), optimizer.state_dict()]
