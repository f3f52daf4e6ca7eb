"""Tensors side by side, one row a sample: what a tuple or a mapping of data is read as."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from kinsight.errors import DataError

Batch = Any  # a tensor, or a tuple / list / mapping of tensors


def as_columns(data: Any, name: str = "the data") -> Batch:
    """``data`` with arrays as tensors over the same memory and mappings of any kind as dicts.

    Raises:
        DataError: it holds something that is neither; a list of numbers or texts, for example.
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray):
        return _from_array(data, name)
    if isinstance(data, Mapping):
        return {key: as_columns(value, f"{name}[{key!r}]") for key, value in data.items()}
    if isinstance(data, (tuple, list)):
        parts = [as_columns(value, f"{name}[{i}]") for i, value in enumerate(data)]
        return _like(data, parts)
    raise DataError(
        f"expected tensors or arrays in a tuple or mapping of data, got {type(data).__name__} for "
        f"{name}; wrap numbers with torch.as_tensor and leave out what the network does not "
        "read. Samples one by one go in a list"
    )


def plain(batch: Batch) -> Batch:
    """The batch with mappings of any kind as dicts, into which torch's own functions can look."""
    if isinstance(batch, Mapping):
        return {key: plain(value) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return _like(batch, [plain(value) for value in batch])
    return batch


def common_length(batch: Batch) -> int:
    """The first dimension, which all tensors of the batch must share.

    Raises:
        DataError: they do not, or there is none.
    """
    tensors = [leaf for leaf in tree_flatten(plain(batch))[0] if isinstance(leaf, Tensor)]
    if not tensors:
        raise DataError("expected a batch that holds tensors, got none")
    if any(t.dim() == 0 for t in tensors):
        raise DataError(
            "expected tensors whose first dimension counts samples, got one without dimensions; "
            "a single sample needs x[None]"
        )
    lengths = {t.shape[0] for t in tensors}
    if len(lengths) > 1:
        raise DataError(
            f"expected tensors of one length, got first dimensions {sorted(lengths)}; "
            "every tensor must hold one row per sample"
        )
    return lengths.pop()


def _like(sequence: tuple | list, parts: list) -> tuple | list:
    if isinstance(sequence, list):
        return parts
    make: Any = getattr(sequence, "_make", tuple)  # a named tuple stays one
    return make(parts)


def _from_array(array: np.ndarray, name: str) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.as_tensor(array)  # it is only read
    except (TypeError, ValueError) as error:
        raise DataError(
            f"expected arrays that torch can read, got {name} of type {array.dtype}: {error}; "
            "copy it with a type of torch, for example array.astype('float32')"
        ) from error
