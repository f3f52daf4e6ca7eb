"""What bounds a job on this machine: its multiplications over the matrix rate measured here."""

import time
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from peers.jobs import Job

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def matrix_rate(clock: str = "wall", size: int = 2048) -> float:
    """Operations a second of a large float32 product, the best of five."""
    now = CLOCKS[clock]
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(5):
        start = now()
        torch.mm(a, b)
        best = min(best, now() - start)
    return 2.0 * size**3 / best


def copy_rate(clock: str = "wall", size: int = 1 << 27) -> float:
    """Bytes a second of a copy, read and written, the best of three."""
    now = CLOCKS[clock]
    source = torch.empty(size, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(3):
        start = now()
        target.copy_(source)
        best = min(best, now() - start)
    return 2.0 * size / best


def operations(job: Job, made: dict[str, Any]) -> float | None:
    """Multiplications and additions of the cheapest exact way that is known to us.

    A forward pass and D backward passes for output-gradients, each sample's gradients once, P·D
    multiply-adds a pair (P·D² for D × D, half the pairs where symmetric). A linear layer that a
    sample uses once needs no gradients: I + D·O multiply-adds a pair (I + D²·O).
    """
    if job.kind not in ("gram", "cross", "trace", "matrix", "density"):
        return None
    network = made["network"]
    outputs = 1 if job.output != "all" else 10
    forward = _forward(network, made["x"][:2])
    samples = job.count + job.others
    sweep = samples * forward * (1 + outputs)
    if job.kind == "density":  # two sweeps, a contraction of the factors in each
        return 2 * (sweep + samples * forward * outputs)
    width = outputs**2 if job.kind == "matrix" else outputs
    once = _linear(network) if job.network != "transformer" else []
    rest = sum(p.numel() for p in network.parameters()) - sum((i + 1) * o for i, o in once)
    making = samples * outputs * (forward - 2.0 * sum(i * o for i, o in once))
    pairs = job.count * job.others if job.others else job.count**2 / 2
    return sweep + making + 2.0 * pairs * (rest * width + sum(i + width * o for i, o in once))


def _forward(network: nn.Module, x: torch.Tensor) -> float:
    """Operations of a forward pass of one sample."""
    with FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() / len(x)


def _linear(network: nn.Module) -> list[tuple[int, int]]:
    """I and O of every linear layer."""
    found = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return [(m.in_features, m.out_features) for m in found]
