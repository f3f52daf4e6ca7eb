"""Training rounds: teach the network on a noisy map, realign the map with it, teach it again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from kinsight.alignment.applying import SCALES, Passes, align
from kinsight.alignment.network import AlignmentNetwork, NetworkSize
from kinsight.alignment.patches import Displacements, Patches, cut
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.pyramid import Pyramid
from kinsight.checks import above_zero, positive, present_device
from kinsight.errors import ArgumentError, DataError
from kinsight.progress import bar


@dataclass(frozen=True)
class Training:
    """How the rounds go.

    Args:
        steps: of the optimiser in each round; the length says how many rounds there are. From the
            second on, training goes on with the network of the round before.
        batch: patches a step.
        side: of a patch, in pixels of its scale; a multiple of 8.
        rate: of Adam; it falls to a hundredth along a cosine in each round. Rounds after the
            first begin with half of it, as they go on with a trained network.
        segmentation: weight of the cross-entropy of the classes beside the squared error of the
            displacement; 0: displacement alone, as the theory of self-denoising needs.
        displacements: known displacements that training adds.
        mirrored: patches are mirrored and turned at random. That turns a shift which all labels
            have in common into one of no direction, which averages out; without it, it stays.
        light: strength of random changes of contrast, brightness and colour of patches, see
            ``relit``; 0: none.
        folds: networks of a round. 1: one, which realigns the labels that it was taught and has
            partly learnt by heart. k > 1: the map of every k-th image is realigned by a network
            that was taught by the other images; k times the work, and k networks. After the first
            round these are taught by labels that the image's own labels helped to realign.
        passes: how the map is realigned after each round.
        seed: of weights, patches and displacements.
        device: where the network runs.
        size: of the network.

    Raises:
        ArgumentError.
    """

    steps: tuple[int, ...] = (700, 350, 350)
    batch: int = 16
    side: int = 96
    rate: float = 2e-3
    segmentation: float = 1.0
    displacements: Displacements = field(default_factory=Displacements)
    mirrored: bool = True
    light: float = 0.0
    folds: int = 1
    passes: Passes = field(default_factory=Passes)
    seed: int = 0
    device: str = "cpu"
    size: NetworkSize = field(default_factory=NetworkSize)

    def __post_init__(self) -> None:
        if not self.steps or any(positive("steps", count) < 1 for count in self.steps):
            raise ArgumentError(f"steps: expected one number for each round, got {self.steps!r}")
        positive("batch", self.batch)
        positive("folds", self.folds)
        above_zero("rate", self.rate)
        present_device("device", self.device)
        if not 0 <= self.segmentation < float("inf"):
            raise ArgumentError(f"segmentation: expected at least 0, got {self.segmentation!r}")
        if not 0 <= self.light < 1:
            raise ArgumentError(f"light: expected 0 or more and below 1, got {self.light!r}")
        if positive("side", self.side) % 8:
            raise ArgumentError(f"side: expected a multiple of 8, got {self.side}")


class Learner:
    """A network under training, and where it stands.

    Patches of a step come from (seed, round, step) alone: a learner that goes on from a
    checkpoint sees what it would have seen.
    """

    def __init__(self, images: Sequence[np.ndarray], training: Training):
        if not images:
            raise DataError("images: expected at least one, got none")
        self.training = training
        scales = sorted({*SCALES, *training.passes.scales})
        self._pyramids = [Pyramid(image, scales) for image in images]
        self._taught: Sequence[Sequence[Polygon]] | None = None  # the maps whose classes are known
        self._classes: dict[tuple[int, int], np.ndarray] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            self.network = AlignmentNetwork(training.size).to(training.device)
        self.begin(0)

    def begin(self, number: int) -> None:
        """A round with the weights as they are and an optimiser without memory."""
        self.round, self.step = number, 0
        self.losses: list[float] = []
        self.optimizer = torch.optim.Adam(self.network.parameters(), self.training.rate)

    def resume(
        self, number: int, step: int, losses: list[float], state: dict, optimizer: dict
    ) -> None:
        """Stand where another learner stood."""
        self.begin(number)
        self.step, self.losses = step, list(losses)
        self.network.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.network.eval()

    def teach(self, maps: Sequence[Sequence[Polygon]], steps: int) -> int:
        """Up to ``steps`` more steps of the round on these labels; how many were left to make.

        Raises:
            DataError: no polygon at all to learn from.
        """
        if all(polygon.is_empty for polygons in maps for polygon in polygons):
            raise DataError("polygons: expected some with corners to learn from, got none")
        first, whole = self.step, self.training.steps[self.round]
        self.network.train()
        if maps is not self._taught:
            self._taught, self._classes = maps, {}
        while self.step < min(first + steps, whole):
            self._one_step(maps, self.step / whole)
            self.step += 1
        self.network.eval()
        return self.step - first

    def _one_step(self, maps: Sequence[Sequence[Polygon]], done: float) -> None:
        asked = self.training
        random = np.random.default_rng([asked.seed, self.round, self.step])
        patches = cut(self._pyramids, maps, random, asked.passes.scales, asked.side,
                      asked.batch, asked.displacements, self._classes,
                      asked.mirrored, asked.light)  # fmt: skip
        rate = asked.rate * (0.5 if self.round else 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        self.optimizer.zero_grad()
        found = loss(self.network, patches, asked.segmentation)
        found.backward()
        self.optimizer.step()
        self.losses.append(float(found.detach()))

    @property
    def round_is_over(self) -> bool:
        """Whether every step of the round was made."""
        return self.step >= self.training.steps[self.round]


def loss(network: AlignmentNetwork, patches: Patches, segmentation: float) -> torch.Tensor:
    """Squared error of the displacement on owned pixels, plus the weighted cross-entropy."""
    where = next(network.parameters()).device
    displacement, scores = network(patches.image.to(where), patches.polygons.to(where))
    owned = (patches.owner >= 0).to(where)[:, None]
    off = (displacement - patches.displacement.to(where)).square() * owned
    found = off.sum() / owned.sum().clamp_min(1) / 2
    if segmentation:
        found = found + segmentation * functional.cross_entropy(scores, patches.classes.to(where))
    return found


def realigned(
    network: AlignmentNetwork,
    images: Sequence[np.ndarray],
    maps: Sequence[Sequence[Polygon]],
    passes: Passes,
    progress: bool | None = None,
) -> list[list[Polygon]]:
    """All maps aligned with a network."""
    found = []
    with bar("realigning", len(maps), "images", progress) as shown:
        for image, polygons in zip(images, maps, strict=True):
            found.append(align(network, image, polygons, passes).polygons)
            shown.advance(1)
    return found
