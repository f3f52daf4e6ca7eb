"""The spectrum of features that stream by: S×S algebra, and neither φ nor eigenvectors are held.

With Φ the centred features of the labelled samples, (n, S), and ΦᵀΦ = V diag(λ) Vᵀ, the
eigenvectors of K = ΦΦᵀ are the rows of Φ V λ^{-1/2}: a sample's row follows from its features.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.analysis.spectrum import smallest_kept

_NUMBERS = 1 << 21  # of features that are made float64 at a time

Pieces = Iterable[tuple[slice, Tensor]]  # (which samples, their features), gone over several times


@dataclass(frozen=True)
class Sums:
    """What n samples with features less ``shift``, (S,), and D columns of labels add up to."""

    count: int
    shift: Tensor  # (S,)
    features: Tensor  # (S,)
    labels: Tensor  # (D,)
    square: Tensor  # (S, S)
    cross: Tensor  # (S, D)

    @classmethod
    def of(cls, pieces: Pieces, labels: Tensor, known: Tensor, shift: Tensor) -> "Sums":
        """Of the ``known`` samples: (N,) bool."""
        count, parts = 0, []
        for rows, phi in portions(pieces):
            value, given = phi[known[rows]] - shift, labels[rows][known[rows]]
            new = [value.sum(0), given.sum(0), value.T @ value, value.T @ given]
            parts = [old.add_(one) for old, one in zip(parts, new, strict=True)] if parts else new
            count += len(value)
        return cls(count, shift, *parts)

    def __add__(self, other: "Sums") -> "Sums":
        """Of both; their shifts must be the same."""
        return Sums(
            self.count + other.count,
            self.shift,
            self.features + other.features,
            self.labels + other.labels,
            self.square + other.square,
            self.cross + other.cross,
        )


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
        shift = next((phi[known[r]].mean(0) for r, phi in portions(pieces) if known[r].any()), None)
        return cls.of_sums(
            Sums.of(pieces, labels, known, torch.zeros(()) if shift is None else shift)
        )

    @classmethod
    def of_sums(cls, sums: "Sums") -> "FeatureSpectrum":
        """From what was added up, wherever. Cost: O(S³)."""
        count = sums.count
        mean, label_mean = sums.features / count, sums.labels / count
        centred = sums.square - count * torch.outer(mean, mean)
        answered = sums.cross - count * torch.outer(mean, label_mean)
        values, vectors = torch.linalg.eigh((centred + centred.T) / 2)
        values, vectors = values.flip(0), vectors.flip(1)
        kept = values > smallest_kept(values, max(count, len(mean)))
        basis = vectors[:, kept] * values[kept].rsqrt()
        return cls(values[kept], basis, mean + sums.shift, basis.T @ answered, label_mean, count)

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
