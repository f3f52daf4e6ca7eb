"""The spectrum of features that stream by: S×S algebra, and neither φ nor eigenvectors are held.

With Φ the centred features of the labelled samples, (n, S), and ΦᵀΦ = V diag(λ) Vᵀ, the
eigenvectors of K = ΦΦᵀ are the rows of Φ V λ^{-1/2}: a sample's row follows from its features.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.analysis.spectrum import smallest_kept

_NUMBERS = 1 << 22  # of features that are made float64 at a time

Pieces = Iterable[tuple[slice, Tensor]]  # (which samples, their features), gone over several times


@dataclass(frozen=True)
class FeatureSpectrum:
    """r ≤ S eigenpairs of n samples with D columns of labels; K centred."""

    eigenvalues: Tensor  # (r,) descending, positive, float64
    basis: Tensor  # (S, r) V λ^{-1/2}
    mean: Tensor  # (S,) of the features
    inside: Tensor  # (r, D) coordinates of the centred labels along the eigenvectors
    label_mean: Tensor  # (D,)
    count: int  # n

    @classmethod
    def of(cls, pieces: Pieces, labels: Tensor, known: Tensor) -> "FeatureSpectrum":
        """From one pass over the features, of which the ``known`` samples take part.

        Sums are of φ less the mean of the first piece, so that features that have most in common
        lose no digits. Cost: N S² multiplications in float64, O(S³); memory O(S²).
        """
        shift, sums, count = torch.zeros(()), [], 0
        for rows, phi in portions(pieces):
            kept = known[rows]
            value, given = phi[kept], labels[rows][kept]
            if not len(value):
                continue
            shift = shift if count else value.mean(0)
            count += len(value)
            value -= shift
            parts = [value.sum(0), given.sum(0), value.T @ value, value.T @ given]
            sums = [old.add_(new) for old, new in zip(sums, parts, strict=True)] if sums else parts
        mean, label_mean, square, cross = sums[0] / count, sums[1] / count, sums[2], sums[3]
        centred = square - count * torch.outer(mean, mean)
        answered = cross - count * torch.outer(mean, label_mean)
        values, vectors = torch.linalg.eigh((centred + centred.T) / 2)
        values, vectors = values.flip(0), vectors.flip(1)
        kept = values > smallest_kept(values, max(count, len(mean)))
        basis = vectors[:, kept] * values[kept].rsqrt()
        return cls(values[kept], basis, mean + shift, basis.T @ answered, label_mean, count)

    def __len__(self) -> int:
        return self.count

    def vectors(self, pieces: Pieces) -> Iterator[tuple[slice, Tensor]]:
        """Rows of the eigenvectors, of samples that did not take part as well: (B, r) float64."""
        for rows, phi in portions(pieces):
            yield rows, (phi - self.mean) @ self.basis


def portions(pieces: Pieces) -> Iterator[tuple[slice, Tensor]]:
    """The same features as float64 copies, a few at a time."""
    for where, piece in pieces:
        step = max(1, _NUMBERS // piece.shape[1])
        for start in range(0, len(piece), step):
            part = piece[start : start + step].to(torch.float64, copy=True)
            first = where.start + start
            yield slice(first, first + len(part)), part
