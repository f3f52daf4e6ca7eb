"""Before answers are compared: may autograd record, do samples stay as they are, does f run?"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from kinsight.errors import DataError, KinsightError, NetworkError
from kinsight.network.batches import Batches
from kinsight.network.columns import Batch
from kinsight.network.function import NetworkFunction

_READS = 4  # an augmentation that acts on every second reading escapes once in eight


def check_data(data: Batches, chosen: Sequence[int]) -> None:
    """Read some samples several times: they must be the same each time.

    Cost: each of them is read four times, where they come from a data set; else nothing.

    Raises:
        NetworkError: under ``torch.inference_mode()``, which forbids all gradients.
        DataError: a sample differs from one reading to the next.
    """
    if torch.is_inference_mode_enabled():
        raise NetworkError(
            "expected a place where autograd can record, got torch.inference_mode(); leave it "
            "for the calls of kinsight (torch.no_grad() may stay)"
        )
    for index in () if data.stored else chosen:
        first = data.take([index])
        if not all(_same(first, data.take([index])) for _ in range(_READS - 1)):
            raise DataError(
                f"expected the same sample each time it is read, but for sample {index} the data "
                "set gives another sample each time: random augmentation or noise; take the "
                "augmentation out, or fix its seed for every sample"
            )


def first_rows(function: NetworkFunction, batch: Batch) -> Tensor:
    """f of the first batch that the network sees: (B, D).

    Raises:
        NetworkError: the network cannot run on it.
    """
    try:
        outputs = function.outputs(batch)
    except (KinsightError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise NetworkError(
            f"the network could not run on samples of {_described(batch)}: "
            f"{type(error).__name__}: {error}; check shape and dtype of the data, or pass "
            "forward=lambda model, batch: outputs"
        ) from error
    return function.to_rows(outputs, batch)


def _described(batch: Batch) -> str:
    tensors = [leaf for leaf in tree_flatten(batch)[0] if isinstance(leaf, Tensor)]
    return ", ".join(f"shape {tuple(t.shape[1:])} and {t.dtype}" for t in tensors[:4])


def _same(first: Any, second: Any) -> bool:
    pairs = zip(tree_flatten(first)[0], tree_flatten(second)[0], strict=False)
    return all(_equal(a, b) for a, b in pairs if isinstance(a, Tensor))


def _equal(a: Tensor, b: Any) -> bool:
    if not isinstance(b, Tensor) or a.shape != b.shape:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())  # NaN stays NaN
