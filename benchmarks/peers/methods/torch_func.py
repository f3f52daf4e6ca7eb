"""torch.func: per-sample gradients by vmap of grad, Jacobians by vmap of jacrev, then products."""

import torch
from torch import Tensor
from torch.func import functional_call, grad, jacrev, vmap

from peers.methods.base import TorchMethod, Ways


class Method(TorchMethod):
    """Gradients or Jacobians written out in batches, one matrix product of all."""

    def __init__(self, folder):
        super().__init__(folder)
        network = self.task.network
        self.parameters = {name: p.detach() for name, p in network.named_parameters()}
        self.buffers = dict(network.named_buffers())
        for parameter in network.parameters():
            parameter.requires_grad_(True)

    def gram(self) -> Ways:
        """G Gᵀ."""
        return {f"batches of {size}": lambda size=size: self._gram(size) for size in self.sizes}

    def cross(self) -> Ways:
        """G G'ᵀ."""
        return {f"batches of {size}": lambda size=size: self._cross(size) for size in self.sizes}

    def trace(self) -> Ways:
        """Σ_d J_d J'_dᵀ, tile by tile."""
        return {f"tiles of {s}": lambda s=s: self._tiles("ndp,mdp->nm", s) for s in (100, 50)}

    def matrix(self) -> Ways:
        """J J'ᵀ, tile by tile."""
        return {f"tiles of {s}": lambda s=s: self._tiles("ndp,mep->nmde", s) for s in (100, 50)}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batch sizes that are tried."""
        return (1, 4) if self.task.name == "transformer" else (50, 100, 25)

    def _call(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self.task.network, (parameters, self.buffers), (x[None],))[0]

    def _gradients(self, x: Tensor, own: Tensor, size: int) -> Tensor:
        one = vmap(
            grad(lambda p, x, own: self.task.scalar(self._call(p, x), own)), in_dims=(None, 0, 0)
        )
        rows = []
        for some, labels in zip(x.split(size), own.split(size), strict=True):
            found = one(self.parameters, some, labels)
            rows.append(torch.cat([g.flatten(1) for g in found.values()], 1))
        return torch.cat(rows)

    def _gram(self, size: int) -> Tensor:
        rows = self._gradients(self.task.x, self.task.own, size)
        return rows @ rows.T

    def _cross(self, size: int) -> Tensor:
        ours = self._gradients(self.task.x, self.task.own, size)
        return ours @ self._gradients(self.task.y, self.task.own_y, size).T

    def _jacobian(self, x: Tensor) -> list[Tensor]:
        found = vmap(jacrev(self._call), in_dims=(None, 0))(self.parameters, x)
        return [j.flatten(2) for j in found.values()]  # (N, D, P) each

    def _tiles(self, product: str, size: int) -> Tensor:
        """All pairs of batches, half of them by symmetry; Jacobians of all do not fit."""
        batches = self.task.x.split(size)
        rows: list[list[Tensor]] = [[] for _ in batches]
        for i, first in enumerate(batches):
            ours = self._jacobian(first)
            for j, second in enumerate(batches[: i + 1]):
                theirs = ours if i == j else self._jacobian(second)
                tile = sum(torch.einsum(product, a, b) for a, b in zip(ours, theirs, strict=True))
                rows[i].append(tile)
                if i != j:
                    rows[j].append(_transposed(tile))
        return torch.cat([torch.cat(row, 1) for row in rows])


def _transposed(tile: Tensor) -> Tensor:
    return tile.T if tile.dim() == 2 else tile.permute(1, 0, 3, 2)
