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
_FILLS_GPU = 1 << 29  # bytes: enough work for all of a GPU's units in one call


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

    def rounded(self, dtype: torch.dtype) -> "Block":
        """What is written out in another precision; factors stay as they are."""
        return self

    def trace_gram(self, other: "Block") -> Tensor:
        """Σ_d ⟨J_b^d, J'_c^d⟩: (B, C)."""
        return long_rows(self.dense().flatten(1), other.dense().flatten(1))

    def gram(self, other: "Block") -> Tensor:
        """⟨J_b^d, J'_c^e⟩: (B, C, D, E)."""
        ours, theirs = self.dense(), other.dense()
        product = long_rows(ours.flatten(0, 1), theirs.flatten(0, 1))
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


def long_rows(ours: Tensor, theirs: Tensor) -> Tensor:
    """a bᵀ: (B, P), (C, P) -> (B, C). Halves are multiplied exactly and added up in float32."""
    if ours.dtype != theirs.dtype:  # one side was kept factored, or lies in another order
        ours, theirs = ours.float(), theirs.float()
    elif ours.dtype in (torch.bfloat16, torch.float16):
        if ours.is_cuda:
            return torch.mm(ours, theirs.T, out_dtype=torch.float32)
        ours, theirs = ours.float(), theirs.float()
    return ours @ theirs.T


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
    if left.is_cuda:
        return _products_at_once(left, right)
    total = left.new_zeros(len(left), left.shape[1], right.shape[1], dtype=torch.float64)
    for start in range(0, left.shape[2], _PIECE):
        piece = slice(start, start + _PIECE)
        total += left[..., piece] @ right[..., piece].mT
    return total


def _products_at_once(left: Tensor, right: Tensor) -> Tensor:
    """The same on a GPU, where thousands of small products would take longer to ask for."""
    if left is right and left.shape[1] == 1:
        return torch.linalg.vector_norm(left, dim=2, dtype=torch.float64).square()[..., None]
    whole = left.shape[2] // _PIECE * _PIECE
    ours, theirs = (
        value[..., :whole].unflatten(2, (-1, _PIECE)).transpose(1, 2) for value in (left, right)
    )  # (B, P / piece, D, piece)
    total = (ours @ theirs.mT).sum(1, dtype=torch.float64)
    return total + left[..., whole:] @ right[..., whole:].mT


def cache_bytes(like: Tensor, on_processor: int) -> int:
    """Bytes to work on at a time: what a processor's cache holds; on a GPU what fills it."""
    return _FILLS_GPU if like.is_cuda else on_processor


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
