"""Eigenpairs of a Gram matrix or of features: all that linear smoothers of labels need."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kinsight.drawing.marks import logarithmic
from kinsight.drawing.notebook import Shown
from kinsight.drawing.style import ACCENT, new_figure
from kinsight.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Spectrum(Shown):
    """K = V diag(λ) Vᵀ over N samples, r ≤ N eigenpairs that are not zero.

    ``centred``: K was made C K C with C = I − 11ᵀ/N, as an unpenalised intercept requires.
    """

    eigenvalues: Tensor  # (r,) descending, positive, float64
    eigenvectors: Tensor  # (N, r)
    centred: bool

    def __len__(self) -> int:
        return len(self.eigenvectors)

    def figure(self) -> "Figure":
        """The eigenvalues, largest first, both axes logarithmic: the steeper, the fewer count."""
        figure, (axes,) = new_figure()
        values = self.eigenvalues.numpy()
        axes.plot(range(1, len(values) + 1), values, color=ACCENT, marker=".", markersize=3)
        axes.set_xlabel("eigenvalue, largest first")
        axes.set_ylabel("its size")
        for axis in (axes.xaxis, axes.yaxis) if len(values) else ():
            logarithmic(axis)
        return figure

    def _numbers(self) -> list[tuple[str, str]]:
        rows = [("samples", f"{len(self):,}"), ("eigenvalues", f"{len(self.eigenvalues):,}")]
        return [*rows, ("condition", f"{self.condition:.4g}"), ("centred", str(self.centred))]

    @property
    def condition(self) -> float:
        """λ_max / λ_min of the eigenvalues kept."""
        if not len(self.eigenvalues):
            return 1.0
        return float(self.eigenvalues[0] / self.eigenvalues[-1])

    @classmethod
    def of_gram(
        cls, gram: Tensor, centred: bool = False, precision: torch.dtype | None = None
    ) -> "Spectrum":
        """From K, (N, N) and symmetric. Cost: O(N³), float64.

        ``precision``: that its entries were computed in, by default their type. Eigenvalues that
        rounding in it explains are left out, before centring can make them look large.

        Raises:
            ArgumentError: not square, or not finite.
        """
        gram = torch.as_tensor(gram)
        if gram.dim() != 2 or gram.shape[0] != gram.shape[1]:
            raise ArgumentError(f"gram: expected a square matrix, got {tuple(gram.shape)}")
        if not bool(gram.isfinite().all()):
            raise ArgumentError(
                "gram: expected finite values; leave out the samples that are set apart "
                "(source.non_finite())"
            )
        eps = torch.finfo(precision or gram.dtype).eps
        value = gram.double()
        value = (value + value.T) / 2
        floor = float(value.mean(0).sum().abs()) if len(value) else 0.0  # ≤ λ_max of K
        if centred:
            mean = value.mean(0)
            value = value - mean - mean[:, None] + mean.mean()
        values, vectors = torch.linalg.eigh(value)
        values, vectors = values.flip(0), vectors.flip(1)
        share = 16 * eps if eps > 1e-10 else len(value) * eps
        kept = values > share * max(floor, float(values[0]) if len(values) else 0.0)
        return cls(values[kept], vectors[:, kept], centred)

    @classmethod
    def of_features(cls, features: Tensor, centred: bool = False) -> "Spectrum":
        """From φ, (N, S), with K = φ φᵀ; rank at most S. Cost: O(N S²), memory of φ in float64."""
        features = torch.as_tensor(features)
        if features.dim() != 2 or not bool(features.isfinite().all()):
            raise ArgumentError(
                f"features: expected finite values of shape (N, S), got {tuple(features.shape)}"
            )
        value = features.to(torch.float64, copy=True)
        if centred:
            value -= value.mean(0)
        values, vectors = torch.linalg.eigh(value.T @ value)  # (S, S)
        values, vectors = values.flip(0), vectors.flip(1)
        kept = values > smallest_kept(values, max(features.shape))
        left = value @ (vectors[:, kept] / values[kept].sqrt())  # (N, r)
        return cls(values[kept], left, centred)


def smallest_kept(values: Tensor, size: int) -> float:
    """Eigenvalues up to here are rounding: those of float32 inner products, at best."""
    top = float(values.max()) if len(values) else 0.0
    return max(top, 0.0) * size * torch.finfo(torch.float64).eps
