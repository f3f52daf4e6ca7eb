"""Labels of any kind as class indices with names, missing ones marked; or as real numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.files import storable

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
    if isinstance(given, Tensor):
        values = given.detach().cpu().numpy()
    else:  # a list stays as it is: as an array of texts, a missing one would become "nan"
        values = np.asarray(given, None if hasattr(given, "dtype") else object)
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
    values = [_plain(v) for v in values]
    known = [v for v in values if not _is_missing(v)]
    if all(isinstance(v, int) for v in known):
        numbers = [-1 if _is_missing(v) else int(v) for v in values]
        if max(map(abs, numbers)) >= 1 << 63:
            raise SubjectError(
                "labels: expected whole numbers of at most 63 bits, got "
                f"{max(numbers, key=abs)}; pass them as names, with str"
            )
        return _from_numbers(np.array(numbers, np.int64), names)
    if all(isinstance(v, (int, float)) for v in known):
        real = [math.nan if _is_missing(v) else float(v) for v in values]
        return Labels(None, (), torch.tensor(real, dtype=torch.float64))
    if all(isinstance(v, str) for v in known):
        found = names if names is not None else sorted(set(known))
        place = {name: i for i, name in enumerate(found)}
        strange = next((v for v in known if v not in place), None)
        if strange is not None:
            raise SubjectError(f"labels: {strange!r} is not among the classes {found[:8]}")
        index = torch.tensor([-1 if _is_missing(v) else place[v] for v in values])
        return Labels(index, tuple(map(storable, found)), numbered=names is not None)
    kinds = sorted({type(v).__name__ for v in known})
    raise SubjectError(f"labels: expected whole numbers or names, got {', '.join(kinds)}")


def _plain(value: Any) -> Any:
    """A number out of a scalar of numpy or torch; anything else as it is."""
    single = isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1)
    return value.item() if single else value


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # the latter two: pandas
        return True
    return isinstance(value, float) and math.isnan(value)


def _from_numbers(values: np.ndarray, names: list[str] | None) -> Labels:
    values = np.where(values < 0, -1, values)
    largest = int(values.max(initial=-1))
    if names is not None and largest >= len(names):
        raise SubjectError(
            f"classes: expected a name for every label up to {largest}, got {len(names)} names"
        )
    if names is not None or largest < _MOST_NAMED:
        found = names or [str(i) for i in range(largest + 1)]
        return Labels(torch.from_numpy(values), tuple(map(storable, found)))
    present = np.unique(values[values >= 0])
    index = np.where(values < 0, -1, np.searchsorted(present, values))
    return Labels(torch.from_numpy(index), tuple(map(str, present)), numbered=False)
