"""The same on a CUDA device: ResNet-18 on 50,000 images, GPT-2 on a million tokens.

    python benchmarks/gpu.py [--shrink 10] [--jobs NAME …] [--device cuda]

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


def gpt2(shrink: int) -> Transformer:
    """The shape of GPT-2: 12 layers, width 768, 50,257 words, the head tied to them."""
    small = {"layers": 2, "width": 64, "words": 101, "length": 64}
    full = {"layers": 12, "width": 768, "words": 50_257, "length": LENGTH}
    model = Transformer(**(full if shrink == 1 else small)).eval()
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
        return torch.randn(max(16, count // self.shrink), 3, 32, 32, generator=generator)

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

    def matrix_rate(self, dtype: torch.dtype, size: int = 4096) -> float:
        """Operations a second of a large product."""
        size = size if self.device.type == "cuda" else 256
        a, b = torch.randn(2, size, size, device=self.device).to(dtype)
        torch.mm(a, b)
        return 2.0 * size**3 / min(self.seconds(lambda: torch.mm(a, b)) for _ in range(5))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def features(bench: Bench) -> dict:
    """S = 4,096 numbers for every image; aim: 1.5 passes."""
    model, x = resnet18(), bench.images()
    unit = bench.one_pass(model, x)
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass(), device=bench.device)
    with tempfile.TemporaryDirectory() as folder:
        took = bench.seconds(
            lambda: ks.sketch(kernel, x, Path(folder) / "store", dim=4096, progress=False)
        )
    return {"job": f"features, S = 4,096, {len(x):,} images", "seconds": took, "pass": unit}


def density(bench: Bench) -> dict:
    """The exact soft density of every image; aim: 3 passes."""
    model, x = resnet18(), bench.images()
    unit = bench.one_pass(model, x)
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass(), device=bench.device)
    took = bench.seconds(lambda: kernel.density(x))
    return {"job": f"exact soft density, {len(x):,} images", "seconds": took, "pass": unit}


def cross(bench: Bench, dtype: torch.dtype = torch.float32) -> dict:
    """The exact kernel of some images with all; aim: half the matrix rate of the device."""
    model, x = resnet18(), bench.images()
    queries = bench.images(QUERIES)
    unit = bench.one_pass(model, x)
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass(), device=bench.device, dtype=dtype)
    took = bench.seconds(lambda: kernel.inner(queries, x))
    entries = sum(p.numel() for p in model.parameters())
    rate = 2.0 * len(queries) * len(x) * entries / took
    return {"job": f"exact {len(queries):,} × {len(x):,} kernel, {dtype}".replace("torch.", ""),
            "seconds": took, "pass": unit, "of_matrix_rate": rate / bench.matrix_rate(dtype)
            }  # fmt: skip


def text(bench: Bench) -> dict:
    """Features of a million tokens through GPT-2, samples of 1,024; aim: 1.5 passes."""
    model = gpt2(bench.shrink)
    length = model.places.num_embeddings
    count = max(4, TOKENS // length // bench.shrink)
    tokens = torch.randint(model.words.num_embeddings, (count, length))
    small = Bench(bench.device, bench.shrink, max(1, bench.batch // 32))
    unit = small.one_pass(model, tokens)
    kernel = ks.TangentKernel(model, device=bench.device)
    with tempfile.TemporaryDirectory() as folder:
        took = bench.seconds(
            lambda: ks.sketch(kernel, tokens, Path(folder) / "store", dim=2048, progress=False)
        )
    return {"job": f"features, S = 2,048, {tokens.numel():,} tokens through GPT-2",
            "seconds": took, "pass": unit}  # fmt: skip


JOBS: dict[str, Callable[[Bench], dict]] = {
    "features": features,
    "density": density,
    "cross": cross,
    "cross-bfloat16": lambda bench: cross(bench, torch.bfloat16),
    "text": text,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda")
    options.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    options.add_argument("--shrink", type=int, default=1, help="a part of the samples")
    options.add_argument("--batch", type=int, default=256)
    asked = options.parse_args(arguments)
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here; --device cpu --shrink 1000 tries the command out")
    bench = Bench(device, asked.shrink, asked.batch)
    rows = []
    for name in asked.jobs:
        rows.append(JOBS[name](bench))
        rows[-1]["passes"] = rows[-1]["seconds"] / rows[-1]["pass"]
        print(line(rows[-1]), flush=True)
    if device.type == "cuda":
        about = {"device": torch.cuda.get_device_name(device), "torch": torch.__version__,
                 "shrink": asked.shrink}  # fmt: skip
        RESULTS.write_text(json.dumps(about | {"jobs": rows}, indent=1) + "\n")


def line(row: dict) -> str:
    """A measured row as text."""
    share = f", {row['of_matrix_rate']:.0%} of the matrix rate" if "of_matrix_rate" in row else ""
    return f"{row['job']:60s} {row['seconds']:9.2f} s  {row['passes']:6.2f} passes{share}"


if __name__ == "__main__":
    main()
