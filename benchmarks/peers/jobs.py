"""The jobs of the benchmark: which network, which inputs, what is computed, what is hoped for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from peers.networks import network

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Job:
    """One row of the benchmark; the letters are those of :class:`peers.tasks.Task`."""

    title: str
    kind: str
    network: str
    output: str
    count: int  # N
    goal: str
    reach: float | None = None  # passes that we aim at
    others: int = 0  # M, of the second set
    dim: int = 0
    pixels: tuple[int, ...] = ()  # shape of a made-up input; () is tokens
    sizes: dict[str, int] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    def shrunk(self, by: int) -> "Job":
        """The same with a ``by``-th of the samples, for trying things out."""
        changed = {"count": max(12, self.count // by), "others": self.others and
                   max(12, self.others // by)}  # fmt: skip
        if self.network == "transformer" and by > 1:
            changed["title"] = f"{self.title} (a small network of that shape)"
            changed["sizes"] = {"layers": 2, "width": 64, "words": 97, "length": 32}
        return Job(**{**self.__dict__, **changed})


_GRADIENTS = ("kinsight", "torch_func", "nngeometry", "kronfluence", "dattri", "captum")
_IMAGE, _DIGIT = (3, 32, 32), (1, 28, 28)

JOBS = {
    "gram": Job(
        "exact Gram, ResNet-20, 300 images, own class", "gram", "resnet20", "own", 300,
        "2.5 passes, better 2.0", 2.5, pixels=_IMAGE, packages=(*_GRADIENTS, "neural_tangents"),
    ),
    "trace": Job(
        "exact trace kernel (D = 10), MLP 784-512-256-10, 1,000 inputs", "trace", "mlp", "all",
        1000, "9 passes", 9.0, pixels=_DIGIT,
        packages=("kinsight", "torch_func", "nngeometry", "neural_tangents"),
    ),
    "trace-300": Job(
        "exact trace kernel, the same network, 300 inputs", "trace",
        "mlp", "all", 300, "–", pixels=_DIGIT,
        packages=("kinsight", "torch_func", "nngeometry", "neural_tangents"),
    ),
    "matrix": Job(
        "exact D × D kernel, the same network, 1,000 inputs", "matrix", "mlp", "all", 1000,
        "50 passes", 50.0, pixels=_DIGIT,
        packages=("kinsight", "torch_func", "nngeometry", "neural_tangents"),
    ),
    "matrix-300": Job(
        "exact D × D kernel, the same network, 300 inputs", "matrix",
        "mlp", "all", 300, "–", pixels=_DIGIT,
        packages=("kinsight", "torch_func", "nngeometry", "neural_tangents"),
    ),
    "cross": Job(
        "exact 100 × 1,000 cross kernel, small CNN, own class", "cross", "small_cnn", "own", 100,
        "a third of the best peer", others=1000, pixels=_DIGIT,
        packages=("kinsight", "torch_func", "kronfluence", "dattri", "captum", "neural_tangents"),
    ),
    "density": Job(
        "exact soft density, ResNet-20, 10,000 images", "density", "resnet20", "own", 10_000,
        "2.5 passes", 2.5, pixels=_IMAGE, packages=("kinsight",),
    ),
    "features": Job(
        "features, S = 2,048, ResNet-20, 1,000 images", "features", "resnet20", "own", 1000,
        "1.5 passes", 1.5, dim=2048, pixels=_IMAGE, packages=("kinsight", "traker"),
    ),
    "transformer": Job(
        "exact Gram, Transformer (6 layers, width 384), 32 samples of 256 tokens", "gram",
        "transformer", "itself", 32, "half of the best peer", packages=(*_GRADIENTS, "bergson"),
    ),
    "transformer-features": Job(
        "features, S = 2,048, the same Transformer, 64 samples", "features", "transformer",
        "itself", 64, "half of the best peer", dim=2048, packages=("kinsight", "traker", "bergson"),
    ),
    "loss": Job(
        "training step with a similarity term on batch means, ResNet-20, batch of 64", "loss",
        "resnet20", "own", 64, "2.2 plain steps", 2.2, pixels=_IMAGE, packages=("kinsight",),
    ),
    "queries": Job(
        "ten new queries against 10,000 stored samples, S = 2,048, ResNet-20", "queries",
        "resnet20", "own", 10_000, "under a second", others=10, dim=2048, pixels=_IMAGE,
        packages=("kinsight",),
    ),
}  # fmt: skip


def materials(job: Job, data: Path | None) -> tuple[nn.Module, dict[str, Tensor]]:
    """The network with weights, and inputs: made up, or from ``data`` where there are some."""
    torch.manual_seed(0)
    made = network(job.network, job.sizes)
    total = job.count + job.others
    x = _images(job, made, total, data)
    if x is None:
        x = _made_up(job, total)
    inputs = {"x": x[: job.count]}
    if job.others:
        inputs["y"] = x[job.count :]
    for name, key in (("x", "own"), ("y", "own_y")):
        if name in inputs:
            inputs[key] = _own(made, inputs[name])
    return made, inputs


def _made_up(job: Job, count: int) -> Tensor:
    if job.pixels:
        return torch.randn(count, *job.pixels)
    words, length = job.sizes.get("words", 8192), job.sizes.get("length", 256)
    return torch.randint(words, (count, length))


def _images(job: Job, made: nn.Module, count: int, data: Path | None) -> Tensor | None:
    """Weights and images from ``data``: CIFAR-10 for the ResNet-20."""
    if data is None or job.network != "resnet20":
        return None
    sys.path.append(str(EXAMPLES))
    import resnet20_cifar10 as cifar

    made.load_state_dict(cifar.resnet20(data).state_dict())
    pixels = cifar.cifar10_pixels(data)
    return cifar.normalised(pixels[[i % len(pixels) for i in range(count)]])


def _own(made: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The class that the network gives: (N,)."""
    with torch.no_grad():
        return torch.cat([made(part).argmax(-1) for part in x.split(100)])
