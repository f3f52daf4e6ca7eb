"""The loss of each sample, in a form whose gradient does not cancel."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import tensor_output
from kinsight.network.outputs.reading import (
    class_labels,
    class_scores,
    one_hot,
    picked,
    targets,
)


@dataclass(frozen=True)
class Loss:
    """The loss of each sample against the label in its batch, (B,).

    ``"cross_entropy"`` is computed as softplus(logsumexp_{c≠y} z_c − z_y): equal to −log p_y,
    but its gradient does not cancel in float32 where p_y is close to 1. ``"squared"`` is
    ½‖z − y‖², with a floating-point y in the batch.
    """

    kind: Literal["cross_entropy", "squared"] = "cross_entropy"

    def __post_init__(self) -> None:
        if self.kind not in ("cross_entropy", "squared"):
            raise ArgumentError(f"kind: expected 'cross_entropy' or 'squared', got {self.kind!r}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        if self.kind == "squared":
            values = tensor_output(outputs).flatten(1)
            wanted = targets(batch, integer=False).to(values)
            if wanted.numel() != values.numel():
                raise OutputError(
                    f"expected a target for every output, shape {tuple(values.shape)}, got "
                    f"{tuple(wanted.shape)}"
                )
            return 0.5 * (values - wanted.reshape(values.shape)).square().sum(1)
        scores = class_scores(outputs)
        own = class_labels(batch, scores)
        rest = torch.where(one_hot(own, scores), -torch.inf, scores).logsumexp(1)
        return functional.softplus(rest - picked(scores, own), threshold=1e4)
