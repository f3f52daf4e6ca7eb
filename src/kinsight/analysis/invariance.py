"""How alike are x and T_φ x, for a family of changes T: what the network does not see.

k(x, T_φ x) = 1 where the network cannot tell the change, as with an invariance that is built in
by weight sharing; it falls as 1 − ½ φ² ‖(I − ĝĝᵀ) ∂_φ g‖² / ‖g‖² around φ = 0.

Example:
    A network that only reads the mean does not see where anything is.

    >>> import torch, kinsight as ks
    >>> model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...                             torch.nn.Linear(1, 1))
    >>> turned = ks.invariance(ks.TangentKernel(model), torch.rand(4, 1, 5, 5), "rotation",
    ...                        strengths=[0, 90])
    >>> turned.similarity.shape, round(float(turned.mean()[1]), 4)
    (torch.Size([4, 2]), 1.0)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from kinsight.analysis.compare import class_labels
from kinsight.analysis.result import Result
from kinsight.analysis.transforms import FAMILIES, Transform, on_inputs
from kinsight.checks import one_of, positive
from kinsight.drawing.style import ACCENT, INK, colour_and_marker, house_style, new_figure
from kinsight.errors import ArgumentError, DataError
from kinsight.network.batches import Batches, batch_length
from kinsight.network.columns import plain

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.figure import Figure


class Similarity(Protocol):
    """A kernel or a baseline."""

    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """(N, M) in [−1, 1]."""
        ...


@dataclass(frozen=True)
class Invariance(Result):
    """One row a sample, one column a strength."""

    similarity: Tensor  # (N, F) k(x, T_φ x) in [−1, 1]; 1 = the change is not seen; NaN set apart
    labels: Tensor | None  # (N,) class, −1 where missing
    strengths: tuple[float, ...]  # F of them
    transform: str
    unit: str  # of the strengths

    def mean(self) -> Tensor:
        """Mean over samples, for each strength: (F,) float64."""
        return self.similarity.double().nanmean(0)

    def spread(self) -> Tensor:
        """Standard deviation over samples, for each strength: (F,) float64."""
        return _deviation(self.similarity)

    def by_class(self) -> "pyarrow.Table":
        """Mean and spread of each class at each strength: one row for each pair of them.

        Raises:
            ArgumentError: no labels were given.
        """
        import pyarrow

        rows = []
        for label, own in self._classes():
            means, spreads = own.double().nanmean(0), _deviation(own)
            for strength, mean, spread in zip(self.strengths, means, spreads, strict=True):
                rows.append(
                    {
                        "class": label,
                        "samples": len(own),
                        "strength": strength,
                        "mean": float(mean),
                        "spread": float(spread),
                    }
                )
        return pyarrow.Table.from_pylist(rows)

    def figure(self) -> "Figure":
        """The mean curve in a band that holds 80 % of the samples, and a line for each class."""
        figure, (axes,) = new_figure()
        value = self.similarity.double()
        low, high = value.nanquantile(torch.tensor([0.1, 0.9]).double(), dim=0).numpy()
        axes.fill_between(self.strengths, low, high, color=ACCENT, alpha=0.15, linewidth=0)
        if self.labels is not None:
            self._draw_classes(axes)
        axes.plot(self.strengths, self.mean().numpy(), color=INK, linewidth=2, marker="o")
        axes.set_xlabel(f"{self.transform} ({self.unit})" if self.unit else self.transform)
        axes.set_ylabel("similarity of x and its changed copy")
        return figure

    def _draw_classes(self, axes: Any) -> None:
        for place, (label, own) in enumerate(self._classes()):
            colour, marker = colour_and_marker(place)
            curve = own.double().nanmean(0).numpy()
            look = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 0.8}
            axes.plot(self.strengths, curve, label=f"class {label}", **look)
        with house_style():
            axes.legend(fontsize=7, ncols=2)

    def _classes(self) -> list[tuple[int, Tensor]]:
        if self.labels is None:
            raise ArgumentError("curves by class need labels: invariance(…, labels=…)")
        found = self.labels[self.labels >= 0].unique().tolist()
        return [(label, self.similarity[self.labels == label]) for label in found]


def invariance(
    kernel: Similarity,
    data: Any,
    transform: str | Transform,
    *,
    strengths: Sequence[float] | None = None,
    labels: Sequence[Any] | Tensor | None = None,
    batch_size: int = 16,
) -> Invariance:
    """k(x, T_φ x) of every sample x along a family of changes T_φ.

    Args:
        kernel: a :class:`~kinsight.TangentKernel` or a baseline.
        data: as for the kernel. Of a tuple the built-in families change the first entry.
        transform: ``"rotation"`` (degrees), ``"shift"`` (share of the width), ``"scale"``
            (factor), ``"noise"`` (standard deviation; one pattern for all samples), ``"colour"``
            (degrees of hue), all of pictures (N, C, H, W); or ``(batch, strength) -> batch``,
            which must change each sample by itself.
        strengths: φ; a built-in family has its own by default.
        labels: (N,) classes, for curves by class; negative ones missing.
        batch_size: samples at once; each is also compared with the copies of the others.

    Cost: features of N·(F + 1) samples, F strengths, and N·F·batch_size inner products.

    Raises:
        ArgumentError: an unknown family, no strengths, a kernel with ``normalization=None``.
        DataError: the transform does not fit the data, or returns another number of samples.
    """
    _require_similarity(kernel)
    change, chosen, name, unit = _family(transform, strengths)
    batches = Batches(data)
    classes = None if labels is None else class_labels(labels, len(batches))
    rows = []
    for piece in batches.pieces(positive("batch_size", batch_size)):
        copies = [_changed(change, piece.batch, strength) for strength in chosen]
        together = tree_map(lambda *parts: torch.cat(parts), *copies)
        values = kernel.similarity(piece.batch, together)  # (B, F·B)
        values = values.reshape(len(values), len(chosen), len(values))
        rows.append(values.diagonal(dim1=0, dim2=2).T)  # (B, F)
    return Invariance(torch.cat(rows), classes, chosen, name, unit)


def _require_similarity(kernel: Any) -> None:
    if not hasattr(kernel, "similarity") or getattr(kernel, "normalization", "trace") is None:
        raise ArgumentError(
            "kernel: expected one with similarity(x, y) that is normalised, a TangentKernel with "
            f"normalization='whitened' or 'trace' or a baseline, got {type(kernel).__name__}"
        )


def _family(
    transform: str | Transform, strengths: Sequence[float] | None
) -> tuple[Transform, tuple[float, ...], str, str]:
    """The change, its strengths, its name and their unit."""
    if isinstance(transform, str):
        change, usual, unit = FAMILIES[one_of("transform", transform, tuple(FAMILIES))]
        change, name = on_inputs(change), transform
    elif callable(transform):
        change, usual, unit = transform, (), ""
        name = getattr(transform, "__name__", type(transform).__name__).strip("<>")
    else:
        raise ArgumentError(
            f"transform: expected one of {', '.join(FAMILIES)} or a callable (batch, strength) "
            f"-> batch, got {type(transform).__name__}"
        )
    chosen = tuple(float(each) for each in (usual if strengths is None else strengths))
    if not chosen:
        raise ArgumentError("strengths: expected at least one number, got none")
    return change, chosen, name, unit


def _changed(change: Callable[[Any, float], Any], batch: Any, strength: float) -> Any:
    batch = plain(batch)
    result = plain(change(batch, strength))
    before, after = tree_flatten(batch)[1], tree_flatten(result)[1]
    if before != after or batch_length(result) != batch_length(batch):
        raise DataError(
            "transform: expected as many samples as it was given, in the same form "
            f"({batch_length(batch)}, {type(batch).__name__}), got {type(result).__name__}; "
            "return (changed, *rest) for a tuple"
        )
    return result


def _deviation(values: Tensor) -> Tensor:
    """Standard deviation of each column, NaN left out: (F,)."""
    values = values.double()
    return (values - values.nanmean(0)).square().nanmean(0).sqrt()
