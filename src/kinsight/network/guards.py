"""Is f a function of one sample? Checks that refuse training mode, randomness and batch effects."""

import copy
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from kinsight.errors import (
    OutputError,
    SampleInfluenceError,
    StochasticNetworkError,
    TrainingModeError,
)
from kinsight.network.batches import Batch, Batches, batch_length
from kinsight.network.first_look import check_data, first_rows
from kinsight.network.function import NetworkFunction, tensor_output

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
_HALF_TOLERANCE = 5e-2


@dataclass(frozen=True)
class Cancellation:
    """How far the output function's own gradient is off in the precision used, per sample."""

    relative_error: Tensor  # (B,)

    @property
    def affected(self) -> int:
        """Samples whose gradient has less than three correct digits."""
        return int((self.relative_error > 1e-3).sum())


def check_mode(model: nn.Module) -> None:
    """Refuse layers in training mode that make f random or tie the samples of a batch.

    Raises:
        TrainingModeError: batch norm, dropout or alike in training mode.
    """
    active = [_named(name, m) for name, m in model.named_modules() if _acts(m)]
    if active:
        more = f" and {len(active) - 4} more" if len(active) > 4 else ""
        raise TrainingModeError(
            "expected layers in evaluation mode, got training mode with effect in "
            f"{', '.join(active[:4])}{more}; call model.eval() first"
        )


def _named(name: str, module: nn.Module) -> str:
    kind = type(module).__name__
    return f"{name} ({kind})" if name else kind


def _acts(module: nn.Module) -> bool:
    if not module.training:
        return False
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return True
    if isinstance(module, (nn.modules.dropout._DropoutNd, nn.MultiheadAttention)):
        return float(getattr(module, "p", getattr(module, "dropout", 0.0))) > 0
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return module.track_running_stats
    return isinstance(module, nn.RReLU)


@torch.no_grad()
def check_samples(function: NetworkFunction, data: Batches) -> None:
    """Run a few samples together, again, and each without the others: the answers must agree.

    Cost: at most five small forward passes.

    Raises:
        DataError: a sample differs from one reading to the next.
        NetworkError: the network cannot run on the samples.
        StochasticNetworkError: the same batch gives two answers.
        SampleInfluenceError: a sample's output depends on the rest of its batch.
    """
    chosen = sorted({0, len(data) // 2, len(data) - 1})
    check_data(data, chosen)
    batch = function.place(data.take(chosen))
    together = first_rows(function, batch)
    limit = _rounding(together, _TOLERANCE.get(function.dtype, _HALF_TOLERANCE))
    again = function(batch)
    if _distance(together, again) > limit:
        raise StochasticNetworkError(
            "expected the same output for the same batch, got outputs that differ by "
            f"{_distance(together, again):.2g}; switch off noise (model.eval(), fixed seed)"
        )
    for row, index in enumerate(chosen):
        # Twice itself rather than alone: some layers refuse a batch of one.
        alone = function(function.place(data.take([index, index])))
        if alone.shape[1] != together.shape[1]:
            raise OutputError(
                f"expected the same number of outputs for every sample, got {alone.shape[1]} "
                f"for sample {index} alone and {together.shape[1]} in a batch; pool over "
                "positions in the output function, or pad to one length"
            )
        difference = _distance(alone[0], together[row])
        if difference > limit:
            raise SampleInfluenceError(
                f"expected samples that do not influence each other, but the output of sample "
                f"{index} moves by {difference:.2g} with the rest of its batch: statistics of "
                "the batch (batch norm without running statistics), or padding that is not "
                "masked; use evaluation mode with running statistics, mask the padding, or run "
                "samples one by one: forward=lambda model, batch: torch.cat([model(x[None]) for x "
                "in batch])"
            )


def _distance(a: Tensor, b: Tensor) -> float:
    difference = (a - b).abs()
    return float(torch.where(difference.isfinite(), difference, 0.0).max())


def _rounding(rows: Tensor, tolerance: float) -> float:
    """A difference that rounding explains: a share of how far samples differ, not of an offset."""
    finite = torch.where(rows.isfinite(), rows, 0.0)
    spread = float((finite - finite.mean(0)).abs().max())
    size = float(finite.abs().max())
    if len(rows) == 1:  # no other to compare with, and what cancelled near 0 has no size to tell
        size = max(size, 1.0)
    return tolerance * spread + 64 * torch.finfo(rows.dtype).eps * size


def cancels(function: NetworkFunction) -> bool:
    """Whether there is an output function whose own gradient could cancel."""
    return function.output is not None and function.dtype != torch.float64


def check_cancellation(
    function: NetworkFunction, outputs: Any, batch: Batch
) -> Cancellation | None:
    """Compare ∂f/∂outputs in the precision used with float64, per sample.

    Cost: the output function twice, forward and backward; no pass through the network.
    A per-sample cross-entropy in float32 loses all digits where p_y → 1.
    """
    if not cancels(function):
        return None
    gradients = []
    given = tensor_output(outputs).detach()
    for dtype in (function.dtype, torch.float64):
        leaf = given.to(dtype.to_complex() if given.is_complex() else dtype).requires_grad_(True)
        cast = tree_map(
            lambda t, to=dtype: t.to(to) if isinstance(t, Tensor) and t.is_floating_point() else t,
            batch,
        )
        with torch.enable_grad():
            rows = function.to_rows(_with_tensor(outputs, leaf), cast)
            if not rows.requires_grad:
                return None
            (gradient,) = torch.autograd.grad(rows.sum(), leaf)
        gradient = torch.view_as_real(gradient) if gradient.is_complex() else gradient
        gradients.append(gradient.double().reshape(batch_length(batch), -1))
    rough, fine = gradients
    error = (rough - fine).norm(dim=1) / fine.norm(dim=1).clamp_min(torch.finfo(torch.float64).tiny)
    return Cancellation(torch.where(fine.norm(dim=1) > 0, error, 0.0))


def _with_tensor(outputs: Any, tensor: Tensor) -> Any:
    """What the network returned, with its one tensor (or its logits) replaced."""
    if isinstance(outputs, Tensor):
        return tensor
    changed = copy.copy(outputs)
    if isinstance(changed, MutableMapping):
        changed["logits"] = tensor
    else:
        changed.logits = tensor
    return changed
