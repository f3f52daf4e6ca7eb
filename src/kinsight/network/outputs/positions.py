"""Dense outputs position by position: pixels or tokens side by side, with their labels and mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction, tensor_output
from kinsight.network.outputs.reading import Unfit, given_labels

Mask = str | int | Callable[[Batch], Tensor] | None


@dataclass(frozen=True)
class Positions:
    """B samples with C numbers at each of T positions.

    Where the mask is false, scores and labels are zero: nothing there, not even a NaN, has
    influence on f or on its gradient.
    """

    scores: Tensor  # (B, T, C)
    sizes: tuple[int, ...]  # of the axes of positions, T their product
    labels: Tensor | Unfit | None  # (B, T) or (B, T, C)
    mask: Tensor | None  # (B, T), true where a position counts

    def applied(self, of: OutputFunction | None) -> Tensor:
        """What ``of`` makes of each position, or the scores as they are: (B, T, d); 0 if masked.

        ``of`` gets (B·T, C) and ``{"labels": …}`` with one row a position.
        """
        samples, count = self.scores.shape[:2]
        value = self.scores.flatten(0, 1)  # (B·T, C)
        if of is not None:
            value = of(value, {} if self.labels is None else {"labels": _by_row(self.labels)})
            if not isinstance(value, Tensor) or value.shape[:1] != (samples * count,):
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise OutputError(
                    "of: expected one number or one row for each position, shape "
                    f"({samples * count}, …), got {got}; it is applied to (positions, channels)"
                )
        rows = value.reshape(samples, count, -1)
        return rows if self.mask is None else torch.where(self.mask[..., None], rows, 0.0)

    def counted(self) -> Tensor | int:
        """How many positions of each sample count, at least one: (B, 1), or T."""
        if self.mask is None:
            return self.scores.shape[1]
        return self.mask.sum(1, keepdim=True).clamp_min(1)

    def at(self, places: Tensor) -> "Positions":
        """One position of each sample, by its number among T: (B,)."""
        here = torch.arange(self.scores.shape[1], device=places.device) == places[:, None]
        # A mask and a sum, as in reading.picked: not an index, which would look like routing.
        scores = torch.where(here[..., None], self.scores, 0.0).sum(1, keepdim=True)
        rows, labels = torch.arange(len(places), device=places.device), self.labels
        picked = labels[rows, places][:, None] if isinstance(labels, Tensor) else labels
        return replace(self, scores=scores, sizes=(1,), labels=picked)


def positions_of(outputs: Any, batch: Batch, channels: int | None, mask: Mask = None) -> Positions:
    """The network's dense output position by position, with what the batch says of each.

    Raises:
        OutputError: the output has no positions, or the mask is missing or of another shape.
    """
    value = tensor_output(outputs)
    moved = _channels_last(value, channels)  # (B, *sizes, C)
    sizes = tuple(moved.shape[1:-1])
    scores = moved.flatten(1, -2)  # (B, T, C)
    labels = _labels(batch, value, channels, sizes, mask)
    keep = None if mask is None else mask_of(batch, mask, (len(value), *sizes))
    if keep is not None:
        keep = keep.to(scores.device)
        scores = torch.where(keep[..., None], scores, 0.0)
        if isinstance(labels, Tensor):
            kept = keep if labels.dim() == 2 else keep[..., None]
            labels = torch.where(kept, labels, torch.zeros_like(labels))
    return Positions(scores, sizes, labels, keep)


def check_channels(channels: Any) -> None:
    """Refuse what cannot be an axis of channels."""
    if channels is None:
        return
    if isinstance(channels, bool) or not isinstance(channels, int) or channels == 0:
        raise ArgumentError(
            "channels: expected the axis of channels, such as 1 of (N, C, H, W) or −1 of "
            f"(N, T, V), or None where there is none, got {channels!r}"
        )


def check_mask(mask: Any) -> None:
    """Refuse what cannot be found in a batch."""
    good = mask is None or callable(mask) or isinstance(mask, (str, int))
    if not good or isinstance(mask, (bool, type)):
        raise ArgumentError(
            "mask: expected where in the batch it is, the key of a dict or the place in a tuple, "
            f"or a function of the batch, got {mask!r:.60}"
        )


def mask_of(batch: Batch, mask: Mask, shape: tuple[int, ...]) -> Tensor:
    """The mask of a batch, true where positions count: (B, T).

    Raises:
        OutputError: it is not there, or its shape is another.
    """
    found = entry(batch, mask, "mask")
    if tuple(found.shape) != shape:
        raise OutputError(
            f"expected a mask of one number a position, shape {shape}, got {tuple(found.shape)}; "
            "take an axis of channels off in a function, mask=lambda batch: …"
        )
    return (found != 0).flatten(1)


def entry(batch: Batch, place: Any, name: str) -> Tensor:
    """A tensor of the batch by its key, its number or a function.

    Raises:
        OutputError: there is none.
    """
    found = None
    if callable(place):
        found = place(batch)
    elif isinstance(place, str) and isinstance(batch, Mapping):
        found = batch.get(place)
    elif isinstance(place, int) and isinstance(batch, (tuple, list)):
        found = batch[place] if -len(batch) <= place < len(batch) else None
    if isinstance(found, Tensor):
        return found
    held = type(batch).__name__
    if isinstance(batch, Mapping):
        held = f"a dict of {', '.join(map(repr, batch))}"
    elif isinstance(batch, (tuple, list)):
        held = f"a tuple of {len(batch)}"
    raise OutputError(
        f"{name}: expected a tensor of the batch at {place!r:.60}, got none in {held}; give it "
        "with the data, as an entry of a dict or a tuple"
    )


def _channels_last(value: Tensor, channels: int | None) -> Tensor:
    axes = 2 if channels is None else 3
    if value.dim() < axes or 0 in value.shape:
        shape = "(N, positions…)" if channels is None else "(N, C, positions…)"
        raise OutputError(
            f"expected a dense output {shape}, got {tuple(value.shape)}; one without positions "
            "needs no ks.outputs.PerPosition, AtPosition, Summed or Averaged around it"
        )
    if channels is None:
        return value[..., None]
    if not -value.dim() < channels < value.dim():
        raise OutputError(
            f"channels: expected an axis of {tuple(value.shape)} other than the first, got "
            f"{channels}"
        )
    return value.movedim(channels, -1)


def _labels(
    batch: Batch, value: Tensor, channels: int | None, sizes: tuple[int, ...], mask: Mask
) -> Tensor | Unfit | None:
    if isinstance(mask, int) and isinstance(batch, (tuple, list)):
        batch = tuple(v for i, v in enumerate(batch) if i not in (mask, mask + len(batch)))
    labels = given_labels(batch)
    if not isinstance(labels, Tensor):
        return None
    if tuple(labels.shape) == (len(value), *sizes):
        return labels.flatten(1).to(value.device)  # (B, T)
    if labels.shape == value.shape and channels is not None:
        return labels.movedim(channels, -1).flatten(1, -2).to(value.device)  # (B, T, C)
    return Unfit(
        f"expected a label for each position, shape {(len(value), *sizes)}, or one for each "
        f"output, shape {tuple(value.shape)}, got {tuple(labels.shape)}"
    )


def _by_row(labels: Tensor | Unfit) -> Tensor | Unfit:
    return labels.flatten(0, 1) if isinstance(labels, Tensor) else labels
