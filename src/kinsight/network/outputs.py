"""What is asked of the network: logits, log-probabilities, own class, loss, Fisher form, probes.

Each is a callable ``(outputs, batch) -> (B, D)`` to pass as ``output=``. Labels, where one needs
them, are those of the batch: the last integer tensor of a tuple, or ``labels`` of a dict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import tensor_output
from kinsight.network.inputs import LABEL_KEYS


@dataclass(frozen=True)
class Logits:
    """The network's own class scores z, flattened to (B, D)."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return tensor_output(outputs).flatten(1)


@dataclass(frozen=True)
class LogProbabilities:
    """log p = log softmax(z), (B, C). K(x,x) has rank C − 1, since Σ_c p_c ∇ log p_c = 0."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return functional.log_softmax(_class_scores(outputs), dim=1)


@dataclass(frozen=True)
class OwnClass:
    """Own class against the rest, one number a sample: z_y − mean_{c≠y} z_c.

    The same for logits and log-probabilities, because the mask (1 and −1/(C−1)) sums to zero.
    Never saturates. ``label="predicted"`` takes y = argmax z, ``"batch"`` the label that came.
    """

    label: Literal["predicted", "batch"] = "predicted"

    def __post_init__(self) -> None:
        if self.label not in ("predicted", "batch"):
            raise ArgumentError(f"label: expected 'predicted' or 'batch', got {self.label!r}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = _class_scores(outputs)
        own = scores.detach().argmax(1) if self.label == "predicted" else _labels(batch, scores)
        mask = torch.full_like(scores, -1 / (scores.shape[1] - 1))
        return (scores * mask.scatter(1, own[:, None], 1.0)).sum(1)


@dataclass(frozen=True)
class Loss:
    """The loss of each sample against the label in its batch, (B,).

    ``"cross_entropy"`` is computed as softplus(logsumexp_{c≠y} z_c − z_y): equal to −log p_y,
    but its gradient does not cancel in float32 where p_y is close to 1. ``"squared"`` is
    ½‖z − y‖², with a floating-point y in the batch.
    """

    kind: Literal["cross_entropy", "squared"] = "cross_entropy"

    def __post_init__(self) -> None:
        if self.kind not in ("cross_entropy", "squared"):
            raise ArgumentError(f"kind: expected 'cross_entropy' or 'squared', got {self.kind!r}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        if self.kind == "squared":
            values = tensor_output(outputs).flatten(1)
            targets = _last(batch, integer=False).to(values)
            return 0.5 * (values - targets.reshape(values.shape)).square().sum(1)
        scores = _class_scores(outputs)
        own = _labels(batch, scores)[:, None]
        rest = scores.scatter(1, own, -torch.inf).logsumexp(1)
        return functional.softplus(rest - scores.gather(1, own)[:, 0], threshold=1e4)


@dataclass(frozen=True)
class Fisher:
    """√p_c (z_c − Σ p z) with p held fixed, (B, C).

    Its kernel is the Fisher form: ‖δf‖² = δzᵀ (diag p − p pᵀ) δz ≈ 2 KL(p ‖ p + δp).
    K(x,x) has rank C − 1.
    """

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = _class_scores(outputs)
        weights = scores.detach().softmax(1)
        return weights.sqrt() * (scores - (weights * scores).sum(1, keepdim=True))


@dataclass(frozen=True)
class Probes:
    """Random combinations of the outputs, the same for all samples: V f / √count, (B, count).

    Rademacher signs V from ``seed``. Tr K of the probed outputs is an unbiased estimate of
    Tr K with relative variance at most 2/count, from ``count`` backward passes whatever D is.
    Only for ``normalization="trace"`` or ``None``: whitening needs all D outputs.
    """

    count: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ArgumentError(f"count: expected at least one probe, got {self.count}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        values = tensor_output(outputs).flatten(1)
        generator = torch.Generator().manual_seed(self.seed)
        signs = torch.randint(0, 2, (values.shape[1], self.count), generator=generator) * 2 - 1
        return values @ (signs.to(values) / self.count**0.5)


def _class_scores(outputs: Any) -> Tensor:
    scores = tensor_output(outputs)
    if scores.dim() != 2 or scores.shape[1] < 2:
        raise OutputError(
            f"expected class scores of shape (B, C) with C ≥ 2, got {tuple(scores.shape)}; "
            "pass output=callable that makes one row of class scores per sample"
        )
    return scores


def _labels(batch: Batch, scores: Tensor) -> Tensor:
    labels = _last(batch, integer=True).to(scores.device).long().reshape(-1)
    classes = scores.shape[1]
    if labels.shape[0] != scores.shape[0] or bool(((labels < 0) | (labels >= classes)).any()):
        raise OutputError(
            f"expected {scores.shape[0]} labels from 0 to {classes - 1}, got {labels.shape[0]} "
            f"from {int(labels.min())} to {int(labels.max())}"
        )
    return labels


def _last(batch: Batch, integer: bool) -> Tensor:
    found = None
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in LABEL_KEYS if key in batch), None)
    elif isinstance(batch, (tuple, list)) and len(batch) > 1:
        found = batch[-1]
    if not isinstance(found, Tensor) or (integer and found.is_floating_point()):
        raise OutputError(
            "expected labels in the batch: data as (inputs, labels) or a dict with 'labels'; "
            "got none of the right type"
        )
    return found
