"""What all methods in PyTorch share."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from peers.tasks import Task

Ways = dict[str, Callable[[], Tensor]]


class TorchMethod:
    """A task in PyTorch; subclasses say which ways there are."""

    def __init__(self, folder: Path):
        self.task = Task.read(folder)

    def one_pass(self) -> None:
        """A forward and a backward over x, as training would do it."""
        self.task.one_pass()

    def ways(self) -> Ways:
        """Name -> a function that computes the result; by default those of :meth:`of_kind`."""
        task, ways = self.task, getattr(self, self.task.kind, None)
        return {} if ways is None or not self.knows(task) else ways()

    def knows(self, task: Task) -> bool:
        """Whether the package takes such a network."""
        return True
