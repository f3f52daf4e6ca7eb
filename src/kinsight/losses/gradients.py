"""Tangent features that are differentiated again: what losses on gradients are made of."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointError

from kinsight.errors import (
    ArgumentError,
    NetworkError,
    PairError,
    TrainingModeError,
    ZeroGradientWarning,
)
from kinsight.kernel.metric import Euclidean
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.losses.twice import refuse_once
from kinsight.network.columns import Batch, plain
from kinsight.network.function import NetworkFunction, OutputFunction
from kinsight.network.outputs import probed
from kinsight.network.parameters import ParameterChoice
from kinsight.tangent.capture import Capture
from kinsight.tangent.features import Features
from kinsight.tangent.graph import read_graph

_MISSING = ("derivative", "differentiat", "forward AD", "forward mode", "forward-mode")
_CHECKPOINT = (
    "without checkpointing inside the network for the time of this term, or SimilarityLoss with x "
    "and T_φ x as pairs, which goes through it"
)
_WAYS_OUT = {
    "embedding_bag": "nn.Embedding and a sum over tokens in place of nn.EmbeddingBag",
    "cdist": "(x[:, None] - y).square().sum(-1) in place of torch.cdist",
    "cudnn": "torch.backends.cudnn.flags(enabled=False) around the layer",
}


class Gradients:
    """f of a network, and its tangent features with a graph behind them.

    Args:
        model: the network that is trained, or a kernel on it, whose output, parameters and
            normalization are then taken over.
        output, parameters, forward: as for :class:`~kinsight.TangentKernel`.
    """

    def __init__(
        self,
        model: nn.Module | TangentKernel,
        output: OutputFunction | None,
        parameters: ParameterChoice,
        forward: Callable[[nn.Module, Batch], Any] | None,
    ):
        if isinstance(model, TangentKernel):
            if output is not None or parameters is not None or forward is not None:
                raise ArgumentError(
                    "expected a kernel alone or a model with output, parameters, forward; got a "
                    "kernel, which has its own, and one of them besides"
                )
            if not isinstance(model.metric, Euclidean):
                raise ArgumentError(
                    "expected a kernel with the Euclidean metric, got another one; make the loss "
                    "from the model"
                )
            self.function = model.function
        else:
            self.function = NetworkFunction(model, output, parameters, None, None, forward)
        self._capture = Capture(self.function, differentiable=True)
        self._tried: set[str] = set()

    @property
    def probed(self) -> bool:
        """Whether the output is random combinations, which cannot be whitened."""
        return probed(self.function.output)

    def place(self, batch: Batch) -> Batch:
        """The batch on the network's device, in its precision."""
        return self.function.place(plain(batch))

    def features(self, batch: Batch) -> Features:
        """J of every sample of a batch in place, in blocks that can be differentiated.

        Raises:
            TrainingModeError: batch norm in training mode, which mixes the samples' gradients.
        """
        _refuse_batch_statistics(self.function.model)
        with _opened():
            return self._capture(batch)

    def mean(self, batch: Batch, weights: Tensor) -> Tensor:
        """Σ_b w_b J_b over all parameters: (D, P).

        Cost: a forward pass and D backward passes. Batch norm may be in training mode: what is
        differentiated is a mean over the batch; its running statistics stay as they are.

        Raises:
            NetworkError: reentrant checkpointing, which hides parameters from autograd.
        """
        with torch.enable_grad(), self.function.selection.differentiable(), _opened():
            with _statistics_kept(self.function.model):
                rows = self.function(batch)
            read_graph(rows, self.function.selection.chosen)  # refuses what hides parameters
            parameters = list(self.function.selection.chosen.values())
            weights = weights.to(rows)
            return torch.stack(
                [_flat(rows[:, d] @ weights, parameters) for d in range(rows.shape[1])]
            )

    def tried(self, kind: str, value: Tensor) -> Tensor:
        """``value`` if it can be differentiated; tried once for each kind.

        Raises:
            NetworkError: some operator has no second derivative; it is named.
        """
        if kind not in self._tried and value.requires_grad:
            parameters = list(self.function.selection.chosen.values())
            with (
                self.function.selection.differentiable(),
                explained(
                    "second derivative", "parameters= that lie behind it, or write it with others"
                ),
            ):
                torch.autograd.grad(value.sum(), parameters, retain_graph=True, allow_unused=True)
            refuse_once(value)
            self._tried.add(kind)
        return value


