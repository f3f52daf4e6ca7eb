"""The one network and the one way of training of the comparison of noisy-label methods.

Whatever is compared, initialisation and batches depend on the seed alone; methods differ in the
loss. N samples, C classes, B samples of a batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CLASSES = 10
BATCH, RATE, MOMENTUM, DECAY, RISE = 64, 0.1, 0.9, 5e-4, 0.2
# Takes the class scores (B, C) of a batch and its positions (B,) in the training set.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Training:
    """Images and what a training run does with them, whatever its loss."""

    images: Tensor  # (N, channels, height, width)
    steps: int
    seed: int  # of initialisation and batches

    def run(self, loss: Loss, beside: nn.Module | None = None, times: int = 1) -> nn.Sequential:
        """A new network, trained: SGD with momentum, one cycle of the learning rate.

        Args:
            beside: parameters that the loss uses and that learn along. Their step is C times as
                long: a row of a transition matrix sees the samples of one class only.
            times: how often the number of steps.
        """
        model = network(self.images.shape[1], self.seed)
        groups = [{"params": list(model.parameters()), "lr": RATE}]
        if beside is not None:
            groups.append({"params": list(beside.parameters()), "lr": CLASSES * RATE})
        optimiser = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, [group["lr"] for group in groups], times * self.steps, pct_start=RISE
        )
        rows = batches(len(self.images), self.seed)
        images = self.images.contiguous(memory_format=torch.channels_last)  # faster
        for _ in range(times * self.steps):
            chosen = next(rows)
            optimiser.zero_grad()
            loss(model(images[chosen]), chosen).backward()
            optimiser.step()
            schedule.step()
        return model.eval()


def network(channels: int, seed: int) -> nn.Sequential:
    """Three convolutions with batch norm, mean pooling and a linear layer: 20,000 parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after, size, stride in (
            (channels, 16, 5, 2), (16, 32, 3, 2), (32, 48, 3, 1),
        ):  # fmt: skip
            convolution = nn.Conv2d(
                before, after, size, stride=stride, padding=size // 2, bias=False
            )
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        model = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, CLASSES)
        )
        return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def batches(count: int, seed: int) -> Iterator[Tensor]:
    """Endless positions (B,), a fresh order every epoch; what does not fill a batch waits."""
    generator = torch.Generator().manual_seed(seed)
    size = min(BATCH, count)
    while True:
        yield from torch.randperm(count, generator=generator)[: count // size * size].split(size)


def class_scores(model: nn.Module, images: Tensor) -> Tensor:
    """Logits of a trained network: (N, C) float64."""
    with torch.no_grad():
        return torch.cat([model(part) for part in images.split(500)]).double()


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of samples whose largest entry of (N, C) is that of the label."""
    return float((scores.argmax(1) == labels).double().mean())
