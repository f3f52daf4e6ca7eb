"""Why two inputs are alike: the similarity split by parameter and by position, exactly.

K is a sum over parameters. A weight that is used at positions t of x and s of y, with inputs a
and output-gradients δ, adds Σ_ts ⟨a_t, a'_s⟩ ⟨δ_t, δ'_s⟩. Summed over s this is ⟨a_t, U' δ_t⟩ with
U' the weight's whole gradient for y: the map over x needs no pairs of positions.
"""

from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.kernel.budget import refuse_oversize
from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.explanation import Explanation, LayerShare
from kinsight.kernel.whitening import Normalization
from kinsight.network.batches import Batches
from kinsight.tangent.blocks import Block, Convolution
from kinsight.tangent.blocks.base import row_products
from kinsight.tangent.features import Features
from kinsight.tangent.preconditioning import Preconditioned


def explain(
    engine: Engine, x: Any, y: Any, normalization: Normalization, pairs: str | None
) -> Explanation:
    """k(x, y) of two samples in its parts; see ``TangentKernel.explain``."""
    notes = Notes()
    _refuse_unknown(engine, pairs)
    first, second = engine.read(_single(x, "x")), engine.read(_single(y, "y"))
    engine.check_cancellation(first, notes)
    ours = _ready(engine, first, notes, normalization, "x")
    theirs = _ready(engine, second, notes, normalization, "y")
    engine.tell(notes, normalization == "whitened")
    names = engine.function.selection.chosen
    layers = tuple(_share(engine, name, ours, theirs) for name in names)
    asked = [_by_pair(engine, layer, ours, theirs) for layer in layers if layer.name == pairs]
    return Explanation(
        similarity=sum(layer.share for layer in layers),
        layers=layers,
        normalization=normalization,
        inputs=(first.take([0]), second.take([0])),
        pairs=asked[0] if asked else None,
    )


def _single(data: Any, side: str) -> Batches:
    batches = Batches(data)
    if len(batches) != 1:
        raise ArgumentError(
            f"{side}: expected one sample as a batch of one, got {len(batches):,} samples; take "
            "data[i:i+1] of a tensor, x[None] of a lone sample, Subset(data, [i]) of a data set"
        )
    return batches


def _refuse_unknown(engine: Engine, pairs: str | None) -> None:
    chosen = engine.function.selection.chosen
    if pairs is not None and pairs not in chosen:
        some = ", ".join(list(chosen)[:4]) + (" …" if len(chosen) > 4 else "")
        raise ArgumentError(f"pairs: expected the name of one parameter ({some}), got {pairs!r}")


def _ready(
    engine: Engine, batches: Batches, notes: Notes, normalization: Normalization, side: str
) -> Features:
    """Features of one sample, mixed to unit norm, in the forms in which they were captured."""
    (piece,) = batches.pieces(1)
    features, own = engine.examined(piece, notes)
    if bool(own.bad.any()):
        raise ArgumentError(
            f"{side}: expected a sample with a finite gradient, got NaN or infinity; check the "
            "input for NaN, or the output function for 0/0 and log 0"
        )
    weights = own.weights(normalization)
    return features.mapped(lambda block: block.mix(weights))


def _share(engine: Engine, name: str, ours: Features, theirs: Features) -> LayerShare:
    left, right = ours.blocks.get(name), theirs.blocks.get(name)
    treatment = engine.capture.treatment.get(name)
    operator = " ".join(treatment.operators) if treatment else "unused"
    if left is None or right is None:  # unused by one of them: its gradient is zero there
        return LayerShare(name, operator, 0.0, (), (), grid=False)
    mine, other = left.dense(), right.dense()  # (1, D, P)
    share = row_products(mine.flatten(1)[:, None], other.flatten(1)[:, None])  # (1, 1, 1)
    return LayerShare(
        name,
        operator,
        float(share),
        _maps(left, other[0]),
        _maps(right, mine[0]),
        grid=isinstance(left, Convolution) or _on_grid(left),
    )


def _on_grid(block: Block) -> bool:
    return isinstance(block, Preconditioned) and isinstance(block.inner, Convolution)


def _maps(block: Block, direction: Tensor) -> tuple[Tensor, ...]:
    return tuple(part[0].double().cpu() for part in block.by_position(direction))


def _by_pair(engine: Engine, layer: LayerShare, ours: Features, theirs: Features) -> Tensor:
    """Σ over groups and outputs of ⟨a_t, a'_s⟩ ⟨δ_t, δ'_s⟩: (T, S), uses one after the other."""
    sizes = tuple(sum(m.numel() for m in maps) for maps in (layer.positions_x, layer.positions_y))
    if 0 in sizes:
        raise ArgumentError(
            f"pairs: expected a parameter with positions, and {layer.name} has none: its gradient "
            "was summed over them, or x or y does not use it; .table() lists those that have"
        )
    itemsize = torch.finfo(engine.accumulation).bits // 8
    refuse_oversize(f"all pairs of positions of {layer.name}", sizes, itemsize, engine.budget)
    found = ours.blocks[layer.name].by_pair(theirs.blocks[layer.name])
    if found is None:
        raise ArgumentError(
            f"pairs: expected x and y to use {layer.name} alike, but they do so in two ways, or "
            "the metric mixes positions' two sides, as all but the Kronecker-factored one do"
        )
    return found[0, 0].double().cpu()
