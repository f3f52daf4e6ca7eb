"""What outputs read: class scores, labels of the batch, another output within them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction, tensor_output
from kinsight.network.inputs import LABEL_KEYS


@dataclass(frozen=True)
class Unfit:
    """Labels that are no use, and why: told only to an output that asks for them."""

    reason: str


def check_inner(of: Any) -> None:
    """Refuse what is no output function."""
    if of is not None and (not callable(of) or isinstance(of, type)):
        hint = f"; write {of.__name__}()" if isinstance(of, type) else ""
        raise ArgumentError(
            f"of: expected one such as ks.outputs.Logits() or a function, got {of!r:.60}{hint}"
        )


def rows_of(of: OutputFunction | None, outputs: Any, batch: Batch) -> Tensor:
    """The network's output, or what ``of`` makes of it: (B, D)."""
    value = tensor_output(outputs) if of is None else of(outputs, batch)
    return value[:, None] if value.dim() == 1 else value.flatten(1)


def class_scores(outputs: Any) -> Tensor:
    """The network's output if it is (B, C) with two classes or more."""
    scores = tensor_output(outputs)
    if scores.dim() != 2 or scores.shape[1] < 2:
        raise OutputError(
            f"expected class scores of shape (B, C) with C ≥ 2, got {tuple(scores.shape)}; "
            "of scores at every position take ks.outputs.Averaged(of=…), PerPosition or alike, "
            "otherwise pass output=callable that makes one row of class scores per sample"
        )
    return scores


def class_labels(batch: Batch, scores: Tensor) -> Tensor:
    """The class that came with each sample: (B,), from 0 to C − 1."""
    labels = targets(batch, integer=True).to(scores.device).long().reshape(-1)
    classes = scores.shape[1]
    if labels.shape[0] != scores.shape[0] or bool(((labels < 0) | (labels >= classes)).any()):
        raise OutputError(
            f"expected {scores.shape[0]} labels from 0 to {classes - 1}, got {labels.shape[0]} "
            f"from {int(labels.min())} to {int(labels.max())}"
        )
    return labels


def one_hot(classes: Tensor, scores: Tensor) -> Tensor:
    """Where the class of each sample is, (B, C) bool."""
    return torch.arange(scores.shape[1], device=scores.device) == classes[:, None]


def picked(scores: Tensor, classes: Tensor) -> Tensor:
    """The score of one class of each sample, (B,).

    A mask and a sum rather than an index: whose row is whose then does not depend on the data,
    and the capture need not look again at every batch.
    """
    return torch.where(one_hot(classes, scores), scores, 0.0).sum(1)


def targets(batch: Batch, integer: bool) -> Tensor:
    """The labels that came with the batch, of the type that is asked for.

    Raises:
        OutputError: there are none, or they do not fit.
    """
    found = given_labels(batch)
    if isinstance(found, Unfit):
        raise OutputError(found.reason)
    if not isinstance(found, Tensor) or (integer and found.is_floating_point()):
        raise OutputError(
            "expected labels in the batch: data as (inputs, labels) or a dict with 'labels'; "
            "got none of the right type"
        )
    return found


def given_labels(batch: Batch) -> Any:
    """``labels`` or ``label`` of a dict, the last entry of a tuple, None of anything else."""
    if isinstance(batch, Mapping):
        return next((batch[key] for key in LABEL_KEYS if key in batch), None)
    return batch[-1] if isinstance(batch, (tuple, list)) and len(batch) > 1 else None
