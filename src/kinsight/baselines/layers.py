"""Cosines of activations: a layer by name, what the last linear layer reads, the outputs."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from kinsight.baselines.baseline import FeatureBaseline
from kinsight.baselines.watched import Watched, activation
from kinsight.errors import NetworkError
from kinsight.network.batches import Batches
from kinsight.network.function import tensor_output

Forward = Callable[[nn.Module, Any], Any]
Take = Callable[[Any], Any]


class Layer(FeatureBaseline):
    """Cosine of what a layer returns, flattened: φ(x) = a(x).

    Args:
        model: a trained network in evaluation mode.
        layer: the module's name in ``model.named_modules()``.
        take: what is meant of a layer that returns no tensor, ``returned -> tensor``.
        forward: ``(model, batch) -> outputs`` where the kernel's reading of a batch does not fit.
        batch_size: samples through the network at once.
        memory_budget: bytes for features and results; default a quarter of the machine's.

    Raises:
        ArgumentError: no such layer.
        NetworkError: the layer is not called in a forward pass, or more than once.
        OutputError: it returns no tensor, or not one row a sample.

    Example:
        >>> import torch, kinsight as ks
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
        >>> ks.baselines.Layer(model, "0").similarity(torch.eye(2)).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str,
        *,
        take: Take | None = None,
        forward: Forward | None = None,
        batch_size: int = 128,
        memory_budget: int | None = None,
    ):
        self.network = Watched(model, forward, batch_size)
        self.network.check_layers([layer])
        self.layer, self.take, self.memory_budget = layer, take, memory_budget

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """The layer's activations of successive batches, flattened: (B, S)."""
        for seen in self.network.run(data, [self.layer]):
            returned = seen.only(self.layer)
            value = returned if self.take is None else self.take(returned)
            yield activation(value, seen.count, self.layer).flatten(1)


class LastLayer(FeatureBaseline):
    """Cosine of what the last linear layer reads: the features that people compare today.

    The last ``nn.Linear`` that a forward pass calls; where the end of the network is written
    with ``functional.linear``, name a layer yourself with :class:`Layer`.

    Args:
        model, forward, batch_size, memory_budget: as for :class:`Layer`.

    Raises:
        NetworkError: no linear layer, none is called, or the last one more than once.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        forward: Forward | None = None,
        batch_size: int = 128,
        memory_budget: int | None = None,
    ):
        self.network = Watched(model, forward, batch_size)
        self.linear = self.network.linear_layers()
        self.memory_budget = memory_budget

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """The last layer's input for successive batches, flattened: (B, S)."""
        for seen in self.network.run(data, self.linear, reads=True):
            if not seen.calls:
                raise NetworkError(
                    f"expected a forward pass to call a linear layer, and it calls none of "
                    f"{', '.join(self.linear[:3])}; name the layer that is meant: "
                    "Layer(model, 'name')"
                )
            last = seen.calls[-1][0]
            yield activation(seen.only(last), seen.count, f"input of {last}").flatten(1)


class Logits(FeatureBaseline):
    """Cosine of the network's outputs, flattened: φ(x) = f(x).

    Args:
        model, forward, batch_size, memory_budget: as for :class:`Layer`.

    Raises:
        OutputError: the network returns no tensor and has no ``.logits``.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        forward: Forward | None = None,
        batch_size: int = 128,
        memory_budget: int | None = None,
    ):
        self.network = Watched(model, forward, batch_size)
        self.memory_budget = memory_budget

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """Outputs of successive batches, flattened: (B, S)."""
        for seen in self.network.run(data):
            yield activation(tensor_output(seen.outputs), seen.count, "output").flatten(1)
