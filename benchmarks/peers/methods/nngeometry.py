"""nngeometry: Gram matrices in function space, layer by layer, and dense Jacobians."""

import torch
from nngeometry.backend import TorchHooksJacobianBackend
from nngeometry.layercollection import LayerCollection
from nngeometry.object import FMatDense
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from peers.methods.base import TorchMethod, Ways
from peers.tasks import Task


class Method(TorchMethod):
    """FMatDense of all samples; where D = 1 also the Jacobian times itself."""

    def knows(self, task: Task) -> bool:
        """It asks for derivatives by the input, which tokens do not have."""
        return task.x.is_floating_point()

    def gram(self) -> Ways:
        """K(x, x), one output."""
        ways: Ways = {f"FMatDense, batches of {s}": lambda s=s: self._dense(s)[0, :, 0]
                      for s in (100, 50, 300)}  # fmt: skip
        return {"Jacobian, batches of 50": lambda: _squared(self._jacobian(50))} | ways

    def trace(self) -> Ways:
        """Tr K(x, x): the D × D kernel, of which the trace is taken."""
        return {f"FMatDense, batches of {s}": lambda s=s: torch.einsum("dndm->nm", self._dense(s))
                for s in (250, 1000, 100, 500)}  # fmt: skip

    def matrix(self) -> Ways:
        """K(x, x)."""
        return {f"FMatDense, batches of {s}": lambda s=s: self._dense(s).permute(1, 3, 0, 2)
                for s in (250, 1000, 100, 500)}  # fmt: skip

    def _function(self, x: Tensor, own: Tensor) -> Tensor:
        outputs = self.task.network(x)
        return outputs if self.task.output == "all" else self.task.scalar(outputs, own)[:, None]

    def _backend(self, size: int) -> tuple[TorchHooksJacobianBackend, DataLoader]:
        network = self.task.network
        backend = TorchHooksJacobianBackend(
            model=network, function=self._function,
            layer_collection=LayerCollection.from_model(network),
        )  # fmt: skip
        data = TensorDataset(self.task.x.detach(), self.task.own)
        return backend, DataLoader(data, batch_size=min(size, len(data)))

    def _dense(self, size: int) -> Tensor:
        """(D, N, D, N)."""
        backend, loader = self._backend(size)
        return FMatDense(generator=backend, examples=loader).to_torch().detach()

    def _jacobian(self, size: int) -> Tensor:
        """(N, P)."""
        backend, loader = self._backend(size)
        return backend.get_jacobian(loader)[0].detach()


def _squared(rows: Tensor) -> Tensor:
    return rows @ rows.T
