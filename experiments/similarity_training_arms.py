"""The arms of the experiment on training with similarity: one network, pairs, and the terms.

A seed fixes initialisation, pairs, random movements and validation pictures; arms differ in what
they make of them. B pairs a step, T steps.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from grey_pictures import Pictures, moved
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import kinsight as ks

STEPS = (5, 10, 20, 30, 40, 60, 80, 100, 150)  # when validation is done
LOOKS = (40, 150)  # when similarities are looked at
PROBES, MOST = 40, 16
OUTPUT = ks.outputs.OwnClass("batch")  # mask +1 and −1/(C−1)


@dataclass(frozen=True)
class Arm:
    """What is added to the cross-entropy of both pictures of each pair.

    ``sign`` is that of ks.losses: 1 asks for similar gradients (the loss gets −λ k_C), −1 for
    dissimilar ones (+λ k_C); 0: no term. ``movement``: "instead": pictures are moved at random;
    "besides": moved copies are added.
    """

    batch: int = 1
    sign: Literal[-1, 0, 1] = 0
    weight: float = 0.0
    reduce: Literal["pairs", "means"] = "pairs"
    movement: str = ""


WEIGHTS = (0.1, 0.3, 1.0)
ONE = {
    "plain": Arm(),
    **{f"apart {w:g}": Arm(sign=-1, weight=w) for w in WEIGHTS},
    **{f"alike {w:g}": Arm(sign=1, weight=w) for w in WEIGHTS},
    "moved": Arm(movement="instead"),
    "moved copies": Arm(movement="besides"),
    "three pairs": Arm(batch=3),
}
SIXTEEN = {
    "plain": Arm(16),
    "apart 1, pairs": Arm(16, -1, 1.0),
    "alike 1, pairs": Arm(16, 1, 1.0),
    "apart 1, means": Arm(16, -1, 1.0, "means"),
    "alike 1, means": Arm(16, 1, 1.0, "means"),
}
GROUPS = {"one": ONE, "sixteen": SIXTEEN}


@dataclass(frozen=True)
class Draws:
    """What a seed fixes beside the initialisation."""

    pairs: Tensor  # (T, 16, 2) positions of training pictures, equal classes within a pair
    validation: Tensor  # positions of test pictures
    probes: Tensor  # positions of test pictures whose similarities are looked at


def network(seed: int) -> nn.Sequential:
    """Two convolutions, two linear layers, PReLU between: 317,069 parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.PReLU(), nn.AvgPool2d(2),
            nn.Conv2d(32, 64, 5), nn.PReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(1024, 256), nn.PReLU(), nn.Linear(256, 10),
        )  # fmt: skip


def drawn(seed: int, data: Pictures, steps: int, validation: int) -> Draws:
    """Pairs as in the original: a class at random, then two of its pictures."""
    generator = torch.Generator().manual_seed(seed)
    members = [(data.y == label).nonzero()[:, 0] for label in range(10)]
    classes = torch.randint(10, (steps, MOST), generator=generator)
    share = torch.rand(steps, MOST, 2, generator=generator, dtype=torch.float64)
    pairs = torch.empty(steps, MOST, 2, dtype=torch.long)
    for label, own in enumerate(members):
        mine = classes == label
        pairs[mine] = own[(share[mine] * len(own)).long()]
    order = torch.randperm(len(data.test_y), generator=generator)
    return Draws(pairs, order[:validation], order[-PROBES:])


def stepping(arm: Arm, model: nn.Module, seed: int) -> Callable[[Tensor, Tensor, Tensor], None]:
    """One step of training on x, x' (B, 1, 28, 28) and their classes (B,), Adam 1e-3."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    term = None
    if arm.sign:
        term = ks.losses.SimilarityLoss(
            model, weight=arm.weight, sign=arm.sign, reduce=arm.reduce, output=OUTPUT
        )

    def step(first: Tensor, second: Tensor, labels: Tensor) -> None:
        images, targets = torch.cat([first, second]), torch.cat([labels, labels])
        if arm.movement:
            changed = moved(images, generator)
            copies = arm.movement == "besides"
            images = torch.cat([images, changed]) if copies else changed
            targets = torch.cat([targets, targets]) if copies else targets
        optimiser.zero_grad()
        loss = cross_entropy(model(images), targets)
        if term is not None:
            loss = loss + term((first, labels), (second, labels))
        loss.backward()
        optimiser.step()

    return step


def measured(arm: Arm, seed: int, data: Pictures, at: tuple[int, ...], validation: int) -> dict:
    """One run; validation after the steps ``at``."""
    model, draws = network(seed), drawn(seed, data, max(at), validation)
    step = stepping(arm, model, seed)
    said: dict = {"accuracy": [], "loss": [], "same": [], "other": []}
    for number, pairs in enumerate(draws.pairs[:, : arm.batch], 1):
        first, second = pairs.T
        step(data.x[first], data.x[second], data.y[first])
        if number in at:
            right, loss = validated(model, data, draws.validation)
            said["accuracy"].append(round(right, 4))
            said["loss"].append(round(loss, 4))
        if number in LOOKS:
            same, other = looked_at(model, data, draws.probes)
            said["same"].append(round(same, 4))
            said["other"].append(round(other, 4))
    return said


@torch.inference_mode()
def validated(model: nn.Module, data: Pictures, chosen: Tensor) -> tuple[float, float]:
    """Accuracy and cross-entropy on some test pictures."""
    # Channels last: a third faster.
    model = copy.deepcopy(model).to(memory_format=torch.channels_last)  # pyright: ignore
    images = data.test_x[chosen].contiguous(memory_format=torch.channels_last)
    scores = torch.cat([model(part) for part in images.split(50)])
    right = scores.argmax(1).eq(data.test_y[chosen]).double().mean()
    return float(right), float(cross_entropy(scores, data.test_y[chosen]))


def looked_at(model: nn.Module, data: Pictures, chosen: Tensor) -> tuple[float, float]:
    """Mean k_C of own class against the rest: pairs of equal label, and of different ones."""
    labels = data.test_y[chosen]
    k = ks.TangentKernel(model, output=OUTPUT).similarity((data.test_x[chosen], labels))
    same = labels[:, None] == labels
    different = ~torch.eye(len(labels), dtype=torch.bool)
    return float(k[same & different].mean()), float(k[~same].mean())
