"""Small checks used at every border: a value among choices, a positive number, a device."""

import math
from collections.abc import Collection
from typing import Any

import torch

from kinsight.errors import ArgumentError


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """``value`` if it is among ``choices``, else an ArgumentError that lists them."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ArgumentError(f"{name}: expected one of {listed}, got {value!r}")
    return value


def positive(name: str, value: Any) -> int:
    """``value`` as an integer of at least one."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise ArgumentError(f"{name}: expected a whole number of at least 1, got {value!r}")
    return int(value)


def above_zero(name: str, value: Any) -> float:
    """``value`` as a finite number above zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise ArgumentError(f"{name}: expected a number above 0, got {value!r}")
    return number


def present_device(name: str, value: Any) -> torch.device:
    """``value`` as a device on which this machine can hold a tensor."""
    try:
        return torch.empty(0, device=value).device
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise ArgumentError(
            f"{name}: expected a device of this machine such as 'cpu', got {value!r}: {said}"
        ) from error


def floating_type(name: str, value: Any) -> torch.dtype:
    """``value`` if it is a floating-point ``torch.dtype``."""
    if not isinstance(value, torch.dtype) or not value.is_floating_point:
        raise ArgumentError(
            f"{name}: expected a floating-point type such as torch.float64, got {value!r}"
        )
    return value
