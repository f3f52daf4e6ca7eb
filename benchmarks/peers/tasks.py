"""What a worker is handed: one computation on one network, read from a folder.

The folder holds task.json, weights.pt, inputs.pt. Everything is float32, except for tokens.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from peers.networks import network, own_class


@dataclass(frozen=True)
class Task:
    """One computation.

    ``kind``: "gram" K(x, x), one output; "cross" K(x, y), one output; "trace" Tr K(x, x), D
    outputs; "matrix" K(x, x), D × D; "features" S numbers a sample; "density" Σ_j k(x, x_j);
    "loss" a training step with a term on gradients; "queries" the ten nearest of a few.
    ``output``: "own" class against the rest, "all" outputs, or the one of the network "itself".
    """

    kind: str
    output: str
    name: str  # of the network
    sizes: dict[str, int]
    dim: int  # S, for features
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> "Task":
        """The task of a folder."""
        return cls(**json.loads((folder / "task.json").read_text()), folder=folder)

    @cached_property
    def network(self) -> nn.Module:
        """The network with its weights."""
        made = network(self.name, self.sizes)
        made.load_state_dict(torch.load(self.folder / "weights.pt", weights_only=True))
        return made

    @cached_property
    def _inputs(self) -> dict[str, Tensor]:
        return torch.load(self.folder / "inputs.pt", weights_only=True)

    @property
    def x(self) -> Tensor:
        """The inputs: (N, …)."""
        return self._inputs["x"]

    @property
    def y(self) -> Tensor:
        """The second set of a cross kernel or of queries, else x: (M, …)."""
        return self._inputs.get("y", self.x)

    @property
    def own(self) -> Tensor:
        """The class that the network gives x: (N,)."""
        return self._inputs["own"]

    @property
    def own_y(self) -> Tensor:
        """The class that it gives y: (M,)."""
        return self._inputs.get("own_y", self.own)

    def scalar(self, outputs: Tensor, own: Tensor) -> Tensor:
        """f of what the network gives, where D = 1: (N, C), (N,) -> (N,)."""
        return own_class(outputs, own) if self.output == "own" else outputs[..., 0]

    def one_pass(self) -> None:
        """A forward and a backward over x in batches, as training would do it."""
        size = 100 if self.name != "transformer" else 8
        for x, own in zip(self.x.split(size), self.own.split(size), strict=True):
            outputs = self.network(x)
            (outputs if self.output == "all" else self.scalar(outputs, own)).sum().backward()
        self.network.zero_grad()


class WithOutput(nn.Module):
    """The network with its output function on top: (x, own) -> (N,)."""

    def __init__(self, task: Task):
        super().__init__()
        self.network, self._scalar = task.network, task.scalar

    def forward(self, x: Tensor, own: Tensor) -> Tensor:
        return self._scalar(self.network(x), own)
