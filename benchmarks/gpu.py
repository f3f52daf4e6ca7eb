"""The same on a CUDA device: ResNet-18 on 50,000 images, GPT-2 on a million tokens.

    python benchmarks/gpu.py [--shrink 10] [--jobs NAME …] [--precisions float32 tf32]

Weights and inputs are made up. A pass is one forward and backward over the same inputs in batches
of --batch; time counts from an idle device to an idle device. Prints a table and writes
benchmarks/results/gpu.json with the device's name. ``--device cpu`` tries the command out.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
from peers.networks import Transformer

RESULTS = Path(__file__).parent / "results" / "gpu.json"
IMAGES, QUERIES, TOKENS, LENGTH = 50_000, 2_000, 1_000_000, 1024


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1×1 convolution where sizes change."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.short(x))


def resnet18() -> nn.Sequential:
    """ResNet-18 for images of 32×32 pixels: 11.2 million parameters."""
    sizes = (64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1)
    blocks = [Block(*size) for size in (*sizes, (256, 512, 2), (512, 512, 1))]
    first = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    return nn.Sequential(
        *first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    ).eval()


def gpt2(whole: bool = True) -> Transformer:
    """The shape of GPT-2: 12 layers, width 768, 50,257 words, the head tied to them."""
    small = {"layers": 2, "width": 64, "words": 101, "length": 64}
    full = {"layers": 12, "width": 768, "words": 50_257, "length": LENGTH}
    model = Transformer(**(full if whole else small)).eval()
    model.head.weight = model.words.weight
    return model


@dataclass(frozen=True)
class Bench:
    """A device and how much of everything is computed on it."""

    device: torch.device
    shrink: int
    batch: int

    def images(self, count: int = IMAGES) -> Tensor:
        """Made-up images of 32×32 pixels."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(max(8, count // self.shrink), 3, 32, 32, generator=generator)

    def seconds(self, job: Callable[[], object]) -> float:
        """From an idle device to an idle device."""
        self._wait()
        start = time.perf_counter()
        job()
        self._wait()
        return time.perf_counter() - start

    def one_pass(self, model: nn.Module, x: Tensor) -> float:
        """Seconds of a forward and a backward over x."""
        model = model.to(self.device)

        def work() -> None:
            for part in x.split(self.batch):
                model(part.to(self.device)).sum().backward()
            model.zero_grad()

        self.seconds(lambda: model(x[: self.batch].to(self.device)).sum().backward())  # warms up
        return self.seconds(work)

    def matrix_rate(self, dtype: torch.dtype, size: int = 8192) -> float:
        """Operations a second of a large product of random numbers."""
        size = size if self.device.type == "cuda" else 256
        a, b = torch.randn(2, size, size, device=self.device).to(dtype)
        torch.mm(a, b)
        return 2.0 * size**3 / min(self.seconds(lambda: torch.mm(a, b)) for _ in range(5))

    def kernel(self, model: nn.Module, **options: Any) -> ks.TangentKernel:
        """The kernel on the device; what its first look at a network takes is not timed."""
        return ks.TangentKernel(model, device=self.device, **options)

    def measured(self, title: str, work: Callable[[], object], unit: float) -> dict:
        """Seconds, passes and the device's peak memory of a piece of work."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        took = self.seconds(work)
        row = {"job": title, "seconds": took, "pass": unit, "passes": took / unit}
        if self.device.type == "cuda":
            row["memory"] = torch.cuda.max_memory_allocated(self.device)
        return row

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def features(bench: Bench) -> dict:
    """S = 4,096 numbers for every image; aim: 1.5 passes."""
    model, x = resnet18(), bench.images()
    unit = bench.one_pass(model, x)
    kernel = bench.kernel(model, output=ks.outputs.OwnClass())
    with tempfile.TemporaryDirectory() as folder:
        ks.sketch(kernel, x[:512], Path(folder) / "warm", dim=4096, progress=False)
        return bench.measured(
            f"features, S = 4,096, {len(x):,} images",
            lambda: ks.sketch(kernel, x, Path(folder) / "store", dim=4096, progress=False), unit,
        )  # fmt: skip


def density(bench: Bench) -> dict:
    """The exact soft density of every image; aim: 3 passes."""
    model, x = resnet18(), bench.images()
    unit = bench.one_pass(model, x)
    kernel = bench.kernel(model, output=ks.outputs.OwnClass())
    few = x[: max(8, 512 // bench.shrink)]
    rough, exact = kernel.density(few), _float64(bench, model).density(few)
    row = bench.measured(f"exact soft density, {len(x):,} images", lambda: kernel.density(x), unit)
    return row | {"error": _off(rough, exact)}


def cross(bench: Bench, queries: int = QUERIES, count: int = IMAGES,
          dtype: torch.dtype | None = None) -> dict:  # fmt: skip
    """The exact kernel of some images with all; aim: half the matrix rate of the device."""
    model, x = resnet18(), bench.images(count)
    y = bench.images(queries)
    unit = bench.one_pass(model, x)
    kernel = bench.kernel(model, output=ks.outputs.OwnClass(), products=dtype)
    few = x[: max(8, 128 // bench.shrink)]
    rough, exact = kernel.similarity(y[:16], few), _float64(bench, model).similarity(y[:16], few)
    name = f"exact {len(y):,} × {len(x):,} kernel, products in {dtype or torch.float32}"
    row = bench.measured(name.replace("torch.", ""), lambda: kernel.similarity(y, x), unit)
    return row | {"error": _off(rough, exact)} | _rate(bench, model, len(y), len(x), row, dtype)


def cross_of_kronfluence(bench: Bench, queries: int = 1000, count: int = 10_000,
                         dtype: torch.dtype | None = None) -> dict:  # fmt: skip
    """Inner products of the same gradients, by kronfluence with the strategy "identity"."""
    from peers.methods.kronfluence import pairwise  # an environment that has it

    model, x = resnet18(), bench.images(count)
    y = bench.images(queries)
    unit = bench.one_pass(model, x)
    model = model.to(bench.device)
    with torch.no_grad():
        own, own_y = (
            torch.cat([model(part.to(bench.device)).argmax(1).cpu() for part in data.split(500)])
            for data in (x, y)
        )
    name = f"kronfluence, {len(y):,} × {len(x):,}, gradients in {dtype or torch.float32}"
    row = bench.measured(
        name.replace("torch.", ""),
        lambda: pairwise(model, (y, own_y), (x, own), bench.device, dtype), unit,
    )  # fmt: skip
    return row | _rate(bench, model, len(y), len(x), row, dtype)


def text(bench: Bench) -> dict:
    """Features of a million tokens through GPT-2, samples of 1,024; aim: 1.5 passes."""
    whole = bench.device.type == "cuda"
    model = gpt2(whole)
    length = model.places.num_embeddings
    count = max(4, TOKENS // length // bench.shrink)
    tokens = torch.randint(model.words.num_embeddings, (count, length))
    small = Bench(bench.device, bench.shrink, max(1, bench.batch // 32))
    unit = small.one_pass(model, tokens)
    kernel = bench.kernel(model)
    with tempfile.TemporaryDirectory() as folder:
        ks.sketch(kernel, tokens[:16], Path(folder) / "warm", dim=2048, progress=False)
        return bench.measured(
            f"features, S = 2,048, {tokens.numel():,} tokens through "
            + ("GPT-2" if whole else "a small network of that kind"),
            lambda: ks.sketch(kernel, tokens, Path(folder) / "store", dim=2048, progress=False),
            unit,
        )


def _float64(bench: Bench, model: nn.Module) -> ks.TangentKernel:
    return bench.kernel(model, output=ks.outputs.OwnClass(), dtype=torch.float64)


def _off(rough: Tensor, exact: Tensor) -> float:
    """The largest difference, relative to the largest number."""
    return float((rough.double() - exact).abs().max() / exact.abs().max())


def _rate(
    bench: Bench, model: nn.Module, queries: int, count: int, row: dict, dtype: torch.dtype | None
) -> dict:
    """Share of the device's rate in large products of that precision."""
    operations = 2.0 * queries * count * sum(p.numel() for p in model.parameters())
    return {
        "of_matrix_rate": operations / row["seconds"] / bench.matrix_rate(dtype or torch.float32)
    }


