"""How much memory a computation may take, and how many samples go through the network at once."""

import os

import torch

from kinsight.errors import ArgumentError, OutputSizeError

_LARGEST_BATCH = 128
_LARGEST_BATCH_CUDA = 512  # a GPU waits for the processor unless each call has much to do
_LARGEST_BATCH_HALF = 32  # bfloat16 tells the owners of rows apart up to here


def memory_budget(asked: int | None, device: torch.device) -> int:
    """``asked`` bytes, or a quarter of the machine's, or three quarters of a GPU's free ones.

    A machine's memory is shared with the data and with other programs; a GPU's seldom is.
    """
    if asked is not None:
        if isinstance(asked, bool) or asked < 1 << 20:
            raise ArgumentError(
                f"memory_budget: expected bytes, at least {1 << 20:,} (1 MiB), got {asked!r}"
            )
        return int(asked)
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (torch.cuda.mem_get_info(device)[0] + kept) * 3 // 4
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def batch_size_for(
    bytes_per_sample: int, budget: int, dtype: torch.dtype, device: torch.device
) -> int:
    """Samples a batch so that capturing one takes at most an eighth of the budget."""
    largest = _LARGEST_BATCH_CUDA if device.type == "cuda" else _LARGEST_BATCH
    if dtype in (torch.float16, torch.bfloat16):
        largest = _LARGEST_BATCH_HALF
    return max(1, min(largest, budget // 8 // max(bytes_per_sample, 1)))


def refuse_oversize(what: str, sizes: tuple[int, ...], itemsize: int, budget: int) -> None:
    """Raise OutputSizeError if a tensor of ``sizes`` does not fit the budget."""
    needed = itemsize
    for size in sizes:
        needed *= size
    if needed > budget:
        shape = "×".join(f"{size:,}" for size in sizes)
        raise OutputSizeError(
            f"{what} would hold {shape} numbers, {needed / 2**30:.1f} GiB, more than the memory "
            f"budget of {budget / 2**30:.1f} GiB; reduce the output (ks.outputs.OwnClass()), "
            "estimate it (output=ks.outputs.Probes() with normalization='trace'), average it over "
            "pixels or tokens (ks.outputs.Averaged()), ask for fewer samples at a time, or raise "
            "memory_budget="
        )
