"""K(x,x), its rank and the weights that make features of unit norm, for every sample of a batch."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Dense, Joined, with_biases
from kinsight.tangent.features import Features

Normalization = Literal["whitened", "trace"] | None

JOINED = ""  # no parameter has this name

_SMALL = {torch.float32: 1e-24, torch.float64: 1e-200}


@dataclass(frozen=True)
class Own:
    """What a sample's own Jacobian says: K(x,x) in float64, its rank, and what is unfit."""

    gram: Tensor  # (B, D, D), float64; K(x,x)·scale²
    scale: Tensor  # (B,), float64; the features were multiplied by it against under- and overflow
    rank: Tensor  # (B,)
    bad: Tensor  # (B,) bool
    eigenvalues: Tensor  # (B, D)
    eigenvectors: Tensor  # (B, D, D)
    shares: dict[str, Tensor]  # (B,) of each block, float64: they add up to the trace

    @property
    def trace(self) -> Tensor:
        """Tr K(x,x): (B,), float64."""
        return self.gram.diagonal(dim1=1, dim2=2).sum(1) / self.scale.square()

    def root(self, power: float = -0.5) -> Tensor:
        """K(x,x)^power on its range, of the scaled features: (B, D, D)."""
        inside = self.eigenvalues > 0
        values = torch.where(inside, self.eigenvalues.clamp_min(1e-300) ** power, 0.0)
        return (self.eigenvectors * values[:, None]) @ self.eigenvectors.mT

    def weights(self, normalization: Normalization) -> Tensor:
        """W with features W J: K^{-1/2}/√r, 1/√Tr K, or 1 (undoing the scale). (B, D, D)."""
        batch, outputs, _ = self.gram.shape
        if normalization == "whitened":
            return self.root() / self.rank.clamp_min(1).double().sqrt()[:, None, None]
        eye = torch.eye(outputs, dtype=torch.float64, device=self.gram.device)
        if normalization == "trace":
            trace = self.trace * self.scale.square()
            factor = torch.where(trace > 0, trace.clamp_min(1e-300).rsqrt(), 0.0)
        else:
            factor = 1 / self.scale
        return factor[:, None, None] * eye.expand(batch, -1, -1)


def examine(features: Features, tolerance: float | None = None) -> tuple[Features, Own]:
    """K(x,x) of every sample, and the features with unfit samples zeroed and extremes rescaled.

    Rank: eigenvalues above ``tolerance``·λ_max count, by default D·eps of the features' dtype.
    """
    gram, shares = _own_gram(features)
    batch, outputs, _ = gram.shape
    scale = torch.ones(batch, dtype=torch.float64, device=gram.device)
    trace = gram.diagonal(dim1=1, dim2=2).sum(1)
    dtype = _dtype(features)
    extreme = torch.zeros_like(features.bad)
    if features.blocks:  # none if no gradient arrives anywhere
        extreme = ~gram.isfinite().flatten(1).all(1) | (trace < _SMALL.get(dtype, 1e-24))
    if bool(extreme.any()):
        features, scale = _rescaled(features, extreme)
        gram, shares = _own_gram(features)
    bad = features.bad | ~gram.isfinite().flatten(1).all(1)
    if bool(bad.any()):
        features = features.mapped(lambda block: block.clean(bad))
        gram = gram.masked_fill(bad[:, None, None], 0.0)
    if outputs == 1:
        values, vectors = gram[:, 0], torch.ones_like(gram)
    else:
        values, vectors = torch.linalg.eigh(gram)
    limit = tolerance if tolerance is not None else outputs * torch.finfo(dtype).eps
    values = torch.where(values > limit * values.amax(1, keepdim=True), values, 0.0)
    rank = (values > 0).sum(1)
    shares = {name: value / scale.square() for name, value in shares.items()}
    return replace(features, bad=bad), Own(gram, scale, rank, bad, values, vectors, shares)


def _own_gram(features: Features) -> tuple[Tensor, dict[str, Tensor]]:
    """K(x,x), and each block's share of its trace."""
    batch, outputs = features.values.shape
    total = features.values.new_zeros(batch, outputs, outputs, dtype=torch.float64)
    shares = {}
    for name, block in features.blocks.items():
        part = block.own_gram()
        total += part
        shares[name] = part.diagonal(dim1=1, dim2=2).sum(1)
    return total, shares


def _rescaled(features: Features, extreme: Tensor) -> tuple[Features, Tensor]:
    peak = torch.stack([block.peak().double() for block in features.blocks.values()]).amax(0)
    usable = extreme & peak.isfinite() & (peak > 0)
    scale = torch.where(usable, 1 / peak.clamp_min(1e-300), 1.0)
    outputs = features.values.shape[1]
    weights = scale[:, None, None] * torch.eye(outputs, dtype=torch.float64, device=scale.device)
    return features.mapped(lambda block: block.mix(weights)), scale


def _dtype(features: Features) -> torch.dtype:
    dtype = features.values.dtype
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def settled(features: Features, pairs: int) -> Features:
    """Blocks in the form cheapest for ``pairs`` products a sample; dense ones joined into one.

    A weight that is kept factored takes its bias along.
    """
    blocks = {name: block.settled(pairs) for name, block in features.blocks.items()}
    blocks = with_biases(blocks)
    dense = {name: block for name, block in blocks.items() if isinstance(block, Dense)}
    rest: dict[str, Block] = {n: b for n, b in blocks.items() if n not in dense}
    if dense:
        rest[JOINED] = Joined.of(dense)
    return replace(features, blocks=rest)