def checked_weight(weight: float) -> float:
    """λ of a term.

    Raises:
        ArgumentError: negative, infinite or not a number.
    """
    if not 0 <= weight < float("inf"):
        raise ArgumentError(
            f"weight: expected a number from 0 on, got {weight!r}; the direction is that of sign="
        )
    return float(weight)


@contextmanager
def explained(derivative: str, otherwise: str) -> Iterator[None]:
    """Errors of autograd about a missing derivative as one of ours, which says the way out.

    Raises:
        NetworkError: autograd said that an operator has no such derivative.
    """
    try:
        yield
    except CheckpointError as error:  # tangents are not recomputed
        raise NetworkError(
            f"expected operators with a {derivative}, got activation checkpointing, which has "
            f"none. Way out: {_CHECKPOINT}"
        ) from error
    except (RuntimeError, NotImplementedError) as error:
        said = str(error).strip().split("\n")[0]
        if not any(word in said for word in _MISSING):
            raise
        hint = next((way for word, way in _WAYS_OUT.items() if word in said), otherwise)
        raise NetworkError(
            f"expected operators with a {derivative}, got one without: {said}. Way out: {hint}"
        ) from error


def full_precision(like: Tensor) -> torch.autocast:
    """Products of gradients as they are, also where the forward pass is under autocast."""
    return torch.autocast(like.device.type, enabled=False)


def tell_missing(there: Tensor, what: str) -> None:
    """Warn of samples or pairs for which nothing is defined.

    Raises:
        PairError: nothing is left.
    """
    missing = int((~there).sum())
    if missing == len(there):
        raise PairError(
            f"expected samples with a gradient, got none among {len(there)}: the output does not "
            "move with the chosen parameters there (dead units, saturation), or is not finite; "
            "check the output and parameters="
        )
    if missing:
        warnings.warn(
            f"{missing} of {len(there)} {what} gradient and are left out",
            ZeroGradientWarning,
            stacklevel=4,
        )


@contextmanager
def _opened() -> Iterator[None]:
    """Attention by plain operators: the fused kernels have no second derivative."""
    with sdpa_kernel([SDPBackend.MATH]):
        yield


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Running statistics as before: the term is no further look at the training data.

    They are given no weight rather than put back: autograd holds on to them.
    """
    active = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.training
    ]
    before = [
        (module, module.momentum, None if count is None else count.clone())
        for module in active
        for count in [module.num_batches_tracked]
    ]
    for module in active:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum, count in before:
            module.momentum = momentum
            if count is not None and module.num_batches_tracked is not None:
                module.num_batches_tracked.copy_(count)


def _flat(value: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """∂value/∂θ as one vector, zero where nothing arrives: (P,)."""
    found = torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True)
    pieces = [
        torch.zeros_like(p) if g is None else g.to_dense() if g.is_sparse else g
        for p, g in zip(parameters, found, strict=True)
    ]
    return torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in pieces])


def _refuse_batch_statistics(model: nn.Module) -> None:
    active = [
        name or type(module).__name__
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and (module.training or not module.track_running_stats)
    ]
    if active:
        raise TrainingModeError(
            "expected samples that do not influence each other, got batch norm in training mode "
            f"in {', '.join(active[:4])}; use reduce='means', which asks for the batch as a "
            "whole, or put these layers into evaluation mode: for m in model.modules(): "
            "if isinstance(m, torch.nn.BatchNorm2d): m.eval()"
        )
