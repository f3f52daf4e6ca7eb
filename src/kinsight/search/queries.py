"""What may be asked of rows: features of anything, or rows by their numbers, a range at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.kernel.feature_source import FeatureSource


@dataclass(frozen=True)
class Asked:
    """Some of the queries."""

    rows: slice  # which of them
    features: Tensor  # (Q, S) float32, of norm 1
    bad: Tensor  # (Q,) bool, set apart
    norms: Tensor  # (Q,) √Tr K(q,q)
    own: Tensor | None = None  # (Q,) the row that is the query itself


def own_numbers(queries: Any, count: int) -> Tensor | None:
    """Row numbers, (Q,), if the queries are whole numbers; else None.

    Raises:
        ArgumentError: a number that is no row.
    """
    if isinstance(queries, FeatureSource):
        return None
    try:
        given = torch.as_tensor(queries)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _neither(f"{type(queries).__name__}") from error
    if given.is_floating_point() and given.dim() == 2:
        return None
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool or (
        given.dim() != 1 or not len(given)
    ):  # fmt: skip
        raise _neither(f"{given.dtype} of shape {tuple(given.shape)}")
    given = given.long()
    if bool(((given < 0) | (given >= count)).any()):
        raise ArgumentError(
            f"queries: expected numbers of rows from 0 to {count - 1}, got "
            f"{int(given.min())} to {int(given.max())}"
        )
    return given


def asked_features(queries: Any, width: int, step: int) -> Iterator[Asked]:
    """Features of any length, made of norm 1, ``step`` at a time."""
    source = queries if isinstance(queries, FeatureSource) else FeatureSource(queries)
    features = source.features(rank=1 << 30).float()
    if features.shape[1] != width:
        raise ArgumentError(f"queries: expected {width} features a sample, got {features.shape[1]}")
    bad = source.norms().isnan()
    for start in range(0, len(features), step):
        part = slice(start, min(start + step, len(features)))
        some = features[part].masked_fill(bad[part, None], 0)
        yield Asked(part, some, bad[part], source.norms()[part])


def _neither(got: str) -> ArgumentError:
    return ArgumentError(
        "queries: expected real numbers of shape (Q, S), whole numbers of rows (Q,), or another "
        f"source of features, got {got}"
    )
