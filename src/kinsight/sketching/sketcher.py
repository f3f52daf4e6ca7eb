"""Sketched tangent features of one batch: φ with ⟨φ(x), φ(x')⟩ ≈ k(x, x'), and its facts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.kernel.whitening import Normalization, Own
from kinsight.network.batches import Batches, Piece
from kinsight.tangent.features import Features
from kinsight.tangent.hashing import Hash, folded

SCHEME = 1  # of signs and buckets; another one gives other sketches from the same seed
_TOGETHER = ""  # no parameter has this name: the hash that lays the D outputs over each other


@dataclass(frozen=True)
class Sketched:
    """B samples. D outputs, S numbers a sketch."""

    phi: Tensor  # (B, S) float32 of norm 1; zero without gradient and where set apart
    sketch_norm: Tensor  # (B,) float32, ‖φ‖ before it was divided by it: 1 but for chance
    norm: Tensor  # (B,) float64, √Tr K(x,x), exact; NaN where set apart
    rank: Tensor  # (B,) of K(x,x)
    outputs: Tensor  # (B, D) f(x)
    shares: dict[str, Tensor]  # (B,) float64 of each parameter: ‖its part of the gradient‖²
    rows: Tensor | None  # (B, D, S) sketches of the rows of J/‖J‖, where they are kept
    whitening: Tensor | None  # (B, D, D) K(x,x)^{-1/2} ‖J‖/√r, r the rank


class Sketcher:
    """Turns batches into sketches of S = ``dim`` numbers of one kernel's features.

    With Π the count sketch of :class:`~kinsight.tangent.hashing.Hash`, one for each parameter:
    ψ = J Πᵀ ∈ R^{D×S}, whitened by the exact K(x,x) (or divided by √Tr K(x,x)) to the sketch of
    A(x), whose D rows are laid over each other by one more hash: φ = Σ_d roll(s_d ⊙ ψ_d, r_d).

    Cost: one forward pass, D backward passes without weight gradients, and for each use of a
    parameter either its gradient or T FFTs of length S, whichever the plan counts as cheaper.
    """

    def __init__(self, kernel: TangentKernel, dim: int, seed: int, keep_rows: bool = False):
        self.engine: Engine = kernel.engine
        self.normalization: Normalization = kernel.normalization
        self.dim, self.seed, self.keep_rows = dim, seed, keep_rows
        self.notes = Notes()
        self._hashes: dict[str, Hash] = {}

    def __call__(self, piece: Piece) -> Sketched:
        features, own = self.engine.examined(
            piece, self.notes, lambda block: block.sketchable(self.dim)
        )
        psi = self._rows(features)  # (B, D, S)
        phi = self._together(own.weights(self.normalization) @ psi)
        phi = phi.masked_fill(own.bad[:, None], 0.0)
        length = torch.linalg.vector_norm(phi, dim=1, keepdim=True)
        phi = torch.where(length > 0, phi / length, 0.0)
        rows, whitening = self._kept(psi, own) if self.keep_rows else (None, None)
        return Sketched(
            phi.float().cpu(),
            length[:, 0].float().cpu(),
            own.trace.sqrt().masked_fill(own.bad, torch.nan).cpu(),
            own.rank.cpu(),
            features.values.cpu(),
            _together_to_cpu(own.shares),
            rows,
            whitening,
        )

    def footprint(self, data: Batches) -> int:
        """Bytes that one sample takes on the way to its sketch. Cost: two samples."""
        few = data.take(range(min(2, len(data))))
        features = self.engine.features(self.engine.function.place(few))
        ready = features.mapped(lambda block: block.sketchable(self.dim))
        numbers = features.values.shape[1] * self.dim  # of ψ: twice in sums, thrice in float64
        return max(1, max(features.bytes, ready.bytes) // len(features) + 32 * numbers)

    def _rows(self, features: Features) -> Tensor:
        """ψ = J Πᵀ: (B, D, S) float64."""
        values = features.values
        total = torch.zeros(*values.shape, 2 * self.dim, dtype=_wide(values), device=values.device)
        for name, block in features.blocks.items():
            block.sketch(self._hash(name, total), total)
        return folded(total).double()

    def _together(self, rows: Tensor) -> Tensor:
        """D sketches of one sample as one: (B, D, S) -> (B, S)."""
        batch, outputs, _ = rows.shape
        if outputs == 1:
            return rows[:, 0]
        total = rows.new_zeros(batch, 1, 2 * self.dim)
        # A vector of D·S entries: every S of them shifted, with signs of their own.
        hashing = Hash.of(_TOGETHER, (outputs * self.dim,), self.dim, self.seed).to(rows)
        hashing.scatter(rows.reshape(batch, 1, -1), total)
        return folded(total)[:, 0]

    def _kept(self, psi: Tensor, own: Own) -> tuple[Tensor, Tensor]:
        """Rows and weights scaled by √Tr K(x,x), so that both fit their types."""
        length = (own.trace.sqrt() * own.scale)[:, None, None]  # of the features as they were read
        inverse = torch.where((length > 0) & ~own.bad[:, None, None], 1 / length, 0.0)
        weights = own.weights("whitened") * length
        weights = weights.masked_fill(own.bad[:, None, None], 0.0)
        return (psi * inverse).float().cpu(), weights.float().cpu()

    def _hash(self, name: str, like: Tensor) -> Hash:
        if name not in self._hashes:
            parameter = self.engine.function.selection.chosen[name]
            pair = (2,) if parameter.is_complex() else ()
            made = Hash.of(name, (*parameter.shape, *pair), self.dim, self.seed)
            self._hashes[name] = made.to(like)
        return self._hashes[name]


def _together_to_cpu(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Values of one shape brought over in one go: each on its own would wait for the device."""
    if not values:
        return {}
    return dict(zip(values, torch.stack(list(values.values())).cpu(), strict=True))


def _wide(like: Tensor) -> torch.dtype:
    return torch.promote_types(like.dtype, torch.float32)
