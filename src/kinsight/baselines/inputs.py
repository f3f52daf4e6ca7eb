"""The raw inputs side by side: what is alike before any network looked."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from kinsight.baselines.baseline import FeatureBaseline
from kinsight.checks import positive
from kinsight.errors import DataError
from kinsight.network.batches import Batches
from kinsight.network.columns import plain
from kinsight.network.inputs import LABEL_KEYS


class Inputs(FeatureBaseline):
    """Cosine of the inputs, flattened: φ(x) = x.

    Of a tuple the first entry is the input, of a dict everything but the labels, side by side.

    Args:
        batch_size: samples read at once.
        memory_budget: bytes for features and results; default a quarter of the machine's.

    Raises:
        DataError: whole numbers other than bytes (tokens, classes), which have no angle.

    Example:
        >>> import torch, kinsight as ks
        >>> ks.baselines.Inputs().similarity(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        tensor([[1.0000, 0.7071],
                [0.7071, 1.0000]])
    """

    def __init__(self, *, batch_size: int = 1024, memory_budget: int | None = None):
        self.batch_size = positive("batch_size", batch_size)
        self.memory_budget = memory_budget

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """The inputs of successive batches, flattened: (B, S)."""
        for piece in data.pieces(self.batch_size):
            inputs = [_numbers(value) for value in _inputs(plain(piece.batch))]
            yield torch.cat([value.reshape(len(value), -1) for value in inputs], dim=1)


def _inputs(batch: Any) -> list[Any]:
    if isinstance(batch, Mapping):
        return [value for name, value in batch.items() if name not in LABEL_KEYS]
    return [batch[0] if isinstance(batch, (tuple, list)) else batch]


def _numbers(value: Any) -> Tensor:
    kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
    if not isinstance(value, Tensor) or not (value.is_floating_point() or kind == torch.uint8):
        raise DataError(
            f"Inputs: expected real numbers or bytes (pixels) as inputs, got {kind}; the angle "
            "between tokens or classes says nothing, compare a layer: Layer(model, 'embedding')"
        )
    return value.detach() if value.is_floating_point() else value.float()
