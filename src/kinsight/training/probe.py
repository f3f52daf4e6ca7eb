"""The fixed samples that are looked at, their labels, and how the network is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.analysis.targets import Targets, read_targets
from kinsight.errors import ArgumentError, OutputError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batch, Batches, batch_length
from kinsight.network.function import NetworkFunction, OutputFunction, tensor_output
from kinsight.network.inputs import labels_of
from kinsight.network.parameters import ParameterChoice
from kinsight.provenance.data import DataDigest
from kinsight.provenance.digest import Digest, described

_LEAST = 2  # samples: one has no pair
_READ = 256  # samples at a time


@dataclass(frozen=True)
class Question:
    """What is asked of the network, as for :class:`~kinsight.TangentKernel`."""

    output: OutputFunction | None = None
    parameters: ParameterChoice = None
    forward: Callable[[nn.Module, Batch], Any] | None = None
    dtype: torch.dtype | None = None
    batch_size: int | None = None
    memory_budget: int | None = None

    def kernel(self, model: nn.Module, names: Sequence[str] | None) -> TangentKernel:
        """Tr K of the network as it is now, on the parameters ``names``, or those chosen."""
        kept = None if names is None else frozenset(names)
        return TangentKernel(
            model,
            output=self.output,
            parameters=self.parameters if kept is None else lambda name, _: name in kept,
            normalization=None,
            dtype=self.dtype,
            forward=self.forward,
            batch_size=self.batch_size,
            memory_budget=self.memory_budget,
        )

    def said(self) -> dict[str, str]:
        """What changes the numbers, in words that stay the same from run to run."""
        return {
            "output": described(self.output),
            "forward": "default" if self.forward is None else described(self.forward),
            "dtype": "of the network" if self.dtype is None else str(self.dtype),
        }


class Probe:
    """N samples in a fixed order, with labels or without.

    Args:
        data: as for the kernel.
        labels: whole numbers are classes, real ones values, −1 and NaN missing; None takes the
            whole numbers that came with the samples, where each has one.

    Cost: the data are read once.

    Raises:
        DataError: no samples.
        ArgumentError: a single sample; labels of another number, or all the same.
    """

    def __init__(self, data: Any, labels: Sequence[Any] | Tensor | None = None):
        self.data = Batches(data)
        if len(self.data) < _LEAST:
            raise ArgumentError(
                f"probe: expected at least {_LEAST} samples, of which there is a pair, got "
                f"{len(self.data)}"
            )
        digest, found = DataDigest(), []
        for piece in self.data.pieces(_READ):
            digest.add(piece.batch)
            found.append(labels_of(piece.batch, batch_length(piece.batch)))
        came = [part for part in found if part is not None]
        if labels is None and len(came) == len(found):
            labels = torch.cat(came)
        self.targets: Targets | None = (
            None if labels is None else read_targets(labels, len(self.data))
        )
        self._digest = digest.hex()

    def __len__(self) -> int:
        return len(self.data)

    @property
    def classes(self) -> Tensor | None:
        """Class of each sample, −1 where missing, (N,); None without classes."""
        targets = self.targets
        return targets.index if targets is not None and targets.kind == "classes" else None

    def said(self) -> dict[str, Any]:
        """What tells this probe from others."""
        targets = self.targets
        given = None if targets is None else Digest(targets.values, targets.present).hex()
        return {"samples": len(self), "probe": self._digest, "labels": given}

    @torch.no_grad()
    def predicted(self, function: NetworkFunction, batch_size: int) -> Tensor | None:
        """The class of the highest score, (N,); None where the network gives no class scores.

        Cost: a forward pass.
        """
        if self.classes is None:
            return None
        found = []
        for piece in self.data.pieces(batch_size):
            batch = function.place(piece.batch)
            try:
                scores = tensor_output(function.outputs(batch))
            except OutputError:  # an output of the user's own kind
                return None
            if scores.dim() != 2 or scores.shape[1] <= int(self.classes.max()):
                return None
            answer = scores.argmax(1).cpu()
            found.append(torch.where(scores.isfinite().all(1).cpu(), answer, -1))
        return torch.cat(found)
