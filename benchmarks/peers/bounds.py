"""What bounds a job on this machine: its multiplications over the matrix rate measured here."""

import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from peers.jobs import Job


def matrix_rate(size: int = 2048) -> float:
    """Operations a second of a large float32 product, the best of five."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


def copy_rate(size: int = 1 << 27) -> float:
    """Bytes a second of a copy, read and written, the best of three."""
    source = torch.empty(size, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        target.copy_(source)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size / best


def operations(job: Job, made: dict[str, Any]) -> float | None:
    """Multiplications and additions that no exact method with a gradient a sample avoids.

    Forward and backward without weight gradients (D of the latter), each sample's gradients once,
    P·D multiply-adds for each pair (half the pairs of a symmetric kernel), D² for D × D.
    """
    if job.kind not in ("gram", "cross", "trace", "matrix", "density"):
        return None
    network = made["network"]
    outputs = 1 if job.output != "all" else 10
    with FlopCounterMode(display=False) as counter:
        network(made["x"][:2])
    forward = counter.get_total_flops() / 2
    samples = job.count + job.others
    sweep = samples * forward * (1 + 2 * outputs)  # δ of every layer, then the weights' gradients
    entries = sum(p.numel() for p in network.parameters())
    if job.kind == "density":
        return 2 * sweep
    pairs = job.count * job.others if job.others else job.count**2 / 2
    return sweep + 2.0 * pairs * entries * (outputs**2 if job.kind == "matrix" else outputs)