JOBS: dict[str, Callable[[Bench], dict]] = {
    "features": features,
    "density": density,
    "cross": cross,
    "cross-bfloat16": lambda bench: cross(bench, dtype=torch.bfloat16),
    "cross-small": lambda bench: cross(bench, 1000, 10_000),
    "cross-small-bfloat16": lambda bench: cross(bench, 1000, 10_000, torch.bfloat16),
    "kronfluence": cross_of_kronfluence,
    "kronfluence-bfloat16": lambda bench: cross_of_kronfluence(bench, dtype=torch.bfloat16),
    "text": text,
}
OURS = tuple(name for name in JOBS if not name.startswith("kronfluence"))
PRECISIONS = {"float32": "ieee", "tf32": "tf32"}


def set_precision(name: str) -> None:
    """How a GPU multiplies float32: fully, or with 10 bits of each factor."""
    backends: Any = torch.backends
    for place in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        place.fp32_precision = PRECISIONS[name]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda")
    options.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(OURS))
    options.add_argument("--precisions", nargs="+", choices=list(PRECISIONS), default=["tf32"])
    options.add_argument("--shrink", type=int, default=1, help="a part of the samples")
    options.add_argument("--batch", type=int, default=256)
    asked = options.parse_args(arguments)
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here; --device cpu --shrink 1000 tries the command out")
    bench, rows = Bench(device, asked.shrink, asked.batch), []
    for precision in asked.precisions:
        set_precision(precision)
        for name in asked.jobs:
            row = {"name": name, "precision": precision, "shrink": asked.shrink}
            rows.append(row | JOBS[name](bench))
            print(line(rows[-1]), flush=True)
            if device.type == "cuda":
                keep(rows, device)


def keep(rows: list[dict], device: torch.device) -> None:
    """Write what was measured; rows of an earlier call stay where these are of others."""
    old = json.loads(RESULTS.read_text())["jobs"] if RESULTS.exists() else []
    new = {(row["name"], row["precision"]) for row in rows}
    kept = [row for row in old if (row["name"], row["precision"]) not in new]
    about = {"device": torch.cuda.get_device_name(device), "torch": torch.__version__}
    RESULTS.write_text(json.dumps(about | {"jobs": kept + rows}, indent=1) + "\n")


def line(row: dict) -> str:
    """A measured row as text."""
    share = f", {row['of_matrix_rate']:.0%} of the matrix rate" if "of_matrix_rate" in row else ""
    error = f", error {row['error']:.0e}" if "error" in row else ""
    memory = f", {row['memory'] / 2**30:.1f} GiB" if "memory" in row else ""
    return (
        f"{row['job']:64s} {row['precision']:8s} {row['seconds']:8.2f} s "
        f"{row['passes']:7.2f} passes{share}{error}{memory}"
    )


if __name__ == "__main__":
    main()
