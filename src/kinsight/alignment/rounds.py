"""All rounds in one call, kept in a folder from which a stopped training goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.alignment.applying import Passes
from kinsight.alignment.network import AlignmentNetwork
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.saved import fingerprint, save_network, settings
from kinsight.alignment.shares import NETWORK, Maps, Share, shares_of
from kinsight.alignment.training import Learner, Training, realigned
from kinsight.alignment.windows import KNOWN, WINDOWS, save_windows, windows_of
from kinsight.errors import RunFolderError
from kinsight.files import write_text

_DATA = "data.sha256"

Watch = Callable[[int, Learner], object]


@dataclass(frozen=True)
class Rounds:
    """What all rounds left.

    Args:
        maps: the labels before the first round, and after each: [round][image][polygon].
        networks: after the last round, one for each fold.
        losses: of every step made in this call, one list a round; fold after fold.
    """

    maps: list[Maps]
    networks: list[AlignmentNetwork]
    losses: list[list[float]]

    @property
    def network(self) -> AlignmentNetwork:
        """The first network: the only one without folds."""
        return self.networks[0]


def train(
    images: Sequence[np.ndarray],
    maps: Sequence[Sequence[Polygon]],
    training: Training | None = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
    watch: Watch | None = None,
) -> Rounds:
    """Train on a map, realign the map with the network, train on; as many rounds as asked.

    Args:
        images: (3, H, W) float32 in [0, 1] each.
        maps: the polygons of each image, as wrong as they are.
        training: sizes, steps, seed.
        folder: for ``network.pt`` (with folds the first, and ``fold0/network.pt``, …),
            ``windows.pt`` (parts of your images: 150 windows at the last scale, displaced as in
            training, for ``density``) and checkpoints every 50 steps; a training that was stopped
            there goes on and ends, on a CPU, with the same bits. None: nothing is kept.
        watch: called with round and learner when its steps are made; with folds once for each.

    Raises:
        DataError: images and maps do not fit together, or nothing to learn from.
        RunFolderError: the folder holds another training.

    Cost: 0.2 s a step of 16 patches of 96² with one thread, memory of the images and 2 GiB; with
    k folds the time k times and the images k − 1 times.
    """
    training, place = training or Training(), None if folder is None else Path(folder)
    labels = [list(polygons) for polygons in maps]
    shares = shares_of(images, labels, training, place)
    history, losses = _begun(place, shares, images, labels), []
    while len(history) <= len(training.steps):
        losses.append(_taught(shares, history, progress, watch))
        found = _realigned(shares, images, history[-1], training.passes, progress)
        for share in shares:
            share.keep(len(history) - 1, found)
        history.append(found)
    if place is not None and not (place / WINDOWS).exists():
        _keep(shares[0], images, history[-2], place)
    return Rounds(history, [share.learner.network.eval() for share in shares], losses)


def _keep(share: Share, images: Sequence[np.ndarray], maps: Maps, place: Path) -> None:
    """The network for other maps; then windows as those that taught it in its last round."""
    asked, taught = share.learner.training, share.taught
    save_network(share.learner.network, place / NETWORK)
    chosen = [images[i] for i in taught], share.part(maps)
    found = windows_of(*chosen, asked.passes.scales[-1], asked.passes.side, asked.displacements,
                       KNOWN, asked.seed)  # fmt: skip
    save_windows(found, place / WINDOWS)


def _taught(
    shares: list[Share], history: list[Maps], progress: bool | None, watch: Watch | None
) -> list[float]:
    """The steps of one round, of every network; their losses, one network after the other."""
    number = len(history) - 1
    for share in shares:
        share.teach(number, history[-1], progress)
        if watch is not None:
            watch(number, share.learner)
    return [one for share in shares for one in share.learner.losses]


def _realigned(
    shares: list[Share], images: Sequence[np.ndarray], maps: Maps, passes: Passes,
    progress: bool | None,
) -> Maps:  # fmt: skip
    """Every map, aligned by the network whose share it is."""
    found: dict[int, list[Polygon]] = {}
    for share in shares:
        own = share.realigns
        chosen = [images[i] for i in own], [maps[i] for i in own]
        after = realigned(share.learner.network, *chosen, passes, progress)
        found |= dict(zip(own, after, strict=True))
    return [found[i] for i in range(len(maps))]


def _begun(
    place: Path | None, shares: list[Share], images: Sequence[np.ndarray], maps: Maps
) -> list[Maps]:
    """The labels of the rounds that a folder has finished; the learners stand where it stopped."""
    if place is None:
        return [maps]
    _mark(place, fingerprint(images, maps), settings(shares[0].learner.training))
    history, rounds = [maps], len(shares[0].learner.training.steps)
    while len(history) <= rounds and all(share.has(len(history) - 1) for share in shares):
        found: dict[int, list[Polygon]] = {}
        for share in shares:
            found |= share.load(len(history) - 1, maps)
        history.append([found[i] for i in range(len(maps))])
    if len(history) <= rounds:
        for share in shares:
            share.go_on(len(history) - 1, maps)
    return history


def _mark(place: Path, digest: str, asked: str) -> None:
    """Say in a folder what it is of: a line for the data, one for the settings.

    Raises:
        RunFolderError: it is of something else.
    """
    mark = place / _DATA
    known = mark.read_text().splitlines() if mark.exists() else [digest]
    if known[:1] != [digest]:
        raise RunFolderError(
            f"{place}: expected a training on the same images and map, got one on others; choose "
            "another folder"
        )
    if known[1:] not in ([], [asked]):  # folders of before have no second line
        raise RunFolderError(
            f"{place}: expected a training with the same settings, got another; choose another "
            "folder or begin anew"
        )
    write_text(mark, f"{digest}\n{asked}\n")
