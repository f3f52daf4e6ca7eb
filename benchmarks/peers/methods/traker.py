"""TRAK: per-sample gradients, projected on random directions."""

import tempfile

import torch
from torch import Tensor
from torch.func import functional_call
from trak import TRAKer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicProjector, ProjectionType

from peers.methods.base import TorchMethod, Ways
from peers.tasks import Task


class Output(AbstractModelOutput):
    """The output of the task, without weights of its own."""

    def __init__(self, task: Task):
        super().__init__()
        self._scalar = task.scalar

    def get_output(self, model, weights, buffers, x: Tensor, own: Tensor) -> Tensor:
        """f of one sample."""
        return self._scalar(functional_call(model, (weights, buffers), (x[None],))[0], own)

    def get_out_to_loss_grad(self, model, weights, buffers, batch) -> Tensor:
        """One: the features are those of f."""
        return torch.ones(len(batch[0]), 1)


class Method(TorchMethod):
    """Featurising alone; scores need more."""

    def features(self) -> Ways:
        """S numbers a sample."""
        few = self.task.name == "transformer"
        return {f"batches of {s}, {b} directions at a time": lambda s=s, b=b: self._features(s, b)
                for s in ((4,) if few else (50, 100)) for b in ((64,) if few else (100, 512))
                }  # fmt: skip

    def _features(self, size: int, block: int) -> Tensor:
        task = self.task
        parameters = sum(p.numel() for p in task.network.parameters())
        projector = BasicProjector(
            grad_dim=parameters, proj_dim=task.dim, seed=0, proj_type=ProjectionType.rademacher,
            device=torch.device("cpu"), block_size=block,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            traker = TRAKer(
                task.network, Output(task), train_set_size=len(task.x), save_dir=folder,
                device="cpu", projector=projector, proj_dim=task.dim, use_half_precision=False,
            )  # fmt: skip
            traker.load_checkpoint(task.network.state_dict(), model_id=0)
            for x, own in zip(task.x.split(size), task.own.split(size), strict=True):
                traker.featurize(batch=(x, own), num_samples=len(x))
            return torch.as_tensor(traker.saver.current_store["grads"]).clone()
