"""kinsight, by its public functions alone."""

import tempfile
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import kinsight as ks
from peers.methods.base import TorchMethod, Ways


class Method(TorchMethod):
    """The default batch size, and a smaller one."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        # What lasts is made before the clock runs: what is asked of it is timed.
        if self.task.kind == "queries":
            _ = self.stored
        elif self.task.kind != "loss":
            _ = self.kernels

    def gram(self) -> Ways:
        """K(x, x), one output."""
        return {n: lambda k=k: k.inner(self.task.x) for n, k in self.kernels.items()}

    def cross(self) -> Ways:
        """K(x, y), one output."""
        x, y = self.task.x, self.task.y
        return {n: lambda k=k: k.inner(x, y) for n, k in self.kernels.items()}

    def trace(self) -> Ways:
        """Tr K(x, x)."""
        return self.gram()

    def matrix(self) -> Ways:
        """K(x, x)."""
        x = self.task.x
        return {n: lambda k=k: k.matrix(x, normalized=False) for n, k in self.kernels.items()}

    def density(self) -> Ways:
        """Σ_j k(x, x_j)."""
        return {"default": lambda: self.kernels["default"].density(self.task.x)}

    def features(self) -> Ways:
        """S numbers a sample, in a store on disk."""
        return {"default": self._sketched}

    def loss(self) -> Ways:
        """A training step with the similarity of two halves of the batch, by their means."""
        return {"default": self._step}

    def queries(self) -> Ways:
        """The ten nearest stored samples of inputs that are not stored."""
        return {"by sketch": lambda: self._nearest(None), "ordered by the exact kernel":
                lambda: self._nearest(self.kernels["default"])}  # fmt: skip

    def one_pass(self) -> None:
        """A plain training step for the loss; none of the stored samples for queries."""
        if self.task.kind == "loss":
            self._plain().backward()
            self.task.network.zero_grad()
        elif self.task.kind != "queries":
            super().one_pass()

    def _sketched(self) -> Tensor:
        with tempfile.TemporaryDirectory() as folder:
            return self._store(Path(folder)).take(torch.arange(len(self.task.x)))

    def _store(self, folder: Path) -> ks.Store:
        return ks.sketch(
            self.kernels["default"], self.task.x, folder / "store", dim=self.task.dim,
            progress=False,
        )  # fmt: skip

    @cached_property
    def stored(self) -> ks.Store:
        """A store of x that stays."""
        return self._store(self.task.folder)

    def _nearest(self, rerank: ks.TangentKernel | None) -> Tensor:
        kernel, data = self.kernels["default"], None if rerank is None else self.task.x
        return self.stored.nearest(self.task.y, 10, kernel=kernel, rerank=rerank, data=data).indices

    def _plain(self) -> Tensor:
        return functional.cross_entropy(self.task.network(self.task.x), self.task.own)

    def _step(self) -> Tensor:
        first, second = self.task.x.chunk(2)
        total = self._plain() + 0.1 * self._term(first, second)
        total.backward()
        self.task.network.zero_grad()
        return total.detach()

    @cached_property
    def _term(self) -> ks.losses.SimilarityLoss:
        return ks.losses.SimilarityLoss(
            self.task.network, reduce="means", output=ks.outputs.OwnClass()
        )

    @cached_property
    def kernels(self) -> dict[str, ks.TangentKernel]:
        """Made once, as one would. They look at the network here, as others fit theirs."""
        output = ks.outputs.OwnClass() if self.task.output == "own" else None
        made = {
            name: ks.TangentKernel(self.task.network, output=output, batch_size=size)
            for name, size in (("default", None), ("batches of 50", 50))
        }
        for kernel in made.values():
            kernel.coverage(self.task.x[:4])
        return made
