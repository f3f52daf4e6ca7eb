"""Small networks in float64, and what plain autograd says of them: the theorems' other side."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": nn.functional.softplus,
}

seeds = st.integers(0, 10**6)


class Dense(nn.Module):
    """A perceptron: every weight is used once, so that nothing is shared."""

    layers: Any  # a ModuleList of linear layers

    def __init__(self, sizes: list[int], activation: str, seed: int, bias: bool = True):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            sides = pairwise(sizes)
            self.layers = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in sides)
        self.double().eval()

    def steps(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What every layer reads, (N, in), and what it returns before the activation, (N, out)."""
        read, returned = [], []
        for place, layer in enumerate(self.layers):
            x = x if place == 0 else self.activation(x)
            read.append(x)
            x = layer(x)
            returned.append(x)
        return read, returned

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(x)[1][-1]


@st.composite
def dense(draw: st.DrawFn, outputs: int | None = None, activation: str | None = None) -> Dense:
    """A random perceptron of one to three hidden layers."""
    hidden = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    last = outputs if outputs is not None else draw(st.integers(1, 3))
    chosen = activation or draw(st.sampled_from(sorted(ACTIVATIONS)))
    return Dense([draw(st.integers(1, 5)), *hidden, last], chosen, draw(seeds))


def inputs(count: int, size: int, seed: int) -> Tensor:
    """Random inputs, some of them close to others: (count, size) float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, size, generator=generator, dtype=torch.float64)
    for place in range(1, count, 2):  # a neighbour at 1e-1, 1e-2, …
        x[place] = x[place - 1] + 10.0 ** (-(place + 1) // 2) * x[place]
    return x


def gradients(model: nn.Module, x: Tensor) -> Tensor:
    """∂f_d/∂θ by one backward pass for every output of every sample: (N, D, P)."""
    parameters = list(model.parameters())
    rows = []
    for sample in x.split(1):
        values = model(sample).flatten()
        found = [
            torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
            for value in values
        ]
        rows.append(torch.stack([torch.cat([g.flatten() for g in each]) for each in found]))
    return torch.stack(rows)


def signals(model: Dense, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Of every layer what it reads, (N, in), and δ = ∂f_d/∂(what it returns), (N, D, out)."""
    read, returned = model.steps(x)
    columns = returned[-1].unbind(1)
    found = [torch.autograd.grad(c.sum(), returned, retain_graph=True) for c in columns]
    deltas = [torch.stack(parts, 1) for parts in zip(*found, strict=True)]
    return [each.detach() for each in read], deltas


def distances(a: Tensor, b: Tensor | None = None) -> Tensor:
    """‖a_i − b_j‖ without cancellation: (N, M)."""
    b = a if b is None else b
    return (a.flatten(1)[:, None] - b.flatten(1)[None]).norm(dim=2)
