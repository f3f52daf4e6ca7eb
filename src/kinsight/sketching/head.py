"""What a store of sketches was made with: its head, the same for every shard."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.provenance.digest import described, model_digest
from kinsight.provenance.machine import processor, versions
from kinsight.sketching.law import SketchError
from kinsight.sketching.sketcher import SCHEME, Sketcher

_LARGEST_MICRO, _MICRO_BYTES = 64, 1 << 30
_LARGEST_ON_GPU, _BYTES_ON_GPU = 256, 1 << 33  # it idles while the processor prepares a call
_SHARD_ROWS = 1024


@dataclass(frozen=True)
class Plan:
    """How rows are cut: together with the versions and the processor it decides the bits.

    ``micro_batch`` samples go through the network at once, ``shard_rows`` (a multiple of it) lie
    in one file; ``threads`` of torch work in each worker.
    """

    shard_rows: int
    micro_batch: int
    threads: int
    device: str


def plan_for(
    sketcher: Sketcher,
    data: Batches,
    shard_rows: int | None,
    micro_batch: int | None,
    threads: int,
) -> Plan:
    """The plan, the same on every machine and for any number of samples, so that stores merge.

    By default 64 samples at once (256 on a GPU), fewer where they would take more than 1 GiB
    (8 GiB there), and 1,024 rows a shard.
    """
    if micro_batch is None:
        on_gpu = sketcher.engine.function.device.type == "cuda"
        largest, fit = (
            (_LARGEST_ON_GPU, _BYTES_ON_GPU) if on_gpu else (_LARGEST_MICRO, _MICRO_BYTES)
        )
        micro_batch = max(1, min(largest, fit // sketcher.footprint(data)))
    if shard_rows is None:
        shard_rows = _SHARD_ROWS
    shard_rows = -(-shard_rows // micro_batch) * micro_batch
    return Plan(shard_rows, micro_batch, threads, str(sketcher.engine.function.device))


def identity_of(kernel: TangentKernel | ExactSource) -> dict[str, Any]:
    """All that the kernel's numbers depend on but the data."""
    engine = kernel.engine
    function = engine.function
    return {
        "model": model_digest(function.model),
        "output": described(function.output),
        "forward": described(function.forward) if function.forward else "the usual one",
        "parameters": list(function.selection.chosen),
        "normalization": kernel.normalization,
        "metric": engine.metric.identity,
        "outputs": engine.outputs,
        "dtype": str(function.dtype).removeprefix("torch."),
    }


def head_of(
    kernel: TangentKernel, sketcher: Sketcher, plan: Plan, error: SketchError
) -> dict[str, Any]:
    """The head of a new store."""
    return {
        "identity": identity_of(kernel),
        "sketch": {
            "dim": sketcher.dim,
            "seed": sketcher.seed,
            "scheme": SCHEME,
            "keep": "outputs" if sketcher.keep_rows else None,
            "outputs": kernel.engine.outputs if sketcher.keep_rows else 1,  # rows a sample
        },
        "plan": asdict(plan),
        "error": asdict(error),
        "versions": versions(),
        "processor": processor() if plan.device == "cpu" else _gpu(plan.device),
    }


def _gpu(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
