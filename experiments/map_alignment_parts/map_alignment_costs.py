"""What a cell costs: seconds, processor seconds, the most memory in use, on the GPU as well."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from map_alignment_cells import AGAIN, ARMS, TWIN
from map_alignment_regions import PREFIX
from pages import markdown


def costed(solve: Callable[[], dict], device: str = "cpu") -> dict:
    """What ``solve`` found, with its "cost".

    wall and processor, in seconds; resident, MiB: the most memory of this process meanwhile,
    PyTorch itself and what earlier cells left included; device, MiB: the most that tensors took
    on the GPU, without CUDA's own; None on a CPU.
    """
    reset = _begun(device)
    wall, processor = time.perf_counter(), time.process_time()
    found = solve()
    cost = {
        "wall": round(time.perf_counter() - wall, 1),
        "processor": round(time.process_time() - processor, 1),
        "resident": _resident(reset),
        "device": None,
    }
    if _on_gpu(device):
        cost["device"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    return {**found, "cost": cost}


def named(device: str) -> str:
    """What computes: the GPU's name, or cpu."""
    return torch.cuda.get_device_name(device) if _on_gpu(device) else device


def full_precision() -> None:
    """Single precision as on a CPU: no convolution or product with 10 bits of mantissa."""
    backends: Any = torch.backends  # its attributes have no types
    for place in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        place.fp32_precision = "ieee"


def _on_gpu(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _begun(device: str) -> bool:
    """Peaks set back to now; whether the kernel lets us do it."""
    if _on_gpu(device):
        torch.cuda.init()  # peaks cannot be set back before
        torch.cuda.reset_peak_memory_stats(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5): VmHWM becomes VmRSS
    except OSError:
        return False
    return True


def _resident(reset: bool) -> int:
    """MiB; of the whole life of the process where its peak could not be set back."""
    status = Path("/proc/self/status")
    if reset and status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def costs_table(cells: dict) -> str:
    """Time and memory by kind of cell."""
    kinds: dict[str, list[dict]] = {}
    on_gpu = any(cell.get("cost", {}).get("device") is not None for cell in cells.values())
    for name, cell in cells.items():
        if "cost" in cell:
            alone = " (no GPU)" if on_gpu and cell["cost"]["device"] is None else ""
            kinds.setdefault(kind(name) + alone, []).append(cell["cost"])
    lines = []
    for name, found in sorted(kinds.items()):
        column = {key: [one[key] for one in found if one[key] is not None] for key in found[0]}
        lines.append([
            name, str(len(found)),
            *(f"{np.median(column[key]):.0f} ({max(column[key]):.0f})"
              for key in ("wall", "processor")),
            *(f"{max(column[key]):,}" if column[key] else "–" for key in ("resident", "device")),
        ])  # fmt: skip
    head = ["", "cells", "wall, s", "processor, s", "resident, MiB", "GPU, MiB"]
    return markdown(head, lines)


def kind(name: str) -> str:
    """What a cell has in common with others that cost alike."""
    if name.startswith(PREFIX):
        if "error of" in name:
            return "real regions: the map's own error"
        return "real regions: " + ("one left out" if " without " in name else "training and test")
    label = name.rsplit(" ", 1)[0]
    plain = label.removesuffix(TWIN).removesuffix(AGAIN)
    if plain not in ARMS:
        return f"networks asked: {name.split(', ')[0]}"
    return "generated: " + ("training and test" if plain == label else "one round")
