"""Is it right? The blocks of a batch against autograd: a random combination of all their gradients.

Weights that differ from sample to sample make the check sensitive to whose rows are whose, not
only to each operator's rule.
"""

import torch
from torch import Tensor, nn

from kinsight.tangent.features import Features
from kinsight.tangent.graph import Graph, coarsest, parameters_behind
from kinsight.tangent.ownership import Cotangents

# Of the parameter's own gradients, and of all of them: where terms cancel (the bias of the keys
# in attention has gradient zero) only rounding is left to compare.
_TOLERANCE = {torch.float64: (1e-8, 1e-12), torch.float32: (1e-3, 1e-5)}
_HALF_TOLERANCE = (5e-2, 5e-2)


def wrong_parameters(
    graph: Graph, rows: Tensor, features: Features, chosen: dict[str, nn.Parameter]
) -> set[str] | None:
    """Names of parameters for which Σ c_bd J_bd is not what one backward pass gives.

    ``None`` if it cannot be told: some gradient is not finite. Cost: one backward pass.
    """
    if bool(features.bad.any()):
        return None
    weights = Cotangents(rows.shape[0], rows.shape[1], rows.detach(), seed=1).scaled  # (B, D)
    exempt = scaled_by_batch(graph)
    names = [name for name in graph.used if name not in exempt]
    if not names:
        return set()
    reference = torch.autograd.grad(
        rows, [chosen[n] for n in names], weights, retain_graph=True, allow_unused=True
    )
    got = {name: _combination(features, name, weights) for name in names}
    want = {
        name: _real(chosen[name].detach() * 0 if g is None else g.detach())
        for name, g in zip(names, reference, strict=True)
    }
    values = [*want.values(), *(value for value, _ in got.values())]
    if not all(bool(value.isfinite().all()) for value in values):
        return None
    own, overall = _TOLERANCE.get(coarsest(graph), _HALF_TOLERANCE)
    total = torch.stack([scale for _, scale in got.values()]).norm()
    return {
        name
        for name, (value, scale) in got.items()
        if (value - want[name].to(value)).norm() > own * scale + overall * total
    }


def _combination(features: Features, name: str, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Σ c_bd J_bd of one parameter, (P,), and Σ_b ‖c_b J_b‖ as its scale."""
    block = features.blocks.get(name)
    if block is None:
        return weights.new_zeros(1), weights.new_zeros(())
    mixed = block.mix(weights[:, None])
    return mixed.summed()[0], mixed.own_gram().flatten().clamp_min(0).sqrt().sum()


def scaled_by_batch(graph: Graph) -> set[str]:
    """Embeddings whose gradient torch divides by frequencies in the batch: no sum of samples."""
    names: set[str] = set()
    for node in graph.order:
        if getattr(node, "_saved_scale_grad_by_freq", False):
            names |= set(parameters_behind(graph, node))
    return names


def _real(value: Tensor) -> Tensor:
    value = value.to_dense() if value.is_sparse else value
    return (torch.view_as_real(value) if value.is_complex() else value).flatten()
