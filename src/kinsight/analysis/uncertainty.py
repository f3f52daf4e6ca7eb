"""How much a network's answer could change without the reference samples noticing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kinsight.analysis.result import Result, histogram
from kinsight.drawing.style import new_figure
from kinsight.kernel.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Uncertainty(Result):
    """One entry a query."""

    score: Tensor  # (M,) float64, from 0 to ∞; large = uncertain; NaN = set apart

    def figure(self) -> "Figure":
        """A histogram on a logarithmic axis."""
        figure, (axes,) = new_figure()
        finite = self.score[self.score.isfinite() & (self.score > 0)]
        histogram(axes, finite.log10(), "log₁₀ of the uncertainty")
        return figure


def uncertainty(source: Source, queries: Any = None) -> Uncertainty:
    """1 / Σ_j |k_N(q, x_j)|: the change of f(q) that moves the reference by one unit in all.

    k_N(q, x_j) = g_q·g_j / ‖g_q‖² is what a unit change of f(q) does to f(x_j); for D outputs
    the spectral norm of K(x_j, q) K(q, q)⁺ takes its place. Few neighbours, or neighbours that
    are hardly moved: nothing in the reference holds the answer at q, and it is uncertain.

    Args:
        source: the reference, usually the training data: ``kernel.on(data)``.
        queries: new points; ``None`` takes the reference itself, each sample counting itself.

    Returns: score (M,) in units of 1/samples, from 0 (held by very many) to ∞ (moved by
    nothing, or moving nothing).

    Cost: M·N products, for D > 1 as many D × D singular values.

    Source: Charpiat et al., NeurIPS 2019, section 4.

    Example:
        Two samples hold the answer in their direction; nothing holds it at a right angle.

        >>> import torch, kinsight as ks
        >>> kernel = ks.TangentKernel(torch.nn.Linear(2, 1, bias=False))
        >>> source = kernel.on(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        >>> ks.uncertainty(source, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).score.tolist()
        [0.5, inf]
    """
    totals: list[Tensor] = []
    apart: list[Tensor] = []
    for block in source.influences(queries):
        if block.columns.start == 0:  # a new range of queries
            totals.append(torch.zeros(len(block.values), dtype=torch.float64))
            apart.append(torch.ones(len(block.values), dtype=torch.bool))
        size = _sizes(block.values.double())
        totals[-1] += size.nansum(1)
        apart[-1] &= size.isnan().all(1)
    return Uncertainty((1 / torch.cat(totals)).masked_fill(torch.cat(apart), torch.nan))


def _sizes(values: Tensor) -> Tensor:
    """Spectral norms: (B, C, D, D) -> (B, C), NaN where a pair is set apart."""
    if values.shape[2:] == (1, 1):
        return values[..., 0, 0].abs()
    apart = values.isnan().flatten(2).any(2)
    norms = torch.linalg.matrix_norm(values.masked_fill(apart[..., None, None], 0.0), 2)
    return norms.masked_fill(apart, torch.nan)
