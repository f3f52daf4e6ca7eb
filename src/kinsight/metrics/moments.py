"""F = mean over samples of JᵀJ: the walk over data that every Fisher metric is fitted by.

Sums are kept apart for samples at even and at odd positions, so that damping can be judged by
what the one half says about the gradients of the other.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from kinsight.errors import ArgumentError
from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network import outputs
from kinsight.network.function import NetworkFunction, OutputFunction
from kinsight.provenance.digest import described
from kinsight.tangent.features import Features

OF_CLASSES = (
    outputs.Logits,
    outputs.LogProbabilities,
    outputs.OwnClass,
    outputs.Fisher,
)


class Fitting:
    """One walk: the engine with the output whose Fisher matrix is taken, and what it met."""

    def __init__(self, kernel: TangentKernel | nn.Module, data: Any, output: OutputFunction | None):
        kernel = kernel if isinstance(kernel, TangentKernel) else TangentKernel(kernel)
        ours = kernel.function
        chosen = set(ours.selection.chosen)
        self.output = output if output is not None else _output_of(ours.output)
        if outputs.probed(self.output):
            raise ArgumentError(
                "output: expected an output function of which all outputs count, got Probes, "
                "whose estimate is of Tr K alone; pass output=ks.outputs.Fisher()"
            )
        self.function = NetworkFunction(
            ours.model, self.output, lambda name, _: name in chosen, forward=ours.forward
        )
        self.engine = Engine(self.function, kernel.memory_budget, None, kernel.engine.tolerance)
        self.data = self.engine.read(data)
        self.samples = [0, 0]  # at even and at odd positions
        self.kept: list[int] = []  # samples with a finite gradient
        self.directions = 0  # Σ of ranks of K(x,x): D a sample, or fewer

    @property
    def described(self) -> str:
        """The output in words."""
        return described(self.output)

    @property
    def outputs(self) -> int:
        """D."""
        return self.engine.outputs

    @property
    def sizes(self) -> dict[str, int]:
        """Entries of each parameter."""
        return self.function.selection.sizes

    def batches(self) -> Iterator[tuple[Features, tuple[Tensor, Tensor]]]:
        """Gradients batch by batch, with the rows at even and at odd positions of the data.

        Samples whose gradient is not finite are left out, and told.
        """
        notes = Notes()
        for start, _, features, own in self.engine.raw(self.data, notes):
            if bool((own.scale != 1).any()):
                weights = own.weights(None)
                features = features.mapped(lambda block, w=weights: block.mix(w))
            fit = (~own.bad).nonzero()[:, 0]
            self.kept += [start + i for i in fit.tolist()]
            halves = (fit[(fit + start) % 2 == 0], fit[(fit + start) % 2 == 1])
            for parity, rows in enumerate(halves):
                self.samples[parity] += len(rows)
            self.directions += int(own.rank[fit].sum())
            yield features, halves
        self.engine.tell(notes, inverted=False)
        if not self.directions:
            raise ArgumentError("metric: expected data with some gradient, got none that has any")

    def mean(self, sums: Tensor) -> Tensor:
        """F from its two sums, (2, …)."""
        return sums.sum(0) / sum(self.samples)

    def halves(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """F of either half of the data."""
        even, odd = (max(count, 1) for count in self.samples)
        return sums[0] / even, sums[1] / odd


def _output_of(output: Any) -> OutputFunction | None:
    """The Fisher form where the kernel asks about classes, otherwise what it asks itself."""
    of_classes = isinstance(output, OF_CLASSES) or output == outputs.Loss("cross_entropy")
    return outputs.Fisher() if of_classes else output
