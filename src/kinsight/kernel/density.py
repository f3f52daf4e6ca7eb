"""Soft density Σ_j k(x, x_j) without pairs and without keeping a gradient: two sweeps.

The features A(x) are linear: N(x) = ⟨A(x), Σ_j A(x_j)⟩. The first sweep adds up U = Σ A(x_j),
one weighted weight-gradient per batch; the second contracts every sample's factors with U.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from kinsight.kernel.engine import Engine, Notes, dense_if_cheaper
from kinsight.kernel.whitening import Normalization
from kinsight.network.batches import Batches
from kinsight.tangent.features import Features


def total_feature(
    engine: Engine, reference: Batches, normalization: Normalization, notes: Notes
) -> tuple[dict[str, Tensor], Tensor]:
    """U = Σ_j W_j J_j per parameter, (D, P), and the weights W_j, (N, D, D), for a second use."""
    total: dict[str, Tensor] = {}
    weights = []
    for _, _, features, own in engine.raw(reference, notes, dense_if_cheaper):
        weight = own.weights(normalization)
        weights.append((weight * own.scale[:, None, None]).to(engine.accumulation))
        for name, block in features.blocks.items():
            part = block.weighted_sum(weight)
            total[name] = total[name] + part if name in total else part
    return total, torch.cat(weights)


def soft_density(
    engine: Engine,
    data: Batches,
    reference: Batches | None,
    normalization: Normalization,
    notes: Notes,
) -> Tensor:
    """Σ_j k(x_i, r_j): (N,). ``reference=None`` is the data itself, the sample included."""
    total, weights = total_feature(engine, reference or data, normalization, notes)
    result = []
    known = weights if reference is None else None
    for features, weight in _weighted(engine, data, normalization, known):
        value = features.values.new_zeros(len(features))
        for name, block in features.blocks.items():
            if name in total:
                value += block.mix(weight).contract(total[name])
        result.append(value)
    density = torch.cat(result)
    unfit = torch.tensor(sorted(set(notes.non_finite)), dtype=torch.long)
    if reference is None and len(unfit):
        density[unfit] = torch.nan
    return density


def _weighted(
    engine: Engine, data: Batches, normalization: Normalization, known: Tensor | None
) -> Iterator[tuple[Features, Tensor]]:
    """Features with the weights that normalise them, known from the first sweep or made anew."""
    notes = Notes()
    if known is None:
        for _, _, features, own in engine.raw(data, notes):
            weight = own.weights(normalization)
            weight[own.bad] = torch.nan
            yield features, weight
        return
    for piece in data.pieces(engine.batch_size):
        features = engine.features(engine.function.place(piece.batch))
        weight = known[piece.start : piece.stop]
        bad = features.bad | (weight == 0).flatten(1).all(1)
        if bool(bad.any()):
            features = features.mapped(lambda block, bad=bad: block.clean(bad))
        yield features, weight
