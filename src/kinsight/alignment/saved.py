"""Networks and learners on disk: whole or absent, read without running anything."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinsight.alignment.network import AlignmentNetwork, NetworkSize
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.training import Learner, Training
from kinsight.errors import DataError, KinsightError, RunFolderError
from kinsight.files import write_whole

_KIND, _WHAT = "kinsight alignment network 1", "a network for alignment"
# Fields that came later; folders from before are without them, and were trained as these say.
_LATER = ("light=0.0, ", "folds=1, ")


def save_network(network: AlignmentNetwork, path: str | Path) -> None:
    """The network with its size, as one file.

    Raises:
        RunFolderError: it cannot be written there.
    """
    value = {
        "kind": _KIND,
        "size": dataclasses.asdict(network.size),
        "state": {name: value.cpu() for name, value in network.state_dict().items()},
    }
    write_whole(Path(path), lambda aside: torch.save(value, aside))


def load_network(path: str | Path, device: str = "cpu") -> AlignmentNetwork:
    """What ``save_network`` wrote, ready to be applied.

    Raises:
        DataError: no such file, or one of something else.
    """
    value = read_tensors(Path(path), _KIND, _WHAT)
    try:
        size = NetworkSize(**{name: tuple(width) for name, width in value["size"].items()})
        network = AlignmentNetwork(size)
        network.load_state_dict(value["state"])
    except (KeyError, TypeError, AttributeError, RuntimeError, KinsightError) as error:
        raise DataError(f"{path}: expected a network for alignment, got: {error}") from error
    return network.to(device).eval()


def save_learner(learner: Learner, maps: Sequence[Sequence[Polygon]], path: Path) -> None:
    """Where a training stands: weights, optimiser, round, step, and the labels of the round."""
    value = {
        "kind": _KIND,
        "asked": settings(learner.training),
        "round": learner.round,
        "step": learner.step,
        "losses": learner.losses,
        "state": learner.network.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "places": [_places(polygons) for polygons in maps],
    }
    write_whole(path, lambda aside: torch.save(value, aside))


def load_learner(
    learner: Learner, maps: Sequence[Sequence[Polygon]], path: Path
) -> list[list[Polygon]]:
    """Put a learner where a training stood; the labels of its round.

    Args:
        maps: the labels that the training began with.

    Raises:
        RunFolderError: the file is of another training.
        DataError: it is no such file.
    """
    value = read_tensors(path, _KIND, _WHAT)
    if value.get("asked") != settings(learner.training):
        raise RunFolderError(
            f"{path}: expected a training with the same settings, got another; choose another "
            "folder or begin anew"
        )
    found = [_placed(p, places) for p, places in zip(maps, value["places"], strict=True)]
    learner.resume(value["round"], value["step"], value["losses"], value["state"],
                   value["optimizer"])  # fmt: skip
    return found


def fingerprint(images: Sequence[np.ndarray], maps: Sequence[Sequence[Polygon]]) -> str:
    """A digest of what a training learns from."""
    digest = hashlib.sha256()
    for image, polygons in zip(images, maps, strict=True):
        digest.update(np.ascontiguousarray(image).tobytes())
        for polygon in polygons:
            digest.update(polygon.vertices.tobytes())
    return digest.hexdigest()


def settings(training: Training) -> str:
    """What has to be the same for a training to go on; elsewhere is well."""
    text = repr(dataclasses.replace(training, device="cpu"))
    for later in _LATER:
        text = text.replace(later, "")
    return text


def _places(polygons: Sequence[Polygon]) -> torch.Tensor:
    """The corners of all polygons of an image, one behind the other: (V, 2)."""
    parts = [polygon.vertices for polygon in polygons]
    return torch.from_numpy(np.concatenate(parts) if parts else np.zeros((0, 2)))


def _placed(polygons: Sequence[Polygon], places: torch.Tensor) -> list[Polygon]:
    ends = np.cumsum([len(polygon.vertices) for polygon in polygons])[:-1]
    parts = np.split(places.numpy(), ends) if polygons else []
    return [p.moved(part - p.vertices) for p, part in zip(polygons, parts, strict=True)]


def read_tensors(path: Path, kind: str, what: str) -> dict[str, Any]:
    """What was saved there as ``kind``.

    Raises:
        DataError: no such file, or one of something else than ``what``.
    """
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a damaged file leads to
        said = error.strerror if isinstance(error, OSError) else "a file of something else"
        raise DataError(f"{path}: expected a file of kinsight with {what}, got: {said}") from error
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise DataError(f"{path}: expected {what}, got something else")
    return value
