"""Labels of any kind as class indices with names, missing ones marked; or as real numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import SubjectError

_MOST_NAMED = 4096  # up to here whole numbers are class indices, above they are only names


@dataclass(frozen=True)
class Labels:
    """One entry a sample; either classes or real numbers."""

    index: Tensor | None  # (N,) class index, −1 = missing; None where labels are real numbers
    names: tuple[str, ...]  # of the classes
    real: Tensor | None = None  # (N,) float64
    numbered: bool = True  # the class index is the network's output index

    @property
    def missing(self) -> int:
        """How many samples have no label."""
        if self.index is not None:
            return int((self.index < 0).sum())
        return 0 if self.real is None else int(self.real.isnan().sum())

    @property
    def present(self) -> int:
        """How many classes occur."""
        return 0 if self.index is None else len(self.index[self.index >= 0].unique())

    def shown(self) -> list[str | None]:
        """Each sample's label as a person reads it; None = missing."""
        if self.real is not None:
            return [None if math.isnan(v) else f"{v:g}" for v in self.real.tolist()]
        if self.index is None:
            return []
        return [None if i < 0 else self.names[i] for i in self.index.tolist()]

    def name(self, index: int) -> str:
        """Name of a class index, which may lie beyond the labels that occur."""
        return self.names[index] if 0 <= index < len(self.names) else str(index)


def read_labels(given: Sequence[Any] | Tensor, classes: Sequence[str] | None) -> Labels:
    """Class indices from whole numbers or names; real numbers are kept as they are.

    Raises:
        SubjectError: mixed types, more than one number a sample, a class without a name.
    """
    names = None if classes is None else [str(name) for name in classes]
    values = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise SubjectError(
            f"labels: expected one label per sample, got shape {values.shape}; one-hot labels "
            "need argmax(1)"
        )
    if values.dtype.kind in "iub":
        return _from_numbers(values.astype(np.int64), names)
    if values.dtype.kind == "f":
        return Labels(None, (), torch.from_numpy(values.astype(np.float64)))
    return _from_objects(values.tolist(), names)


def _from_objects(values: list[Any], names: list[str] | None) -> Labels:
    known = [v for v in values if not _is_missing(v)]
    if all(isinstance(v, (int, np.integer)) for v in known):
        numbers = [-1 if _is_missing(v) else int(v) for v in values]
        return _from_numbers(np.array(numbers, np.int64), names)
    if all(isinstance(v, str) for v in known):
        found = names if names is not None else sorted(set(known))
        place = {name: i for i, name in enumerate(found)}
        strange = next((v for v in known if v not in place), None)
        if strange is not None:
            raise SubjectError(f"labels: {strange!r} is not among the classes {found[:8]}")
        index = torch.tensor([-1 if _is_missing(v) else place[v] for v in values])
        return Labels(index, tuple(found), numbered=names is not None)
    kinds = sorted({type(v).__name__ for v in known})
    raise SubjectError(f"labels: expected whole numbers or names, got {', '.join(kinds)}")


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _from_numbers(values: np.ndarray, names: list[str] | None) -> Labels:
    values = np.where(values < 0, -1, values)
    largest = int(values.max(initial=-1))
    if names is not None and largest >= len(names):
        raise SubjectError(
            f"classes: expected a name for every label up to {largest}, got {len(names)} names"
        )
    if names is not None or largest < _MOST_NAMED:
        found = names or [str(i) for i in range(largest + 1)]
        return Labels(torch.from_numpy(values), tuple(found))
    present = np.unique(values[values >= 0])
    index = np.where(values < 0, -1, np.searchsorted(present, values))
    return Labels(torch.from_numpy(index), tuple(map(str, present)), numbered=False)
