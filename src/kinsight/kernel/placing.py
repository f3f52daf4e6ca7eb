"""Where a layer's positions lie on its input: maps of shares spread over pixels or tokens.

Every position hands its whole share on to the places around its own, so that sums stay what they
are. Positions are matched with places evenly, border to border, as convolutions lay them that pad
their input by half a kernel; those without padding are shown stretched by the border they lose. A
position of a deep layer sees far more than where it is shown (its receptive field).
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_flatten

from kinsight.checks import positive
from kinsight.errors import ArgumentError

_FEW_CHANNELS = 4  # an image has at most so many where the network reads channels last
Size = tuple[int, ...]


def spread(values: Tensor, size: Size) -> Tensor:
    """Shares by position, (*sizes), as shares by place, (*size): linear along each axis."""
    for axis, places in enumerate(size):
        values = (values.movedim(axis, -1) @ _hats(values.shape[axis], places)).movedim(-1, axis)
    return values


def _hats(positions: int, places: int) -> Tensor:
    """How each position divides its share among the places: (positions, places), rows sum to 1."""

    def linear(enter: int, leave: int) -> Tensor:
        eye = torch.eye(enter, dtype=torch.float64)[None]
        return functional.interpolate(eye, leave, mode="linear", align_corners=False)[0]

    if places < positions:
        return linear(places, positions).T
    value = linear(positions, places)
    return value / value.sum(1, keepdim=True)


def place(values: Tensor, grid: bool, size: Size, grids: set[Size], skip: int) -> Tensor | None:
    """One use's map on the input, (*size); None where its positions are not places of the input.

    Args:
        grid: the positions are a convolution's. Others come in one row, and are laid on a grid
            of as many positions, row by row: the input's own, or that of a convolution.
        grids: all sizes of convolutions' outputs.
        skip: positions of a row that come before those with a place.
    """
    if values.numel() == 1:  # sees all of the input
        return None
    if grid:
        return spread(values, size) if values.dim() == len(size) else None
    row = values[skip:]
    fitting = {s for s in {size, *grids} if len(s) == len(size) and prod(s) == len(row)}
    fitting = {size} if size in fitting else fitting
    return spread(row.reshape(fitting.pop()), size) if len(fitting) == 1 else None


def with_places(batch: Any) -> Tensor | None:
    """The first tensor of a batch of one that has places: (1, T) whole numbers, or 3 axes up."""
    for leaf in tree_flatten(batch)[0]:
        if isinstance(leaf, Tensor):
            tokens = leaf.dim() == 2 and not leaf.is_floating_point()
            if tokens or leaf.dim() > 2:
                return leaf
    return None


def channels_last(value: Tensor) -> bool:
    """Whether an image of four axes or more has its channels at the end."""
    return value.shape[-1] <= _FEW_CHANNELS < value.shape[1]


def size_of(batch: Any, maps: Iterable[Size]) -> Size | None:
    """The places of an input: (T,) of tokens or of a sequence, (H, W) of an image; None if none.

    ``maps``: shapes of the layers' maps, by which the axis of a sequence is known.
    """
    value = with_places(batch)
    if value is None:
        return None
    if value.dim() == 2:
        return (value.shape[1],)
    if value.dim() > 3:
        return tuple(value.shape[1:-1] if channels_last(value) else value.shape[2:])
    found = {(n,) for n in value.shape[1:]} & set(maps)
    return found.pop() if len(found) == 1 else None


def checked(size: Size) -> Size:
    """``size`` as whole numbers of at least 1, one for each axis."""
    if not isinstance(size, Sequence) or isinstance(size, str) or not size:
        raise ArgumentError(f"size: expected numbers of places such as (32, 32), got {size!r}")
    return tuple(positive("size", places) for places in size)


def refuse_placeless(batch: Any) -> NoReturn:
    """Raise ArgumentError: it is not clear what the places of an input are."""
    value = with_places(batch)
    got = "no such tensor" if value is None else f"shape {tuple(value.shape)}"
    raise ArgumentError(
        "size: expected an input with places (an image, tokens, a sequence as long as a layer's "
        f"map), got {got}; say what its places are: size=(H, W) or size=(T,)"
    )
