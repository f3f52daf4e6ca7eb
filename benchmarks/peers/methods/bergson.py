"""bergson: gradients of linear layers by hooks, whole or projected from both sides, in memory."""

import torch
from bergson import GradientProcessor, InMemoryCollector
from bergson.config.config import IndexConfig
from datasets import Dataset
from torch import Tensor, nn

from peers.methods.base import TorchMethod, Ways
from peers.tasks import Task


class WithDevice(nn.Module):
    """The network with the attribute that Hugging Face models have."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.device = network, torch.device("cpu")

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(tokens)


class Method(TorchMethod):
    """Linear layers with their biases; tables and normalisations are left out by the package."""

    def knows(self, task: Task) -> bool:
        """Inputs are tokens."""
        return task.name == "transformer"

    def gram(self) -> Ways:
        """All gradients held, then one product."""
        return {f"batches of {size}": lambda size=size: self._gram(size) for size in (4, 16)}

    def features(self) -> Ways:
        """Nearest to S: p × p numbers for each of L layers."""
        layers = sum(isinstance(m, nn.Linear) for m in self.task.network.modules())
        side = round((self.task.dim / layers) ** 0.5)
        return {f"{side} × {side} for each of {layers} layers, batches of {size}":
                lambda size=size: self._gradients(side, size) for size in (4, 16)}  # fmt: skip

    def _gram(self, size: int) -> Tensor:
        rows = self._gradients(0, size)
        return rows @ rows.T

    def _gradients(self, side: int, size: int) -> Tensor:
        tokens = self.task.x
        data = Dataset.from_dict({"input_ids": tokens.tolist()})
        collector = InMemoryCollector(
            model=WithDevice(self.task.network), data=data, cfg=IndexConfig(run_path=""),
            processor=GradientProcessor(projection_dim=side or None, include_bias=not side),
        )  # fmt: skip
        everything = torch.ones(size, tokens.shape[1], dtype=torch.bool)
        for start in range(0, len(tokens), size):
            part = tokens[start : start + size]
            with collector.with_batch(everything[: len(part)]):
                values = self.task.network(part)[:, 0]
                values.sum().backward()
                self.task.network.zero_grad()
            collector.process_batch(list(range(start, start + len(part))), losses=values)
        collector.teardown()
        return torch.cat(list(collector.gradients.values()), 1)
