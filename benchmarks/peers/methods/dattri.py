"""dattri: Grad-Dot (TracIn with one checkpoint of weight one), its projection switched off."""

import torch
from dattri.algorithm.tracin import TracInAttributor
from dattri.task import AttributionTask
from torch import Tensor
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

from peers.methods.base import TorchMethod, Ways


class Method(TorchMethod):
    """Gradients by torch.func, those of the second set anew for each batch of the first."""

    def gram(self) -> Ways:
        """All samples against all."""
        return self._ways(self.task.y, self.task.own_y)

    def cross(self) -> Ways:
        """x against y."""
        return self.gram()

    def _ways(self, y: Tensor, own: Tensor) -> Ways:
        whole = len(self.task.x)
        sizes = ((whole, 8), (8, 8)) if self.task.name == "transformer" else (
            (whole, 100), (100, 100), (whole, len(y)))  # fmt: skip
        return {f"batches of {a} and {b}": lambda a=a, b=b: self._scores(y, own, a, b)
                for a, b in dict.fromkeys(sizes)}  # fmt: skip

    def _scores(self, y: Tensor, own: Tensor, ours: int, theirs: int) -> Tensor:
        network = self.task.network
        task = AttributionTask(
            loss_func=self._output, model=network, checkpoints=network.state_dict()
        )
        attributor = TracInAttributor(task, torch.ones(1), normalized_grad=False)
        attributor.projector_kwargs = None  # by default it projects on 512 directions
        loaders = [DataLoader(TensorDataset(a, b), batch_size=size) for a, b, size in
                   ((self.task.x, self.task.own, ours), (y, own, theirs))]  # fmt: skip
        return attributor.attribute(*loaders)

    def _output(self, parameters: dict[str, Tensor], data: tuple[Tensor, Tensor]) -> Tensor:
        x, own = data
        return self.task.scalar(functional_call(self.task.network, parameters, (x[None],))[0], own)
