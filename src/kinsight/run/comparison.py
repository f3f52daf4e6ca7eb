"""Do two ways to the same inner products agree, and if not, is it rounding?"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import KinsightError, KinsightWarning
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.tangent.reference import jacobian_by_loop

_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
_TOLERANCE_HALF = 5e-2
_ROUGH = 5e-2  # rounding beyond it leaves hardly a digit

KernelOf = Callable[[torch.dtype | None, int | None], TangentKernel]  # dtype, batch size


@dataclass(frozen=True)
class Comparison:
    """The largest difference of two Gram matrices, relative to √(K_ii K_jj)."""

    distance: float
    tolerance: float  # what the precision explains: 1e-8 float64, 1e-4 float32, 5e-2 half
    precise: float | None = None  # the distance in float64, looked at where it is beyond

    @property
    def holds(self) -> bool:
        """Whether both ways give the same."""
        return self.distance <= self.tolerance

    @property
    def rounding(self) -> bool:
        """Whether the difference is gone in float64: sums that cancel, a ReLU near its kink."""
        return self.precise is not None and self.precise <= _TOLERANCE[torch.float64]

    @property
    def sound(self) -> bool:
        """Whether results can be relied on: the same, but for rounding of some digits."""
        return self.holds or (self.rounding and self.distance <= _ROUGH)


def in_batch_and_alone(kernel_of: KernelOf, few: Any) -> Comparison:
    """Inner products of gradients taken in one batch, and with every sample alone."""

    def distance(dtype: torch.dtype | None) -> float:
        return distance_of(kernel_of(dtype, None).inner(few), kernel_of(dtype, 1).inner(few))

    return _compared(kernel_of, distance)


def with_loop(kernel_of: KernelOf, few: Any) -> Comparison:
    """Inner products as computed, and from autograd's own gradients, one by one. Cost: D passes."""
    data = Batches(few)

    def distance(dtype: torch.dtype | None) -> float:
        kernel = kernel_of(dtype, None)
        batch = kernel.function.place(data.take(range(len(data))))
        jacobian = jacobian_by_loop(kernel.function, batch).double()
        return distance_of(kernel.inner(few), torch.einsum("ndp,mdp->nm", jacobian, jacobian).cpu())

    return _compared(kernel_of, distance)


def _compared(kernel_of: KernelOf, distance: Callable[[torch.dtype | None], float]) -> Comparison:
    dtype = kernel_of(None, None).function.dtype
    found = Comparison(distance(None), _TOLERANCE.get(dtype, _TOLERANCE_HALF))
    if found.holds or dtype == torch.float64:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinsightWarning)
        try:
            return replace(found, precise=distance(torch.float64))
        except (KinsightError, RuntimeError, TypeError):  # a network for one precision only
            return found


def distance_of(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to √(K_ii K_jj); infinite where only one of both is a number."""
    a, b = a.double(), b.double()
    if not torch.equal(a.isfinite(), b.isfinite()):
        return torch.inf
    scale = a.diagonal().clamp_min(0).sqrt()
    scale = (scale[:, None] * scale).clamp_min(torch.finfo(torch.float64).tiny)
    difference = (a - b).abs() / scale
    return float(torch.where(difference.isfinite(), difference, 0.0).max())
