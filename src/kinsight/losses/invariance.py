"""A training term that asks for invariance: how fast the gradient turns under a transformation."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._pytree import tree_leaves, tree_map

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, PairError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.losses.gradients import (
    Gradients,
    checked_weight,
    explained,
    full_precision,
    tell_missing,
)
from kinsight.losses.twice import eagerly
from kinsight.network.columns import Batch, common_length, plain
from kinsight.network.function import OutputFunction
from kinsight.network.parameters import ParameterChoice

Transform = Callable[[Batch, Tensor], Batch]


class InvarianceLoss:
    """weight · mean ‖(I − ĝĝᵀ) ∂_φ g(T_φ x)‖² / ‖g‖² at φ = 0.

    g is the gradient of f at x (its D rows as one vector). The term is the infinitesimal form
    of similarity under a family of transformations: 1 − k(x, T_φ x) = ½ φ² · term + O(φ³),
    with the cosine of the flattened gradients as k. In [0, ∞), 0 = invariant to first order.

    Args:
        model: the network that is trained, or a kernel on it.
        transform: ``(batch, φ) -> batch``, φ of shape (B,), the identity at 0 and differentiable
            in φ in forward mode: a gain, a shift of phase, noise of growing size.
        step: where T has no forward mode (rotations by ``grid_sample``), or no derivative at
            all: its movement ∂_φ T_φ x is then the difference (T_h x − T_{−h} x)/2h,
            h = ``step``. The network is differentiated exactly all the same.
        weight: λ ≥ 0.
        projected: take out the part along g, which only changes its length. Without, the norm
            is punished too.
        reduce: ``"samples"`` or ``"means"`` (the gradient of the batch mean, which needs no
            gradient of each sample, and is defined for batch norm in training mode).
        output, parameters, forward: as for :class:`SimilarityLoss`.

    Samples without a gradient are left out with a warning.

    Cost: a forward pass and D backward passes with tangents (about twice as much each), and
    twice that again in ``backward``; memory for the gradients of the batch and their tangents.
    """

    def __init__(
        self,
        model: nn.Module | TangentKernel,
        transform: Transform,
        *,
        step: float | None = None,
        weight: float = 1.0,
        projected: bool = True,
        reduce: Literal["samples", "means"] = "samples",
        output: OutputFunction | None = None,
        parameters: ParameterChoice = None,
        forward: Callable[[nn.Module, Batch], Any] | None = None,
    ):
        if not callable(transform):
            raise ArgumentError(
                f"transform: expected a function (batch, φ) -> batch, got {transform!r:.60}"
            )
        one_of("reduce", reduce, ("samples", "means"))
        if step is not None and not 0 < step < float("inf"):
            raise ArgumentError(f"step: expected a positive number, got {step!r}")
        self.step = step
        self.transform, self.weight, self.projected = transform, checked_weight(weight), projected
        self.reduce = reduce
        self.gradients = Gradients(model, output, parameters, forward)

    def __call__(self, x: Batch) -> Tensor:
        """The term for one batch: a number with a graph.

        Raises:
            PairError: no sample, none with a gradient, or T does not move the batch with φ.
            NetworkError: an operator without a forward-mode or a second derivative, named.
            TrainingModeError: batch norm in training mode with ``reduce="samples"``.
        """
        return self.weight * self.rates(x).mean()

    @eagerly
    def rates(self, x: Batch) -> Tensor:
        """‖(I − ĝĝᵀ) ∂_φ g‖²/‖g‖² of every sample that has a gradient: (n,), with a graph."""
        batch = self.gradients.place(x)
        if not common_length(batch):
            raise PairError(
                "expected at least one sample, got an empty batch; skip the term for it"
            )
        otherwise = (
            "step=1e-2, if it lies in the transform; else SimilarityLoss with x and T_φ x as pairs"
        )
        with explained("forward-mode derivative", otherwise), forward_ad.dual_level():
            primal, tangent = self._moved(batch)
        with torch.enable_grad(), full_precision(primal):
            size = primal.square().sum(1)
            there = size > 0
            tell_missing(there, "samples have no")
            size, along = size[there], (primal * tangent).sum(1)[there]
            value = tangent.square().sum(1)[there]
            if self.projected:
                value = value - along.square() / size
            return self.gradients.tried("invariance", value / size)

    def _moved(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """g and ∂_φ g at φ = 0: (B, D·P) each, or (1, D·P) for the mean over the batch."""
        moved = self._by_step(batch) if self.step else self._by_forward_mode(batch)
        leaves = [leaf for leaf in tree_leaves(moved) if isinstance(leaf, Tensor)]
        tangents = [forward_ad.unpack_dual(leaf).tangent for leaf in leaves]
        if not any(t is not None and bool((t != 0).any()) for t in tangents):
            raise PairError(
                "expected a transform whose result moves with φ, got one that does not: it ignores "
                "φ, or takes it out of the graph (detach, numpy, item; then say step=)"
            )
        if self.reduce == "means":
            count = common_length(batch)
            rows = self.gradients.mean(moved, torch.full((count,), 1 / count))
            return _parts([rows.flatten()[None]])
        features = self.gradients.features(moved)
        with torch.enable_grad():
            nothing = features.values.new_zeros(len(features), 0)  # if no gradient arrives at all
            dense = [block.dense().flatten(1) for block in features.blocks.values()]
            return _parts([nothing, *dense])

    def _by_forward_mode(self, batch: Batch) -> Batch:
        angle = self._angles(batch, 0.0)
        return self.transform(batch, forward_ad.make_dual(angle, torch.ones_like(angle)))

    def _by_step(self, batch: Batch) -> Batch:
        step = float(self.step or 0)
        after, before = (self.transform(batch, self._angles(batch, h)) for h in (step, -step))

        def dual(leaf: Any, ahead: Any, behind: Any) -> Any:
            if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
                return leaf
            # A copy: the tangent of a slice is as large as the tensor that it is cut out of.
            return forward_ad.make_dual(leaf.clone(), (ahead - behind) / (2 * step))

        return tree_map(dual, batch, plain(after), plain(before))

    def _angles(self, batch: Batch, value: float) -> Tensor:
        function = self.gradients.function
        return torch.full(
            (common_length(batch),), value, dtype=function.dtype, device=function.device
        )


def _parts(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    primals, tangents = [], []
    for value in values:
        primal, tangent = forward_ad.unpack_dual(value)
        primals.append(primal)
        tangents.append(torch.zeros_like(primal) if tangent is None else tangent)
    return torch.cat(primals, 1), torch.cat(tangents, 1)
