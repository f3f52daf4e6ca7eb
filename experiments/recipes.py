"""Perceptrons and their training by gradient descent, SGD or Adam, with snapshots on the way."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Recipe:
    """How to train. The loss is the mean over the batch of ½(ŷ − y)²."""

    optimiser: str  # "gd" (all samples in every step), "sgd" or "adam"
    rate: float
    steps: int
    batch: int = 32


@dataclass(frozen=True)
class Snapshot:
    """The network before step ``step``, and Adam's 1/(√v̂ + eps), the gradient there included."""

    step: int
    model: nn.Sequential
    scales: list[Tensor] | None  # one for each parameter, of its shape; None without Adam


def perceptron(inputs: int, width: int, seed: int, hidden: int = 2) -> nn.Sequential:
    """``hidden`` ReLU layers of ``width``, one output, PyTorch's own initialisation."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before in [inputs, *[width] * (hidden - 1)]:
            layers += [nn.Linear(before, width), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(width, 1)).eval()


def train(
    model: nn.Sequential, x: Tensor, y: Tensor, recipe: Recipe, seed: int, at: tuple[int, ...] = ()
) -> list[Snapshot]:
    """Train a copy of ``model`` on (x, y); snapshots at the steps ``at`` and at the end.

    The order of the batches depends on ``seed`` alone.
    """
    model = copy.deepcopy(model)
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.SGD
    optimiser = kind(model.parameters(), lr=recipe.rate)
    rows = batches(len(x), recipe, seed)
    taken = []
    for step in range(recipe.steps):
        chosen = next(rows)
        inputs, targets = (x, y) if chosen is None else (x[chosen], y[chosen])
        loss = 0.5 * (model(inputs)[:, 0] - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()
        before = copy.deepcopy(model) if step in at else None
        optimiser.step()
        if before is not None:
            taken.append(Snapshot(step, before, adam_scales(optimiser)))
    return [*taken, Snapshot(recipe.steps, model, adam_scales(optimiser))]


def batches(count: int, recipe: Recipe, seed: int) -> Iterator[Tensor | None]:
    """Endless indices of batches, a fresh order every epoch; None means all samples."""
    generator = torch.Generator().manual_seed(seed)
    size = min(recipe.batch, count)
    while True:
        if recipe.optimiser == "gd":
            yield None
        else:
            order = torch.randperm(count, generator=generator)
            yield from order[: count // size * size].split(size)


def adam_scales(optimiser: torch.optim.Optimizer) -> list[Tensor] | None:
    """1/(√v̂ + eps) of every parameter; None where the optimiser is not Adam."""
    if not isinstance(optimiser, torch.optim.Adam):
        return None
    group = optimiser.param_groups[0]
    scales = []
    for parameter in group["params"]:
        state = optimiser.state[parameter]
        second = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
        scales.append(1 / (second.sqrt() + group["eps"]))
    return scales


class Rescaled(nn.Module):
    """A linear layer written as weight + √s · step, step a parameter at 0: kernel J diag(s) Jᵀ."""

    def __init__(self, layer: nn.Linear, weight_scale: Tensor, bias_scale: Tensor):
        super().__init__()
        self.register_buffer("weight", layer.weight.detach())
        self.register_buffer("bias", layer.bias.detach())
        self.register_buffer("weight_root", weight_scale.sqrt())
        self.register_buffer("bias_root", bias_scale.sqrt())
        self.weight_step = nn.Parameter(torch.zeros_like(layer.weight))
        self.bias_step = nn.Parameter(torch.zeros_like(layer.bias))

    def forward(self, x: Tensor) -> Tensor:
        """The same answer as the layer's: both steps are zero."""
        weight = self.weight + self.weight_root * self.weight_step
        return nn.functional.linear(x, weight, self.bias + self.bias_root * self.bias_step)


def rescaled(model: nn.Sequential, scales: list[Tensor]) -> nn.Sequential:
    """The same function in parameters whose tangent kernel is J diag(scales) Jᵀ."""
    left = iter(scales)
    layers = [
        Rescaled(layer, next(left), next(left)) if isinstance(layer, nn.Linear) else layer
        for layer in model
    ]
    return nn.Sequential(*layers).eval()
