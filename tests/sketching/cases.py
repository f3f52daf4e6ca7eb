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


PLAN = {"dim": 64, "shard_rows": 16, "micro_batch": 8, "progress": False}


def kill_again_and_again(out: str, kills: int, samples: int) -> None:
    """Sketch in a child that is killed at a random moment, ``kills`` times, then undisturbed.

    Children are forks, so that none has to import anything. Prints how many were really killed.
    """
    torch.set_num_threads(1)
    data, ours = images(samples), kernel()
    generator = torch.Generator().manual_seed(0)
    killed = 0
    for _ in range(kills):
        pid = os.fork()
        if pid == 0:
            ks.sketch(ours, data, out, **PLAN)
            os._exit(0)
        time.sleep(0.02 + 0.25 * float(torch.rand(1, generator=generator)))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
    ks.sketch(ours, data, out, **PLAN)
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    kill_again_and_again(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
