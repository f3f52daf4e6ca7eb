"""Several layers at once: their activations, or the Gram matrices of their channels."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from kinsight.baselines.baseline import FeatureBaseline
from kinsight.baselines.layers import Forward
from kinsight.baselines.watched import Watched, activation
from kinsight.errors import ArgumentError, OutputError
from kinsight.network.batches import Batches


class _Layers(FeatureBaseline):
    """φ(x) = the layers' own features, each of norm 1, side by side, divided by √L."""

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        forward: Forward | None,
        batch_size: int,
        memory_budget: int | None,
    ):
        names = [layers] if isinstance(layers, str) else list(layers)
        if not names or len(set(names)) < len(names):
            raise ArgumentError(f"layers: expected one or more different names, got {names!r}")
        self.network = Watched(model, forward, batch_size)
        self.network.check_layers(names)
        self.layers, self.memory_budget = names, memory_budget

    def _side_by_side(
        self, data: Batches, described: Callable[[Tensor, str], Tensor]
    ) -> Iterator[Tensor]:
        for seen in self.network.run(data, self.layers):
            parts = []
            for name in self.layers:
                value = activation(seen.only(name), seen.count, name)
                value = value if value.dtype == torch.float64 else value.float()
                parts.append(_of_norm_one(described(value, name).flatten(1)))
            yield torch.cat(parts, 1) / len(parts) ** 0.5


class Perceptual(_Layers):
    """Mean over layers of the cosine of their activations: k = 1/L Σ_l cos(a_l(x), a_l(x')).

    The activations of every layer are divided by their norm, so that each layer has the same
    energy 1/L in every sample, whatever its size. Layers that are silent in a sample, all zero,
    do not count for it: k = Σ_l cos_l / √(L L'), L and L' the numbers of layers that speak.

    Args:
        layers: names in ``model.named_modules()``.
        model, forward, batch_size, memory_budget: as for :class:`Layer`.

    Raises:
        ArgumentError: no such layer, no names, one named twice.
        NetworkError: a layer that is not called, or more than once.
        OutputError: a layer that returns no tensor.

    Source: Johnson, Alahi, Fei-Fei, "Perceptual losses", ECCV 2016, with cosines in place of
    squared distances.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        *,
        forward: Forward | None = None,
        batch_size: int = 128,
        memory_budget: int | None = None,
    ):
        super().__init__(model, layers, forward, batch_size, memory_budget)

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """Normalised activations of all layers: (B, S), S the sum of their sizes."""
        yield from self._side_by_side(data, lambda value, name: value)


class Style(_Layers):
    """Mean over layers of the cosine of Gram matrices G_l = A_l A_lᵀ / T, A_l of shape (C, T).

    Which channels are active together, wherever in the picture: T positions are summed over.
    All entries of G_l are at least 0 behind a ReLU, so that similarities are high throughout.

    Args:
        layers: names of layers that return (B, C, positions…).
        channels: the dimension of the channels; −1 for (B, T, C), as in Transformers.
        model, forward, batch_size, memory_budget: as for :class:`Layer`.

    Raises:
        OutputError: a layer whose activations have no positions.
        ArgumentError, NetworkError: as for :class:`Perceptual`.

    Source: Gatys, Ecker, Bethge, "Texture synthesis using convolutional neural networks", 2015.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        *,
        channels: int = 1,
        forward: Forward | None = None,
        batch_size: int = 128,
        memory_budget: int | None = None,
    ):
        super().__init__(model, layers, forward, batch_size, memory_budget)
        self.channels = channels

    def parts(self, data: Batches) -> Iterator[Tensor]:
        """Normalised Gram matrices of all layers: (B, S), S = Σ_l C_l²."""
        yield from self._side_by_side(data, self._gram)

    def _gram(self, value: Tensor, name: str) -> Tensor:
        dimensions = range(-value.dim(), value.dim())
        if value.dim() < 3 or self.channels not in dimensions or self.channels % value.dim() == 0:
            raise OutputError(
                f"layer {name!r}: expected activations (B, C, positions…) with channels in "
                f"dimension {self.channels}, got shape {tuple(value.shape)}; take a layer before "
                "pooling, or say where the channels are: channels=-1"
            )
        rows = value.movedim(self.channels, 1).flatten(2)  # (B, C, T)
        rows = rows / _peak(rows)  # a square may overflow
        return rows @ rows.mT / rows.shape[2]


def _of_norm_one(rows: Tensor) -> Tensor:
    """Rows of norm 1; zero rows stay, rows that are not finite become NaN: (B, S)."""
    scaled = rows / _peak(rows)
    return scaled / scaled.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)


def _peak(value: Tensor) -> Tensor:
    """The largest modulus of each sample, 1 for zeros: (B, 1, …)."""
    peak = value.abs().flatten(1).amax(1).reshape(-1, *[1] * (value.dim() - 1))
    return torch.where(peak == 0, torch.ones_like(peak), peak)
