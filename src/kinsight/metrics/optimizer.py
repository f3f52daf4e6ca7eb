"""The metric that training itself used: Adam divides every entry's step by √v̂ + ε."""

from typing import Any

import torch
from torch import Tensor, nn

from kinsight.errors import ArgumentError, MetricError
from kinsight.kernel.metric import ByParameter, Facts
from kinsight.network.function import unwrap
from kinsight.network.parameters import ParameterChoice, select_parameters
from kinsight.tangent.preconditioning import Half, Scale


def adam(
    optimizer: torch.optim.Optimizer, model: nn.Module, *, parameters: ParameterChoice = None
) -> ByParameter:
    """M = √v̂ + ε from the state of ``torch.optim.Adam`` or ``AdamW``: a step of it is M⁻¹ g.

    v̂ is the running mean of squared gradients of the batch loss, with its bias corrected; the
    largest that it ever was with ``amsgrad``. Momentum, step size and weight decay are left
    aside. It is no Fisher matrix: an entry that never had a gradient weighs 1/ε.

    Args:
        model: the network whose parameters the optimiser holds, the very objects.
        parameters: as the kernel's.

    Cost: P numbers. No pass over data.

    Raises:
        ArgumentError: another kind of optimiser.
        MetricError: names parameters without state: not held, or never stepped.
    """
    if not isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        raise ArgumentError(
            f"optimizer: expected torch.optim.Adam or AdamW, got {type(optimizer).__name__}"
        )
    selection = select_parameters(unwrap(model), parameters)
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    halves: dict[str, Half] = {}
    without = []
    for name, parameter in selection.chosen.items():
        state = optimizer.state.get(parameter)
        if not state or id(parameter) not in group_of:
            without.append(name)
            continue
        halves[name] = Scale(_size(state, group_of[id(parameter)]).rsqrt())
    if without:
        named = ", ".join(without[:4]) + (" …" if len(without) > 4 else "")
        raise MetricError(
            f"expected an optimiser that has stepped every chosen parameter, got no state of "
            f"{named}; pass the model that it trains (no copy of it), step it once, or leave them "
            "out by parameters="
        )
    return ByParameter(halves, selection.sizes, Facts("Adam", rule="ε of the optimiser"))


def _size(state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """√v̂ + ε: (P,) float64."""
    square = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
    square = torch.view_as_real(square) if square.is_complex() else square
    correction = 1 - float(group["betas"][1]) ** float(state["step"])
    value = square.detach().cpu().double().flatten()
    return (value / correction).sqrt() + float(group["eps"])
