"""Labels as numbers to average: classes one-hot, real numbers as they are, missing ones marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.errors import ArgumentError

_MOST_CLASSES = 4096


@dataclass(frozen=True)
class Targets:
    """N labels as rows of numbers. Missing labels (−1, NaN) have zero rows and no vote."""

    kind: Literal["classes", "numbers"]
    values: Tensor  # (N, C) one-hot, or (N, D); float64
    present: Tensor  # (N,) bool

    def __len__(self) -> int:
        return len(self.values)

    @property
    def index(self) -> Tensor:
        """Class of each sample, −1 where missing: (N,)."""
        return torch.where(self.present, self.values.argmax(1), -1)

    @property
    def spread(self) -> float:
        """Mean squared distance of the labels from their mean, summed over columns."""
        known = self.values[self.present]
        return float((known - known.mean(0)).square().sum(1).mean())


def read_targets(labels: Sequence[Any] | Tensor, count: int, varied: bool = True) -> Targets:
    """Labels of ``count`` samples.

    Whole numbers, shape (N,), are classes, negative ones missing; real numbers, (N,) or (N, D),
    are values to predict, rows with NaN missing.

    Raises:
        ArgumentError: another length or type, nothing present; with ``varied`` also a single
            class or value, of which nothing can be said.
    """
    try:
        given = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(
            "labels: expected whole numbers (classes) or real numbers, got "
            f"{type(labels).__name__} that is no array of numbers; map names to whole numbers"
        ) from error
    given = given.detach().cpu()
    if given.dim() not in (1, 2) or len(given) != count or 0 in given.shape:
        raise ArgumentError(
            f"labels: expected one for each of the {count} samples, shape ({count},) or "
            f"({count}, D), got {tuple(given.shape)}"
        )
    if given.is_complex() or given.dtype == torch.bool:
        raise ArgumentError(
            f"labels: expected whole or real numbers, got {given.dtype}; pass .long() for classes"
        )
    targets = _numbers(given) if given.is_floating_point() else _classes(given)
    if not bool(targets.present.any()):
        raise ArgumentError("labels: expected at least one, got only missing ones (−1, NaN)")
    if varied and targets.spread == 0:
        raise ArgumentError(
            "labels: expected at least two classes or values, got a single one; no sample can "
            "contradict it"
        )
    return targets


def _classes(given: Tensor) -> Targets:
    if given.dim() == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.dim() != 1:
        raise ArgumentError(
            "labels: expected one class a sample, got whole numbers of shape "
            f"{tuple(given.shape)}; one-hot labels need argmax(1), quantities .float()"
        )
    given = given.long()
    present = given >= 0
    size = int(given.max()) + 1
    if size > _MOST_CLASSES:
        raise ArgumentError(
            f"labels: expected class numbers below {_MOST_CLASSES}, got {size - 1}; number the "
            "classes from 0, or pass quantities as real numbers (.float())"
        )
    values = torch.zeros(len(given), max(size, 1), dtype=torch.float64)
    values[present, given[present].long()] = 1
    return Targets("classes", values, present)


def _numbers(given: Tensor) -> Targets:
    values = given.double().reshape(len(given), -1)
    present = ~values.isnan().any(1)
    if bool(values.isinf().any()):
        raise ArgumentError("labels: expected finite numbers, NaN for missing ones; got infinity")
    return Targets("numbers", values.masked_fill(~present[:, None], 0.0), present)
