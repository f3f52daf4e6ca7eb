"""The one tensor that data consist of, where they do: what can be shown of them without help."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset


def only_tensor(data: Any) -> Tensor | None:
    """A tensor or array itself, the first of a tuple or TensorDataset; None of anything else."""
    if isinstance(data, TensorDataset):
        data = data.tensors
    first = data[0] if isinstance(data, tuple) and data else data
    if isinstance(first, np.ndarray) and first.dtype.kind == "f":
        return torch.from_numpy(first) if first.flags.writeable else torch.from_numpy(first.copy())
    return first if isinstance(first, Tensor) else None
