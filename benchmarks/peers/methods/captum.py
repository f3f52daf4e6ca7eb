"""captum: TracInCP with one checkpoint, whose scores are inner products of gradients."""

import copy
from typing import Any

import torch
from captum.influence import TracInCP
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from peers.methods.base import TorchMethod, Ways
from peers.tasks import Task


class Output(nn.Module):
    """The output of the task as a loss: of each sample, or summed."""

    def __init__(self, task: Task, reduction: str):
        super().__init__()
        self._scalar, self.reduction = task.scalar, reduction

    def forward(self, outputs: Tensor, own: Tensor) -> Tensor:
        value = self._scalar(outputs, own)
        return value if self.reduction == "none" else value.sum()


class Method(TorchMethod):
    """Sample by sample, which takes any layer; a batch at once, which takes few."""

    def gram(self) -> Ways:
        """All samples against all."""
        return self._ways((self.task.x, self.task.own))

    def cross(self) -> Ways:
        """x against y."""
        return self._ways((self.task.y, self.task.own_y))

    def _ways(self, theirs: tuple[Tensor, Tensor]) -> Ways:
        ways: Ways = {}
        size = 8 if self.task.name == "transformer" else 100
        for together in (True, False):
            name = "all samples of a batch at once" if together else "one sample at a time"
            ways[name] = lambda together=together: self._scores(theirs, size, together)
        return ways

    def _scores(self, theirs: tuple[Tensor, Tensor], size: int, together: bool) -> Tensor:
        loss = Output(self.task, "sum" if together else "none")
        tracing = TracInCP(
            copy.deepcopy(self.task.network), TensorDataset(*theirs), ["as it is"], _kept,
            loss_fn=loss, batch_size=size, sample_wise_grads_per_batch=together,
        )  # fmt: skip
        scores = tracing.influence((self.task.x, self.task.own))
        return torch.as_tensor(scores).detach()


def _kept(model: nn.Module, checkpoint: Any) -> float:
    """The weights that the model has; a learning rate of one."""
    return 1.0
