"""Full float32 while a network is being understood, whatever the GPU is allowed otherwise.

By PyTorch's default the convolutions of a GPU round their factors to 10 bits (TF32). Who owns a
row, and whether the rules give what autograd gives, is then hidden behind rounding. What is
computed afterwards follows the user's own setting.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Products of float32 without TF32 or bfloat16 inside; nothing changes off a GPU."""
    if device.type != "cuda":
        yield
        return
    backends: Any = torch.backends  # its attributes have no types
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "ieee"
    try:
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision
