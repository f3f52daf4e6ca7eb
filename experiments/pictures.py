"""Pictures for the experiments: CIFAR-10 and Fashion-MNIST as tensors, and a small network.

The folder is the one that ``--data`` names: it holds ``cifar10/`` and ``fashion_mnist/``.
"""

import gzip
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

DATA_SETS = ("fashion_mnist", "cifar10")

# For every class a similar one, in the order of the classes.
SIMILAR = {
    # T-shirt→shirt, trouser→dress, pullover→coat, dress→T-shirt, coat→pullover,
    # sandal→sneaker, shirt→T-shirt, sneaker→ankle boot, bag→pullover, ankle boot→sneaker
    "fashion_mnist": [6, 3, 4, 0, 2, 7, 0, 9, 2, 7],
    # airplane→ship, automobile→truck, bird→airplane, cat→dog, deer→horse,
    # dog→cat, frog→bird, horse→deer, ship→airplane, truck→automobile
    "cifar10": [8, 9, 0, 5, 7, 3, 2, 4, 0, 1],
}


@dataclass(frozen=True)
class Pictures:
    """N pictures, every channel with mean 0 and deviation 1 over the set, and true labels."""

    name: str
    images: Tensor  # (N, channels, height, width)
    labels: Tensor  # (N,) 0 … 9

    def __len__(self) -> int:
        return len(self.labels)


def training_pictures(folder: Path, name: str, count: int) -> Pictures:
    """The first ``count`` training images of a data set."""
    read = {"cifar10": _cifar10, "fashion_mnist": _fashion_mnist}[name]
    pixels, labels = read(folder / name, count)
    value = torch.from_numpy(pixels.copy()).float()
    value = value - value.mean((0, 2, 3), keepdim=True)
    value = value / value.std((0, 2, 3), keepdim=True)
    return Pictures(name, value.contiguous(), torch.from_numpy(labels.astype(np.int64)))


def _cifar10(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3, 32, 32) and labels (N,) of the first training batch, at most 10,000."""
    packed = lzma.decompress((folder / "data_batch_1.delta.xz").read_bytes())
    planes = np.frombuffer(packed, np.uint8).reshape(3, -1, 32, 32)[:, :count]
    planes = np.cumsum(np.cumsum(planes, 2, dtype=np.uint8), 3, dtype=np.uint8)
    planes[1] += planes[0]  # stored as G, R − G, B − G, modulo 256
    planes[2] += planes[0]
    with np.load(folder / "labels.npz") as archive:
        return planes[[1, 0, 2]].transpose(1, 0, 2, 3), archive["train"][:count]


def _fashion_mnist(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 1, 28, 28) and labels (N,), from the idx files."""
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(16 + count * 784), np.uint8, offset=16)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + count), np.uint8, offset=8)
    return pixels.reshape(-1, 1, 28, 28), labels


class SmallNetwork(nn.Module):
    """Three convolutions with batch norm, mean pooling and a linear layer: 27,000 parameters."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 24, 5, stride=2, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 32, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(64)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores: (B, 10)."""
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.max_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        return self.linear(functional.relu(self.norm3(self.conv3(x))).mean((2, 3)))


def trained(images: Tensor, labels: Tensor, epochs: int, seed: int) -> SmallNetwork:
    """A small network trained on these labels: momentum, one learning-rate cycle, flips, shifts."""
    torch.manual_seed(seed)
    model = SmallNetwork(images.shape[1]).to(memory_format=torch.channels_last)  # faster
    images = images.contiguous(memory_format=torch.channels_last)
    batches = -(-len(labels) // 64)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=epochs * batches, pct_start=0.2
    )
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(64):
            loss = functional.cross_entropy(model(_moved(images[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _moved(images: Tensor) -> Tensor:
    """Some mirrored, and the batch shifted by up to two pixels."""
    mirrored = torch.rand(len(images)) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    across, down = torch.randint(0, 5, (2,)).tolist()
    height, width = images.shape[2:]
    return functional.pad(images, (2, 2, 2, 2))[:, :, down : down + height, across : across + width]
