"""All rounds in one call, kept in a folder from which a stopped training goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.alignment.network import AlignmentNetwork
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.saved import fingerprint, load_learner, save_learner, save_network
from kinsight.alignment.training import Learner, Training, realigned
from kinsight.errors import DataError, RunFolderError
from kinsight.files import write_text
from kinsight.progress import bar

NETWORK = "network.pt"
_STATE, _STATE_OF, _DATA = "state.pt", "round{}.state.pt", "data.sha256"
_EPOCH = 50  # steps between two checkpoints


@dataclass(frozen=True)
class Rounds:
    """What all rounds left.

    Args:
        maps: the labels before the first round, and after each: [round][image][polygon].
        network: after the last round.
        losses: of every step made in this call, one list a round.
    """

    maps: list[list[list[Polygon]]]
    network: AlignmentNetwork
    losses: list[list[float]]


def train(
    images: Sequence[np.ndarray],
    maps: Sequence[Sequence[Polygon]],
    training: Training | None = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
    watch: Callable[[int, Learner], object] | None = None,
) -> Rounds:
    """Train on a map, realign the map with the network, train on; as many rounds as asked.

    Args:
        images: (3, H, W) float32 in [0, 1] each.
        maps: the polygons of each image, as wrong as they are.
        training: sizes, steps, seed.
        folder: for ``network.pt`` and checkpoints every 50 steps; a training that was stopped
            there goes on and ends, on a CPU, with the same bits. None: nothing is kept.
        watch: called with the round and the learner when the steps of a round are made.

    Raises:
        DataError: images and maps do not fit together, or nothing to learn from.
        RunFolderError: the folder holds another training.

    Cost: 0.2 s a step of 16 patches of 96² with one thread; memory of the images and 2 GiB.
    """
    training = training or Training()
    place = None if folder is None else Path(folder)
    if len(images) != len(maps):
        raise DataError(f"maps: expected one for each of {len(images)} images, got {len(maps)}")
    learner = Learner(images, training)
    history, losses = _begun(place, learner, images, [list(p) for p in maps]), []
    while len(history) <= len(training.steps):
        number = len(history) - 1
        _one_round(learner, number, history[number], place, progress)
        losses.append(list(learner.losses))
        if watch is not None:
            watch(number, learner)
        found = realigned(learner.network, images, history[number], training.passes, progress)
        history.append(found)
        if place is not None:
            _keep(learner, found, place, number)
    return Rounds(history, learner.network.eval(), losses)


def _keep(learner: Learner, maps: list[list[Polygon]], place: Path, number: int) -> None:
    """A finished round; the network of the last one under its own name."""
    save_network(learner.network, place / f"round{number}.pt")
    save_learner(learner, maps, place / _STATE_OF.format(number))
    if number + 1 == len(learner.training.steps):
        save_network(learner.network, place / NETWORK)


def _one_round(
    learner: Learner, number: int, maps: list[list[Polygon]], place: Path | None,
    progress: bool | None,
) -> None:  # fmt: skip
    """The steps that are left of a round."""
    if learner.round != number:
        learner.begin(number)
    whole = learner.training.steps[number]
    with bar(f"round {number + 1}", whole, "steps", progress) as shown:
        shown.advance(learner.step)
        while not learner.round_is_over:
            made = learner.teach(maps, _EPOCH)
            shown.advance(made)
            shown.note(f"loss {np.mean(learner.losses[-_EPOCH:]):.3f}")
            if place is not None:
                save_learner(learner, maps, place / _STATE)


def _begun(
    place: Path | None,
    learner: Learner,
    images: Sequence[np.ndarray],
    maps: list[list[Polygon]],
) -> list[list[list[Polygon]]]:
    """The labels of the rounds that a folder has finished; the learner stands where it stopped."""
    if place is None:
        return [maps]
    digest, mark = fingerprint(images, maps), place / _DATA
    if mark.exists() and mark.read_text().strip() != digest:
        raise RunFolderError(
            f"{place}: expected a training on the same images and map, got one on others; choose "
            "another folder"
        )
    write_text(mark, digest + "\n")
    history = [maps]
    for number in range(len(learner.training.steps)):
        file = place / _STATE_OF.format(number)
        if not file.exists():
            break
        history.append(load_learner(learner, maps, file))
    under_way = place / _STATE
    if under_way.exists() and len(history) <= len(learner.training.steps):
        load_learner(learner, maps, under_way)
        if learner.round < len(history) - 1:  # older than the last finished round
            load_learner(learner, maps, place / _STATE_OF.format(len(history) - 2))
    return history
