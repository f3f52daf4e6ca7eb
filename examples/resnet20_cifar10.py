"""A trained ResNet-20 and the test images of CIFAR-10, ready for ``kinsight analyze``.

    export KINSIGHT_DATA=FOLDER
    kinsight doctor  examples/resnet20_cifar10.py:thousand
    kinsight analyze examples/resnet20_cifar10.py:thousand --out runs/cifar10

FOLDER holds ``cifar10/`` (images as lossless differences, labels.npz) and ``pretrained/`` (the
weights of github.com/akamaster/pytorch_resnet_cifar10, resnet20-12fca82f.th).
"""

import lzma
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import kinsight as ks

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def thousand() -> dict:
    """The first 1,000 test images."""
    return _test_images(1000)


def everything() -> dict:
    """All 10,000 test images."""
    return _test_images(10000)


def _test_images(count: int) -> dict:
    folder = Path(os.environ.get("KINSIGHT_DATA", ""))
    if not (folder / "cifar10").is_dir():
        raise FileNotFoundError(
            "set KINSIGHT_DATA to the folder that holds cifar10/ and pretrained/"
        )
    pixels = cifar10_pixels(folder)[:count]
    return {
        "model": resnet20(folder),
        "data": normalised(pixels),
        "labels": cifar10_labels(folder)[:count],
        "classes": CLASSES,
        "pictures": pixels,
        "output": ks.outputs.OwnClass(),  # one number a sample: fast, and enough to find suspects
        "title": f"ResNet-20 on {count:,} test images of CIFAR-10",
    }


class Block(nn.Module):
    """Two convolutions beside a shortcut; where the size changes, the shortcut is padded."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pad = (outputs - inputs) // 2 if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.pad is not None:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return functional.relu(y + x)


class ResNet20(nn.Module):
    """He et al. 2016 for CIFAR-10: 269,722 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, 1)
        self.layer2 = self._stage(16, 32, 2)
        self.layer3 = self._stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def _stage(self, inputs: int, outputs: int, stride: int) -> nn.Sequential:
        first = Block(inputs, outputs, stride)
        return nn.Sequential(first, Block(outputs, outputs, 1), Block(outputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def resnet20(folder: Path) -> ResNet20:
    """The network with its trained weights, in evaluation mode."""
    path = folder / "pretrained" / "resnet20-12fca82f.th"
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    model = ResNet20()
    model.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return model.eval()


def cifar10_pixels(folder: Path) -> np.ndarray:
    """The test images: (10000, 32, 32, 3) uint8."""
    packed = lzma.decompress((folder / "cifar10" / "test_batch.delta.xz").read_bytes())
    planes = np.frombuffer(packed, np.uint8).reshape(3, -1, 32, 32)
    planes = np.cumsum(np.cumsum(planes, 2, dtype=np.uint8), 3, dtype=np.uint8)
    planes[1] += planes[0]  # stored as G, R − G, B − G, modulo 256
    planes[2] += planes[0]
    return planes[[1, 0, 2]].transpose(1, 2, 3, 0)


def cifar10_labels(folder: Path) -> np.ndarray:
    """The test labels, 0 … 9: (10000,)."""
    with np.load(folder / "cifar10" / "labels.npz") as archive:
        return archive["test"].astype(np.int64)


def normalised(pixels: np.ndarray) -> Tensor:
    """Pixels as ResNet-20 was trained on them: (N, 3, 32, 32)."""
    value = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255
    mean, deviation = torch.tensor(MEAN)[:, None, None], torch.tensor(DEVIATION)[:, None, None]
    return ((value - mean) / deviation).contiguous()
