"""Features that somebody computed, as a source: sketches, last-layer activations, embeddings."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source, check_neighbours, nearest_in
from kinsight.kernel.stream import Block

_BLOCK = 1 << 25  # numbers in a block of similarities


class FeatureSource(Source):
    """N samples with features φ, compared by the cosine ⟨φ, φ'⟩ / (‖φ‖ ‖φ'‖).

    Every analysis runs on it as on the exact kernel; sums over all pairs become moments.

    Args:
        features: (N, S) real numbers; a row that is not finite is a sample set apart.
        norms: (N,) √Tr K(x,x), where the rows were normalised before; default ‖φ‖.
        outputs: (N,) or (N, 1) f(x), for analyses that compare it with labels.
        sketched: the features are random projections to S dimensions. Divided by their own
            norms they have E k̂² = k² + (1 − k²)(1 − 2k²)/S, which the second moment is corrected
            for, up to 2k⁴/S a pair (:func:`unbiased_square`).
        memory_budget: bytes for results; default a quarter of the machine's.

    Example:
        >>> import torch, kinsight as ks
        >>> source = ks.FeatureSource(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
        >>> source.moments().tolist()
        [2.0, 2.0, 1.0]
    """

    def __init__(
        self,
        features: Tensor,
        *,
        norms: Tensor | None = None,
        outputs: Tensor | None = None,
        sketched: bool = False,
        memory_budget: int | None = None,
    ):
        value = torch.as_tensor(features)
        if value.dim() != 2 or not value.is_floating_point() or 0 in value.shape:
            raise ArgumentError(
                "features: expected real numbers of shape (N, S), got "
                f"{value.dtype} of shape {tuple(value.shape)}"
            )
        value = value if value.dtype == torch.float64 else value.float()
        self._features, lengths = _unit(value)
        self._norms = lengths if norms is None else _column(norms, len(value), "norms")[:, 0]
        if bool((self._norms < 0).any()):
            raise ArgumentError("norms: expected numbers of at least 0, got a negative one")
        self._norms = self._norms.masked_fill(~lengths.isfinite(), torch.nan)
        self._outputs = None if outputs is None else _column(outputs, len(value), "outputs")
        self._bad = ~self._norms.isfinite()
        if self._outputs is not None:
            self._bad |= ~self._outputs.isfinite().all(1)
            self._norms = self._norms.masked_fill(self._bad, torch.nan)
        self._features[self._bad] = 0
        self._sketched = sketched
        self.normalization = "trace"
        self.memory_budget = budget_for(memory_budget, value.device)

    def __len__(self) -> int:
        return len(self._features)

    @property
    def dimension(self) -> int:
        """D = 1: a feature vector stands for one output, or for all of them together."""
        return 1

    def norms(self) -> Tensor:
        """√Tr K(x,x): (N,); NaN where not finite."""
        return self._norms

    def ranks(self) -> Tensor:
        """1, or 0 where the features vanish: (N,)."""
        return (self._norms > 0).long()

    def outputs(self) -> Tensor:
        """f(x): (N, 1).

        Raises:
            ArgumentError: none were given.
        """
        if self._outputs is None:
            raise ArgumentError(
                "this analysis compares f(x) with labels; pass FeatureSource(…, outputs=f(x))"
            )
        return self._outputs

    def features(self, rank: int = 2048, seed: int = 0) -> Tensor:
        """The features themselves, normalised; the ``rank`` leading directions if S is more."""
        value = self._features
        if positive("rank", rank) < value.shape[1]:
            _, vectors = torch.linalg.eigh((value.T @ value).double())
            value = value @ vectors[:, -rank:].to(value)
        return value.masked_fill(self._bad[:, None], torch.nan)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Similarities of all pairs, all columns of a range of rows at once."""
        yield from self._between(self._features, self._bad, self._features, self._bad, first)

    def against(self, columns: Tensor) -> Iterator[Block]:
        """Similarities of all samples with those at ``columns``."""
        chosen, bad = self._features[columns], self._bad[columns]
        yield from self._between(self._features, self._bad, chosen, bad)

    def products(self) -> Iterator[Block]:
        """‖g_i‖ ‖g_j‖ k(x_i, x_j): values (B, C, 1, 1)."""
        for block in self.blocks():
            scale = self._norms[block.rows, None] * self._norms[block.columns]
            yield Block(block.rows, block.columns, (block.values * scale)[..., None, None])

    def influences(self, queries: Any = None) -> Iterator[Block]:
        """k(x_j, q) ‖g_j‖ / ‖g_q‖; ``queries``: another FeatureSource."""
        other = self if queries is None else _source(queries)
        stream = self._between(other._features, other._bad, self._features, self._bad)
        for block in stream:
            inverse = 1 / other._norms[block.rows, None]  # infinite where nothing can be moved
            scale = torch.where(inverse.isfinite(), inverse, 0.0) * self._norms[block.columns]
            yield Block(block.rows, block.columns, (block.values * scale)[..., None, None])

    def moments(self, order: int = 1) -> Tensor:
        """Σ_j k(x_i, x_j)^order for order 1 or 2: (N,) float64. Cost: O(N S), O(N S²); no pairs."""
        value = self._features
        if order == 1:
            return self._apart((value @ value.double().sum(0).to(value)).double())
        if order != 2:
            return super().moments(order)
        second = value.T @ value  # (S, S)
        total = ((value @ second) * value).sum(1).double()
        if self._sketched:
            total = unbiased_square(total, self._norms > 0, value.shape[1])
        return self._apart(total)

    def weighted(self, values: Tensor) -> Tensor:
        """Σ_j k(x_i, x_j) a_j: (N, A). Cost: O(N S A), no pairs."""
        values, phi = self._rows(values), self._features.double()
        return self._apart(phi @ (phi.T @ values))

    def nearest(self, queries: Any = None, k: int = 10) -> Neighbours:
        """The k most similar samples, for its own samples or those of another FeatureSource."""
        check_neighbours(k, len(self), themselves=queries is None)
        if queries is None:
            return nearest_in(self.blocks(), len(self), k, torch.arange(len(self)))
        other = _source(queries)
        stream = self._between(other._features, other._bad, self._features, self._bad)
        return nearest_in(stream, len(other), k, None)

    def _between(
        self, ours: Tensor, bad: Tensor, theirs: Tensor, apart: Tensor, first: int = 0
    ) -> Iterator[Block]:
        if ours.shape[1] != theirs.shape[1]:
            raise ArgumentError(
                f"queries: expected {theirs.shape[1]} features a sample, got {ours.shape[1]}"
            )
        step = max(1, _BLOCK // len(theirs))
        anything = bool(bad.any()) or bool(apart.any())
        for start in range(first, len(ours), step):
            rows = slice(start, min(start + step, len(ours)))
            values = (ours[rows] @ theirs.T).clamp_(-1, 1)
            if anything:
                values = values.masked_fill(bad[rows, None] | apart, torch.nan)
            yield Block(rows, slice(0, len(theirs)), values)


def unbiased_square(total: Tensor, alive: Tensor, dim: float, count: int | None = None) -> Tensor:
    """Σ_j k_ij² from Σ_j k̂_ij² of cosines of sketches with ``dim`` numbers: (N,).

    E k̂² = k² + (1 − k²)(1 − 2k²)/S, but a sample with itself has 1: right up to 2k⁴/S a pair.
    ``alive``: (N,) bool, samples whose features are not zero; the others keep their total.
    ``count``: how many such samples were summed over, where these are not all of them.
    """
    others, share = (int(alive.sum()) if count is None else count) - 1, 1 / dim
    pairs = (total - 1) * (1 + 3 * share) - others * share
    return torch.where(alive, 1 + pairs, total)


def _unit(value: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of norm 1 (zero rows stay), and their norms in float64. No row over- or underflows."""
    peak = value.abs().amax(1, keepdim=True)
    scaled = torch.where(peak > 0, value / peak, 0.0)
    lengths = torch.linalg.vector_norm(scaled, dim=1, dtype=torch.float64)
    inverse = torch.where(lengths > 0, 1 / lengths, 0.0)
    return scaled * inverse[:, None].to(value), lengths * peak[:, 0].double()


def _source(queries: Any) -> FeatureSource:
    if not isinstance(queries, FeatureSource):
        raise ArgumentError(
            f"queries: expected a FeatureSource with features of the same kind, got "
            f"{type(queries).__name__}"
        )
    return queries


def _column(values: Tensor, count: int, name: str) -> Tensor:
    """(N,) or (N, 1) as (N, 1) float64."""
    given = torch.as_tensor(values).double()
    if given.shape not in ((count,), (count, 1)):
        raise ArgumentError(
            f"{name}: expected shape ({count},) or ({count}, 1), got {tuple(given.shape)}"
        )
    return given.reshape(count, 1)
