"""What the exact kernel costs in training passes: ResNet-20 on CIFAR-10, side by side in one run.

    python benchmarks/passes.py --data FOLDER [--gram 300] [--density 5000] [--repeat 3]

A pass is one forward and backward over the same images in the same run, alternating with what is
measured. Prints a table, writes it with the environment to benchmarks/results/passes.json and as a
page to docs/measurements.md.
"""

import argparse
import ctypes
import json
import platform
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from resnet20_cifar10 import cifar10_pixels, normalised, resnet20

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "measurements.md"

INTRODUCTION = """\
# Measurements

Written by `python benchmarks/passes.py --data FOLDER` on {processor}, {threads} threads, PyTorch \
{torch}, Python {python}. ResNet-20 (270,000 parameters), CIFAR-10 test images, float32.

- A *pass* is one forward and backward over the same images in batches of 100, as training would \
do it, measured in the same run, alternating with the job; the least time of each counts.
- *Memory* is the peak of resident memory during the job, above that before it.
- *Error* is against float64: of similarities absolute, of densities relative. The median is \
rounding. The largest is a ReLU whose input lies within rounding of zero, so that float32 and \
float64 differentiate two different networks; no float32 method can avoid it.

| job | seconds | passes | memory | median error | largest error |
|---|---|---|---|---|---|
"""


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--gram", type=int, default=300)
    options.add_argument("--density", type=int, default=5000)
    options.add_argument("--repeat", type=int, default=3)
    asked = options.parse_args()
    model = resnet20(asked.data)
    images = normalised(cifar10_pixels(asked.data)[: max(asked.gram, asked.density)])
    rows = [
        gram(model, images[: asked.gram], asked.repeat),
        density(model, images[: asked.density // 4], max(1, asked.repeat - 1)),
        density(model, images[: asked.density], max(1, asked.repeat - 1)),
        all_outputs(model, images[: asked.gram], "trace"),
        all_outputs(model, images[: asked.gram], "whitened"),
    ]
    print(table(rows))
    RESULTS.mkdir(exist_ok=True)
    report = {"environment": environment(), "jobs": rows}
    (RESULTS / "passes.json").write_text(json.dumps(report, indent=1) + "\n")
    PAGE.write_text(INTRODUCTION.format(**report["environment"]) + "".join(map(line, rows)))


def line(row: dict) -> str:
    """A measured row of the page."""
    return (
        f"| {row['job']} | {row['seconds']:.1f} | {row['passes']:.1f} | "
        f"{row['memory_mib']:,.0f} MiB | {row['median_error']:.0e} | {row['largest_error']:.0e} |\n"
    )


def table(rows: list[dict]) -> str:
    """The measured rows as text."""
    lines = [f"{'job':34s}  seconds   pass passes   memory  median err  largest"]
    for row in rows:
        lines.append(
            f"{row['job']:34s} {row['seconds']:8.2f} {row['pass_seconds']:6.2f} "
            f"{row['passes']:6.2f} {row['memory_mib']:5.0f}MiB {row['median_error']:11.1e} "
            f"{row['largest_error']:8.1e}"
        )
    return "\n".join(lines)


def gram(model: nn.Module, images: Tensor, repeat: int) -> dict:
    """All similarities of N images; error against float64 on the first 64."""
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass())
    exact = ks.TangentKernel(model, output=ks.outputs.OwnClass(), dtype=torch.float64)
    row = side_by_side(model, images, lambda: kernel.similarity(images), repeat)
    few = images[:64]
    error = (kernel.similarity(few).double() - exact.similarity(few.double())).abs()
    return {"job": f"exact Gram, {len(images):,} images", **row, **summary(error)}


def all_outputs(model: nn.Module, images: Tensor, normalization: str) -> dict:
    """All similarities through all ten logits; error against float64 on the first 16."""
    kernel = ks.TangentKernel(model, normalization=normalization)
    exact = ks.TangentKernel(model, normalization=normalization, dtype=torch.float64)
    row = side_by_side(model, images, lambda: kernel.similarity(images), 1)
    few = images[:16]
    error = (kernel.similarity(few).double() - exact.similarity(few.double())).abs()
    name = f"ten logits, {normalization}, {len(images):,} images"
    return {"job": name, **row, **summary(error)}


def density(model: nn.Module, images: Tensor, repeat: int) -> dict:
    """Soft density of N images; error against the sum of exact similarities, on the first 64."""
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass())
    exact = ks.TangentKernel(model, output=ks.outputs.OwnClass(), dtype=torch.float64)
    row = side_by_side(model, images, lambda: kernel.density(images), repeat)
    few = images[:64]
    expected = exact.similarity(few.double()).sum(1)
    error = ((kernel.density(few).double() - expected) / expected).abs()
    return {"job": f"exact soft density, {len(images):,} images", **row, **summary(error)}


def summary(error: Tensor) -> dict:
    """Median and largest error. The largest is a ReLU that flips between float32 and float64."""
    return {"median_error": float(error.median()), "largest_error": float(error.max())}


def side_by_side(model: nn.Module, images: Tensor, job: Callable, repeat: int) -> dict:
    """Alternate passes and jobs; the least time of each counts."""
    one_pass(model, images[:100])
    passes, jobs = [], []
    with PeakMemory() as peak:
        for _ in range(repeat):
            passes.append(seconds(lambda: one_pass(model, images)))
            ctypes.CDLL(None).malloc_trim(0)  # what the pass freed is no part of the job's base
            peak.reset()
            jobs.append(seconds(job))
    return {
        "seconds": min(jobs),
        "pass_seconds": min(passes),
        "passes": min(jobs) / min(passes),
        "memory_mib": peak.above / 2**20,
    }


def one_pass(model: nn.Module, images: Tensor) -> None:
    """One forward and backward in batches of 100, as training would."""
    for start in range(0, len(images), 100):
        model(images[start : start + 100]).sum().backward()
    model.zero_grad()


def seconds(job: Callable) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


class PeakMemory:
    """The most resident memory above that at the last reset, sampled every 5 ms."""

    def __enter__(self) -> "PeakMemory":
        self.above, self._base, self._running = 0, resident(), True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def reset(self) -> None:
        self._base, self.above = resident(), 0

    def _watch(self) -> None:
        while self._running:
            self.above = max(self.above, resident() - self._base)
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._running = False
        self._thread.join()


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def environment() -> dict:
    """What the numbers depend on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.processor(),
    )  # fmt: skip
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
