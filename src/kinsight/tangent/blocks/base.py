"""A parameter's share of J for one batch: what every form of it can do.

Letters: B samples, D outputs, T positions (uses of the weight within a sample), G groups,
I and O the two sides of the weight, P its entries. A form is made when a rule meets an operator;
each does the same few things in its own cheapest way, and the dense form is the definition.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kinsight.tangent.hashing import Hash

_PIECE = 2048  # terms of a sum that are added in their own precision


class Block(ABC):
    """J restricted to one parameter, for B samples: mathematically (B, D, P)."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Memory held."""

    @abstractmethod
    def dense(self) -> Tensor:
        """(B, D, P), entries in the parameter's own order."""

    @abstractmethod
    def mix(self, weights: Tensor) -> "Block":
        """J_b -> W_b J_b with W of shape (B, D', D)."""

    @abstractmethod
    def keep(self, samples: Tensor) -> "Block":
        """Only the given samples, by index."""

    @abstractmethod
    def clean(self, bad: Tensor) -> "Block":
        """Zero in place of the samples in ``bad``, (B,) bool, whatever they hold."""

    @abstractmethod
    def peak(self) -> Tensor:
        """The order of magnitude of the largest entry per sample, (B,)."""

    def settled(self, pairs: int) -> "Block":
        """The form in which ``pairs`` inner products a sample cost least."""
        return self

    def trace_gram(self, other: "Block") -> Tensor:
        """Σ_d ⟨J_b^d, J'_c^d⟩: (B, C)."""
        return self.dense().flatten(1) @ other.dense().flatten(1).T

    def gram(self, other: "Block") -> Tensor:
        """⟨J_b^d, J'_c^e⟩: (B, C, D, E)."""
        ours, theirs = self.dense(), other.dense()
        product = ours.flatten(0, 1) @ theirs.flatten(0, 1).T
        return product.unflatten(1, theirs.shape[:2]).unflatten(0, ours.shape[:2]).transpose(1, 2)

    def own_gram(self) -> Tensor:
        """K(x_b, x_b): (B, D, D), summed in float64."""
        value = self.dense()
        return row_products(value, value)

    def summed(self) -> Tensor:
        """Σ_b J_b: (D, P)."""
        return self.dense().sum(0)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Σ_b W_b J_b for W of shape (B, D', D): (D', P)."""
        return self.mix(weights).summed()

    def sketchable(self, dim: int) -> "Block":
        """The form in which a sketch of S = ``dim`` numbers costs least."""
        return self

    def sketch(self, hashing: Hash, total: Tensor) -> None:
        """Add Π J_b^d of every sample and output to ``total``, (B, D, 2S): see ``Hash.scatter``."""
        hashing.scatter(self.dense(), total)

    def contract(self, direction: Tensor) -> Tensor:
        """Σ_d ⟨J_b^d, U^d⟩ for U of shape (D, P): (B,)."""
        return self.dense().flatten(1) @ direction.flatten()

    def by_position(self, direction: Tensor) -> tuple[Tensor, ...]:
        """Σ_d ⟨J_b^d, U^d⟩ position by position: (B, *positions) for every use of the weight.

        They add up to :meth:`contract`. Empty where J was summed over positions already.
        """
        return ()

    def by_pair(self, other: "Block") -> Tensor | None:
        """Σ_d ⟨J_b^d, J'_c^d⟩ by pairs of positions: (B, C, T, S). None where positions are gone.

        The pairs add up to :meth:`trace_gram`.
        """
        return None


def differentiated(*tensors: Tensor) -> bool:
    """Whether what is made of them will be differentiated again, backward or forward."""
    return any(
        tensor.requires_grad or forward_ad.unpack_dual(tensor).tangent is not None
        for tensor in tensors
    )


def row_products(left: Tensor, right: Tensor) -> Tensor:
    """Σ_p a_bdp a'_bep: (B, D, P), (B, E, P) -> (B, D, E) float64.

    A batched product with so few rows adds up its terms one after the other in their own
    precision: over 270,000 entries of one sign that loses 2e-5 in float32. Pieces lose 1e-7.
    """
    total = left.new_zeros(len(left), left.shape[1], right.shape[1], dtype=torch.float64)
    for start in range(0, left.shape[2], _PIECE):
        piece = slice(start, start + _PIECE)
        total += left[..., piece] @ right[..., piece].mT
    return total


def pairs(ours: Tensor, theirs: Tensor) -> Tensor:
    """⟨a_bt, a'_cs⟩: (B, T, I), (C, S, I) -> (B, C, T, S)."""
    product = ours.flatten(0, 1) @ theirs.flatten(0, 1).T
    return product.unflatten(1, theirs.shape[:2]).unflatten(0, ours.shape[:2]).transpose(1, 2)


def outer_pairs(ours: Tensor, theirs: Tensor) -> Tensor:
    """(B, D, T, O), (C, E, S, O) -> (B, D, T, C, E, S)."""
    product = ours.flatten(0, 2) @ theirs.flatten(0, 2).T
    return product.reshape(*ours.shape[:3], *theirs.shape[:3])


def largest(value: Tensor) -> Tensor:
    """Largest magnitude per sample: (B,)."""
    return value.flatten(1).abs().amax(1)
