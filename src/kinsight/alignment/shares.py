"""Which network of a round is taught by which images, and which it realigns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.alignment.polygons import Polygon
from kinsight.alignment.saved import load_learner, save_learner, save_network
from kinsight.alignment.training import Learner, Training
from kinsight.errors import DataError
from kinsight.progress import bar

NETWORK = "network.pt"
_STATE, _STATE_OF = "state.pt", "round{}.state.pt"
_EPOCH = 50  # steps between two checkpoints

Maps = list[list[Polygon]]


@dataclass(frozen=True)
class Share:
    """One network of a round.

    Args:
        learner: under training.
        taught: numbers of the images it learns from.
        realigns: numbers of the images whose map it realigns.
        place: its folder; None: nothing is kept.
    """

    learner: Learner
    taught: list[int]
    realigns: list[int]
    place: Path | None

    @property
    def is_fold(self) -> bool:
        """Whether it realigns what it was not taught by."""
        return self.taught != self.realigns

    def part(self, maps: Sequence[Sequence[Polygon]]) -> list[Sequence[Polygon]]:
        """The labels that this network learns from."""
        return [maps[i] for i in self.taught]

    def teach(self, number: int, maps: Maps, progress: bool | None) -> None:
        """The steps that are left of a round."""
        learner, labels = self.learner, self.part(maps)
        if learner.round != number:
            learner.begin(number)
        whole = learner.training.steps[number]
        name = self.place.name + ", " if self.place is not None and self.is_fold else ""
        with bar(f"{name}round {number + 1}", whole, "steps", progress) as shown:
            shown.advance(learner.step)
            while not learner.round_is_over:
                made = learner.teach(labels, _EPOCH)
                shown.advance(made)
                shown.note(f"loss {np.mean(learner.losses[-_EPOCH:]):.3f}")
                if self.place is not None:
                    save_learner(learner, labels, self.place / _STATE)

    def keep(self, number: int, maps: Maps) -> None:
        """A finished round with its realigned maps; with folds the last network by its name."""
        if self.place is None:
            return
        save_network(self.learner.network, self.place / f"round{number}.pt")
        if number + 1 == len(self.learner.training.steps):
            save_network(self.learner.network, self.place / NETWORK)
        # Last: it says that the round is finished.
        save_learner(self.learner, self.part(maps), self.place / _STATE_OF.format(number))

    def has(self, number: int) -> bool:
        """Whether the folder has a round from beginning to end."""
        return self.place is not None and (self.place / _STATE_OF.format(number)).exists()

    def load(self, number: int, maps: Maps) -> dict[int, list[Polygon]]:
        """Stand at the end of a finished round; what it left, by the number of the image."""
        if self.place is None:
            return {}
        file = self.place / _STATE_OF.format(number)
        found = load_learner(self.learner, self.part(maps), file)
        return dict(zip(self.taught, found, strict=True))

    def go_on(self, finished: int, maps: Maps) -> None:
        """Stand where the round after ``finished`` ones was stopped, if it had begun."""
        if self.place is None or not (self.place / _STATE).exists():
            return
        load_learner(self.learner, self.part(maps), self.place / _STATE)
        if self.learner.round < finished:  # older than the last finished round
            self.load(finished - 1, maps)


def shares_of(
    images: Sequence[np.ndarray], maps: Maps, training: Training, place: Path | None
) -> list[Share]:
    """One share of everything; or as many as ``folds``, each taught by all but its own images.

    Raises:
        DataError: images and maps do not go together, fewer images than folds, or a fold that
            would learn from no polygon.
    """
    count, folds = len(images), training.folds
    if count != len(maps):
        raise DataError(f"maps: expected one for each of {count} images, got {len(maps)}")
    if folds == 1:
        every = list(range(count))
        return [Share(Learner(images, training), every, every, place)]
    if count < folds:
        raise DataError(
            f"images: expected at least one for each of {folds} folds, got {count}; give more "
            "images or ask for fewer folds"
        )
    own = [list(range(k, count, folds)) for k in range(folds)]
    rest = [[i for i in range(count) if i % folds != k] for k in range(folds)]
    for k, taught in enumerate(rest):
        if all(polygon.is_empty for i in taught for polygon in maps[i]):
            raise DataError(
                f"polygons: expected some in the images that teach fold {k}, all but every "
                f"{folds}-th, got none; ask for fewer folds or order the images anew"
            )
    return [
        Share(Learner([images[i] for i in taught], training), taught, own[k],
              place and place / f"fold{k}")
        for k, taught in enumerate(rest)
    ]  # fmt: skip
