"""Which samples of a batch are pairs: given ones, those of equal label, or x and its image."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from kinsight.errors import ArgumentError, PairError
from kinsight.network.columns import Batch, common_length, plain

Pairs = Literal["given", "labels"] | Callable[[Batch], Batch]


def joined(x: Batch, y: Batch) -> Batch:
    """Two batches of the same kind one after the other.

    Raises:
        PairError: they are not of one kind, or their samples have other shapes.
    """
    ours, kind = tree_flatten(plain(x))
    theirs, other = tree_flatten(plain(y))
    if kind != other:
        raise PairError(f"expected pairs of batches of one kind, got {kind} and {other}")
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, Tensor) and (not isinstance(b, Tensor) or a.shape[1:] != b.shape[1:]):
            got = tuple(b.shape) if isinstance(b, Tensor) else type(b).__name__
            raise PairError(
                f"expected samples of shape {tuple(a.shape[1:])} on both sides of a pair, got "
                f"{tuple(a.shape)} and {got}; pad or crop them alike"
            )
    both = [
        torch.cat([a, b.to(a)]) if isinstance(a, Tensor) else a
        for a, b in zip(ours, theirs, strict=True)
    ]
    return tree_unflatten(both, kind)


def side_by_side(x: Batch, y: Batch) -> tuple[Batch, Tensor, Tensor]:
    """Both batches in one, and sample i of x paired with sample i of y."""
    first, second = common_length(plain(x)), common_length(plain(y))
    if first != second:
        raise PairError(
            f"expected as many samples in y as in x, one partner each, got {first} and {second}"
        )
    if not first:
        raise PairError("expected at least one pair, got an empty batch; skip the term for it")
    ours = torch.arange(first)
    return joined(x, y), ours, ours + first


def of_equal_label(labels: Any, count: int) -> tuple[Tensor, Tensor]:
    """All pairs i < j of samples with the same label; missing ones (negative) pair with none.

    Raises:
        PairError: no two samples have the same label; labels missing or of another number.
    """
    if labels is None:
        raise PairError(
            "expected labels for pairs='labels', got none; call loss(x, labels=y), or name the "
            "pairs: pairs='given' and loss(x, partners)"
        )
    label = torch.as_tensor(labels).reshape(-1).cpu()
    if len(label) != count:
        raise PairError(f"expected {count} labels, one a sample, got {len(label)}")
    same = (label[:, None] == label) & ((label >= 0) | label.is_floating_point())[:, None]
    i, j = same.triu(1).nonzero(as_tuple=True)
    if not len(i):
        raise PairError(
            f"expected two samples with the same label in the batch, got {count} different ones; "
            "use larger batches, draw them by class, or skip the term for this batch"
        )
    return i, j


def chosen(batch: Batch, samples: Tensor) -> Batch:
    """Some samples of a batch, by number."""
    return tree_map(
        lambda leaf: leaf[samples.to(leaf.device)] if isinstance(leaf, Tensor) else leaf, batch
    )


def check_pairs(pairs: Any) -> None:
    """Refuse what is none of the ways to name pairs."""
    if pairs not in ("given", "labels") and not callable(pairs):
        raise ArgumentError(
            f"pairs: expected 'given', 'labels' or a function from a batch to its partners, got "
            f"{pairs!r:.60}"
        )
