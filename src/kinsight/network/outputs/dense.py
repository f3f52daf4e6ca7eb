"""Dense outputs (pixels, tokens) made one row a sample: every position, one, their sum or mean."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction
from kinsight.network.outputs.positions import (
    Mask,
    Positions,
    check_channels,
    check_mask,
    entry,
    positions_of,
)
from kinsight.network.outputs.reading import check_inner


@dataclass(frozen=True)
class _OverPositions(ABC):
    """What the outputs over all positions share."""

    of: OutputFunction | None = None
    channels: int | None = 1
    mask: Mask = None

    def __post_init__(self) -> None:
        check_inner(self.of)
        check_channels(self.channels)
        check_mask(self.mask)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        found = positions_of(outputs, batch, self.channels, self.mask)
        return self._reduced(found.applied(self.of), found)

    @abstractmethod
    def _reduced(self, rows: Tensor, found: Positions) -> Tensor: ...


@dataclass(frozen=True)
class Averaged(_OverPositions):
    """The mean over positions of what ``of`` gives at each, (B, d): K = Σ_s Σ_t K_st / T².

    Args:
        of: an output applied at each position to (B·T, C): ``OwnClass()``, ``Loss()``, …, or a
            function; None takes the C channels as they are. Labels are one a position, or one an
            output for ``Loss("squared")``.
        channels: the axis of channels: 1 of (N, C, H, W) and (N, C, L), −1 of (N, T, V), None of
            outputs without channels, (N, H, W) or (N, T).
        mask: which positions count, where not 0, with one number a position: the key in a dict,
            the place in a tuple, or a function of the batch such as ``lambda batch:
            batch[1] != 255``. Nothing at a masked position enters f. Samples with no position
            left have f = 0 and no gradient.

    Cost: d backward passes, whatever T.

    Raises:
        OutputError: the output is not dense; the mask or labels are missing or of another shape.

    Example:
        >>> import torch, kinsight as ks
        >>> scores = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]])  # (1, 2 classes, 2 positions)
        >>> ks.outputs.Averaged(ks.outputs.OwnClass())(scores, scores)
        tensor([[2.]])
    """

    def _reduced(self, rows: Tensor, found: Positions) -> Tensor:
        return rows.sum(1) / found.counted()


@dataclass(frozen=True)
class Summed(_OverPositions):
    """The sum over positions of what ``of`` gives at each, (B, d): K = Σ_s Σ_t K_st.

    Larger for samples with more positions, which matters unnormalised only. Arguments, cost and
    errors: :class:`Averaged`.
    """

    def _reduced(self, rows: Tensor, found: Positions) -> Tensor:
        return rows.sum(1)


@dataclass(frozen=True)
class PerPosition(_OverPositions):
    """What ``of`` gives at every position, (B, T·d), position by position; 0 where masked.

    Tr K = Σ_t K_tt compares each position with the same one of the other sample alone.

    Cost: D = T·d backward passes, D² numbers for K(x,x) and N²D² for ``matrix``: for few
    positions. For many, :class:`Averaged` costs d; ``Probes(m, of=PerPosition(…))`` estimates
    Tr K from m. Arguments and errors: :class:`Averaged`; too many positions for the memory raise
    OutputSizeError in the kernel.
    """

    def _reduced(self, rows: Tensor, found: Positions) -> Tensor:
        return rows.flatten(1)


@dataclass(frozen=True)
class AtPosition:
    """What ``of`` gives at one position, (B, d).

    Args:
        index: the same for all samples: a number, or a tuple with one for each axis of
            positions, from the end where negative; or one for each sample: the key in a dict or
            a function of the batch that gives whole numbers, (B,) or (B, axes). The last token
            behind which padding comes is ``lambda batch: batch["attention_mask"].sum(1) - 1``.
        of, channels: as in :class:`Averaged`.

    Cost: d backward passes.

    Raises:
        OutputError: the output is not dense, or the position lies outside.
    """

    index: int | tuple[int, ...] | str | Callable[[Batch], Tensor]
    of: OutputFunction | None = None
    channels: int | None = 1

    def __post_init__(self) -> None:
        check_inner(self.of)
        check_channels(self.channels)
        if isinstance(self.index, str) or callable(self.index):
            return
        given = self.index if isinstance(self.index, (tuple, list)) else (self.index,)
        try:
            numbers = tuple(index(i) for i in given)
        except TypeError:
            numbers = ()
        if not numbers or any(isinstance(i, bool) for i in given):
            raise ArgumentError(
                "index: expected a whole number, a tuple of them, a key of the batch or a "
                f"function of it, got {self.index!r:.60}"
            )
        object.__setattr__(self, "index", numbers)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        found = positions_of(outputs, batch, self.channels)
        return found.at(self._places(batch, found)).applied(self.of).flatten(1)

    def _places(self, batch: Batch, found: Positions) -> Tensor:
        """The position of each sample by its number among all: (B,)."""
        samples, axes = len(found.scores), len(found.sizes)
        if isinstance(self.index, tuple):
            wanted = torch.tensor([self.index]).expand(samples, -1)
        else:
            wanted = entry(batch, self.index, "index")
            wanted = wanted[:, None] if wanted.dim() == 1 else wanted
        sizes = torch.tensor(found.sizes)
        wanted = wanted.cpu()
        if tuple(wanted.shape) != (samples, axes) or wanted.is_floating_point():
            raise OutputError(
                f"index: expected {axes} whole number(s) for each of {samples} samples, one an "
                f"axis of positions {found.sizes}, got {tuple(wanted.shape)} of {wanted.dtype}"
            )
        if bool(((wanted < -sizes) | (wanted >= sizes)).any()):
            raise OutputError(
                f"index: expected a position inside {found.sizes}, got "
                f"{wanted[((wanted < -sizes) | (wanted >= sizes)).any(1)][0].tolist()}"
            )
        flat = torch.zeros(samples, dtype=torch.long)
        for axis, size in enumerate(found.sizes):
            flat = flat * size + wanted[:, axis] % size
        return flat.to(found.scores.device)
