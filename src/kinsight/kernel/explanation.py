"""What ``kernel.explain`` returns: shares by layer and by position, a heat-map, table, figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from kinsight.checks import one_of
from kinsight.drawing.notebook import Shown
from kinsight.errors import ArgumentError
from kinsight.kernel.placing import Size, checked, place, refuse_placeless, size_of
from kinsight.kernel.whitening import Normalization
from kinsight.network.layers import groups

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.figure import Figure

Side = Literal["x", "y"]
_LISTED = 8  # layers in a notebook's table


@dataclass(frozen=True, eq=False)
class LayerShare:
    """One parameter's part of the similarity.

    ``positions_x``: one map for every use of the weight, float64: its output's positions t of x,
    each with what it shares with all positions of y; (*sizes) of a convolution, (T,) of a matrix
    product or an embedding. The maps of one side add up to ``share``. No maps: the gradient was
    summed over positions already (biases, scales, transposed convolutions, a convolution used
    twice, weight norm, whatever fell back), or there are none.
    """

    name: str
    operator: str  # of autograd; several with a blank between them
    share: float
    positions_x: tuple[Tensor, ...]
    positions_y: tuple[Tensor, ...]
    grid: bool  # the positions are those of a convolution

    def positions(self, side: Side) -> tuple[Tensor, ...]:
        """The maps over one of the inputs."""
        return self.positions_x if side == "x" else self.positions_y


class Heat(NamedTuple):
    """Shares by place of an input, and what has no place: together the similarity."""

    values: Tensor  # (*size) float64, negative where it speaks against being alike
    placeless: float


@dataclass(frozen=True, eq=False)
class Explanation(Shown):
    """k(x, y) = Σ over layers of their shares = Σ over places of the heat-map + a placeless rest.

    Equal to rounding: 1e-12 in float64, about 1e-6 in float32, in units of the similarity. A
    share below zero makes x and y less alike. Made by ``kernel.explain(x, y)``.

    Example:
        f(x) = Σ_t w x_t has J(x) = Σ_t x_t, and position t of x the share x_t Σ_s y_s.

        >>> import torch, kinsight as ks
        >>> class Sum(torch.nn.Conv2d):
        ...     def forward(self, x):
        ...         return super().forward(x).sum((1, 2, 3))
        >>> kernel = ks.TangentKernel(Sum(1, 1, 1, bias=False), normalization=None)
        >>> x, y = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0, -1.0]]]])
        >>> explanation = kernel.explain(x, y)
        >>> explanation.similarity, explanation.heat("x").values.tolist()
        (6.0, [[2.0, 4.0]])
    """

    similarity: float  # as kernel.similarity has it
    layers: tuple[LayerShare, ...]  # every chosen parameter, in the network's order
    normalization: Normalization
    inputs: tuple[Any, Any]  # x and y, batches of one
    pairs: Tensor | None  # (T, S) float64: shares of all pairs of positions, where asked for

    def layer(self, name: str) -> LayerShare:
        """One parameter's part.

        Raises:
            ArgumentError: no such parameter.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"expected the name of a parameter ({self._some()}), got {name!r}")

    def groups(self) -> dict[str, float]:
        """Shares added up by groups of layers: the first parts of names in which they differ."""
        group = groups(layer.name for layer in self.layers)
        total = dict.fromkeys(group.values(), 0.0)
        for layer in self.layers:
            total[group[layer.name]] += layer.share
        return total

    def heat(
        self,
        side: Side = "x",
        *,
        layers: str | Sequence[str] | None = None,
        size: Size | None = None,
        skip: int = 0,
    ) -> Heat:
        """One map over an input: the layers' maps brought to its size and added up.

        A layer's position is the place where its output was computed; what it knows comes from
        all of its receptive field, in a deep layer most of an image, after attention every token.
        Early layers (``layers="layer1.*"``) say most about where. A row of positions (matrix
        products, embeddings) is laid on the input by their number alone: one a token, or row by
        row on the grid of the input or of a convolution. What does not fit is placeless, and so
        are layers without positions or with a single one.

        Args:
            layers: names or globs; the sum is then that of their shares.
            size: the places, (H, W) of an image, (T,) of tokens; by default those of the input's
                tensor, channels first unless only its last axis is as short as 4.
            skip: positions at the head of a row that have no place, such as a class token.

        Raises:
            ArgumentError: an unknown side or layer, an unfit size, or an input without places.
        """
        one_of("side", side, ("x", "y"))
        if skip < 0:
            raise ArgumentError(f"skip: expected a number of positions, got {skip!r}")
        size = self._size(side) if size is None else checked(size)
        if size is None:
            refuse_placeless(self._input(side))
        grids = {tuple(m.shape) for one in self.layers if one.grid for m in one.positions(side)}
        values, total = torch.zeros(size, dtype=torch.float64), 0.0
        for layer in self.layers if layers is None else self._chosen(layers):
            total += layer.share
            for part in layer.positions(side):
                placed = place(part, layer.grid, size, grids, skip)
                values += 0.0 if placed is None else placed
        return Heat(values, total - float(values.sum()))

    def table(self) -> "pyarrow.Table":
        """One row a parameter: name, operator, share, number of positions in x and in y."""
        import pyarrow

        count = {
            side: [sum(m.numel() for m in layer.positions(side)) for layer in self.layers]
            for side in ("x", "y")
        }
        return pyarrow.table(
            {
                "parameter": [layer.name for layer in self.layers],
                "operator": [layer.operator for layer in self.layers],
                "share": [layer.share for layer in self.layers],
                "positions_x": count["x"],
                "positions_y": count["y"],
            }
        )

    def figure(self) -> "Figure":
        """Shares as bars, and beside them both inputs with their heat-maps where they have any."""
        from kinsight.kernel.explanation_figure import draw

        sides: tuple[Side, Side] = ("x", "y")
        heats = {side: self.heat(side) for side in sides if len(self._size(side) or ()) in (1, 2)}
        shares = {layer.name: layer.share for layer in self.layers}
        return draw(shares, heats, {side: self._input(side) for side in sides})

    def _numbers(self) -> list[tuple[str, str]]:
        """The similarity, and the layers that have most to do with it."""
        largest = sorted(self.layers, key=lambda layer: -abs(layer.share))[:_LISTED]
        rows = [
            ("similarity", f"{self.similarity:.6g}"),
            ("normalization", str(self.normalization)),
        ]
        return rows + [(layer.name, f"{layer.share:+.4g}") for layer in largest]

    def _input(self, side: Side) -> Any:
        return self.inputs[0 if side == "x" else 1]

    def _size(self, side: Side) -> Size | None:
        maps = [tuple(m.shape) for layer in self.layers for m in layer.positions(side)]
        return size_of(self._input(side), maps)

    def _chosen(self, patterns: str | Sequence[str]) -> list[LayerShare]:
        asked = [patterns] if isinstance(patterns, str) else list(patterns)
        for pattern in asked:
            if not any(fnmatchcase(layer.name, pattern) for layer in self.layers):
                raise ArgumentError(
                    f"layers: expected names or globs of parameters ({self._some()}), got "
                    f"{pattern!r}, which matches none"
                )
        return [one for one in self.layers if any(fnmatchcase(one.name, p) for p in asked)]

    def _some(self) -> str:
        more = ", …" if len(self.layers) > 4 else ""
        return ", ".join(layer.name for layer in self.layers[:4]) + more
