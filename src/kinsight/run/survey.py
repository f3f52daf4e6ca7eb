"""One forward pass over the data: digests of it and of f, its labels, the network's answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import OutputError
from kinsight.network.batches import Batches
from kinsight.network.function import NetworkFunction, tensor_output
from kinsight.network.inputs import labels_of
from kinsight.provenance.data import DataDigest
from kinsight.run.identity import Answers

_BATCH = 128


@dataclass(frozen=True)
class Survey:
    """What reading the data once told."""

    digest: str  # of the data, whatever the batches
    answers: list[float]  # f(x) of all samples, told apart by a few numbers
    labels: Tensor | None  # (N,) whole numbers that came with the batches
    predicted: Tensor | None  # (N,) class of the highest score, where there are class scores
    classes: int  # C; 0 where the network gives no class scores


def survey(
    function: NetworkFunction,
    data: Any,
    batch_size: int | None = None,
    on_samples: Callable[[int], None] | None = None,
) -> Survey:
    """Read every sample once, in order. Cost: one forward pass, memory O(N)."""
    digest, answers, labels, predicted = DataDigest(), Answers(), [], []
    classes = 0
    for piece in Batches(data).pieces(batch_size or _BATCH):
        digest.add(piece.batch)
        labels.append(labels_of(piece.batch, piece.stop - piece.start))
        with torch.no_grad():
            placed = function.place(piece.batch)
            outputs = function.outputs(placed)
            answers.add(piece.start, function.to_rows(outputs, placed))
        scores = _class_scores(outputs)
        if scores is not None:
            classes = scores.shape[1]
            predicted.append(scores.argmax(1).cpu())
        if on_samples is not None:
            on_samples(piece.stop - piece.start)
    given = [part for part in labels if part is not None]
    return Survey(
        digest.hex(),
        answers.numbers(),
        torch.cat(given) if len(given) == len(labels) else None,
        torch.cat(predicted) if len(predicted) == len(labels) else None,
        classes,
    )


def _class_scores(outputs: Any) -> Tensor | None:
    try:
        scores = tensor_output(outputs)
    except OutputError:
        return None
    fits = scores.dim() == 2 and scores.shape[1] >= 2 and scores.is_floating_point()
    return scores if fits else None
