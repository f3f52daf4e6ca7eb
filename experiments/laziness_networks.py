"""Perceptrons in two parametrisations, a task of two classes, and their training on squares.

N samples with labels ±1, loss ½(f − y)², f one number; W units in each of two hidden layers.
"""

import math
from pathlib import Path

import torch
from grey_pictures import pictures
from torch import Tensor, nn
from torch.nn import functional

CLASSES = {"fashion_mnist": (0, 6), "digits": (3, 8)}  # T-shirt and shirt; digits that look alike
SIDE = 7


class Scaled(nn.Module):
    """A layer whose weights are drawn with deviation 1 and divided by √inputs when they are used.

    In this parametrisation one learning rate serves every width, and the tangent kernel has a
    limit as the width grows (Jacot et al. 2018).
    """

    def __init__(self, inputs: int, outputs: int, gain: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.scale = math.sqrt(gain / inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return functional.linear(self.scale * x, self.weight)


def network(kind: str, width: int, seed: int) -> nn.Sequential:
    """``"tangent"``: scaled layers without bias. ``"standard"``: PyTorch's layers as they are."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = ((SIDE**2, width, 2.0), (width, width, 2.0), (width, 1, 1.0))
        layers: list[nn.Module] = []
        for inputs, outputs, gain in sizes:
            scaled = kind == "tangent"
            layers += [Scaled(inputs, outputs, gain) if scaled else nn.Linear(inputs, outputs)]
            layers += [nn.ReLU()]
        return nn.Sequential(*layers[:-1])


def task(
    folder: Path | None, seed: int, train: int, test: int, flipped: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test pictures of two classes at 7×7, mean 0 and deviation 1, labels ±1.

    The share ``flipped`` of the training labels is turned round.
    """
    data = pictures(folder, "fashion_mnist")
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for x, y, count in ((data.x, data.y, train), (data.test_x, data.test_y, test)):
        mine = torch.isin(y, torch.tensor(CLASSES[data.name])).nonzero()[:, 0]
        chosen = mine[torch.randperm(len(mine), generator=generator)[:count]]
        small = functional.adaptive_avg_pool2d(x[chosen], SIDE).flatten(1)
        parts.append((small, (y[chosen] == CLASSES[data.name][0]) * 2.0 - 1))
    (x, y), (test_x, test_y) = parts
    middle, deviation = x.mean(0), x.std()
    turned = torch.randperm(len(y), generator=generator)[: round(flipped * len(y))]
    y[turned] = -y[turned]
    return (x - middle) / deviation, y, (test_x - middle) / deviation, test_y


def descend(
    model: nn.Module, x: Tensor, y: Tensor, steps: int, batch: int, optimiser, seed: int,
    enough: float = 0.0,
) -> int:  # fmt: skip
    """Train on random batches; stop early where the mean loss is ≤ ``enough``. Steps taken."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        if enough and step % 50 == 0 and mean_loss(model, x, y) <= enough:
            return step
        chosen = torch.randint(len(x), (batch,), generator=generator)
        loss = 0.5 * (model(x[chosen])[:, 0] - y[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return steps


@torch.no_grad()
def mean_loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Mean of ½(f − y)²."""
    return float(0.5 * (model(x)[:, 0] - y).square().mean())


@torch.no_grad()
def error(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of samples on the wrong side."""
    return float(((model(x)[:, 0] > 0) != (y > 0)).double().mean())
