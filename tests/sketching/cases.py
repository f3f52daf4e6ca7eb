"""Small networks and data for the tests of sketches, importable in other processes."""

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import kinsight as ks


class Net(nn.Module):
    """A convolution, a wide layer that is sketched from its factors, a normalisation, D outputs."""

    def __init__(self, outputs: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.wide = nn.Linear(6 * 36, 48)
        self.head = nn.Linear(48, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(torch.tanh(self.wide(x.flatten(1))))


def net(outputs: int = 1) -> nn.Module:
    """Always the same one."""
    torch.manual_seed(outputs)
    return Net(outputs).eval()


def images(count: int, seed: int = 0) -> Tensor:
    """Always the same ones: some alike, so that similarities differ."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(5, 2, 6, 6, generator=generator)
    noise = torch.randn(count, 2, 6, 6, generator=generator)
    return kinds[torch.arange(count) % 5] + 0.5 * noise


def kernel(outputs: int = 1, **options) -> ks.TangentKernel:
    """The kernel of the network."""
    return ks.TangentKernel(net(outputs), **options)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sketch_and_die(out: str, after: float) -> None:
    """Sketch 300 samples and be killed after so many seconds, if not done before."""
    pid = os.fork()
    if pid == 0:
        time.sleep(after)
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    torch.set_num_threads(1)
    ks.sketch(kernel(), images(300), out, dim=64, shard_rows=16, micro_batch=8, progress=False)
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sketch_and_die(sys.argv[1], float(sys.argv[2]))
