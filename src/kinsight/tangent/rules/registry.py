"""What a rule is given (one use of a parameter) and where rules are found by operator name."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Dense
from kinsight.tangent.graph import Node
from kinsight.tangent.ownership import Layout, OwnedRows


@dataclass(frozen=True)
class Use:
    """One place where a weight meets sample data.

    Attributes:
        node: the autograd node; ``_saved_*`` are its operands, unchanged since the forward pass.
        slot: which argument of the operator the weight is.
        shape: shape of the weight as the operator sees it.
        deltas: ∂f_d/∂output for d = 1…D, each of the output's shape.
        owner: which sample every row of the output belongs to.
        batch: B.
        stacked: output-gradients of all d side by side, shared by the uses of one backward pass.
    """

    node: Node
    slot: int
    shape: tuple[int, ...]
    deltas: tuple[Tensor, ...]
    owner: Layout | OwnedRows
    batch: int
    stacked: dict[Hashable, Tensor] = field(default_factory=dict)

    @cached_property
    def delta(self) -> Tensor:
        """Output-gradients, samples first: (B, D, *output with the owned axis per sample)."""
        return self.by_sample(self.deltas)

    def by_sample(self, values: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
        """D tensors of the output's shape as (B, D, *output with the owned axis per sample)."""
        if len(values) == 1:
            return self.owner.to_samples(values[0])[:, None]
        # A layer's weight and bias have the same ones: they are copied once. Only those live as
        # long as ``stacked``; another tensor's identity may come again.
        lasting = all(v is d for v, d in zip(values, self.deltas, strict=True))
        if not (lasting and isinstance(self.owner, Layout)):
            return torch.stack([self.owner.to_samples(value) for value in values], 1)
        key = (self.owner, tuple(map(id, values)))
        if key not in self.stacked:
            self.stacked[key] = torch.stack([self.owner.to_samples(v) for v in values], 1)
        return self.stacked[key]

    def saved(self, name: str) -> Tensor:
        """An operand of the operator as autograd kept it, in float32 if it was half precision.

        Where gradients are to be differentiated again it stays part of the graph.
        """
        value = getattr(self.node, f"_saved_{name}")
        value = value if torch.is_grad_enabled() else value.detach()
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value

    def broadcast(self, values: tuple[Tensor, ...] | list[Tensor]) -> Block | None:
        """The weight was broadcast against the output: sum values over what it was spread on."""
        rank = values[0].dim()
        shape = (1,) * (rank - len(self.shape)) + tuple(self.shape)
        if shape[self.owner.dim] != 1:
            return None
        return reduce_to(self.by_sample(values), shape)


def reduce_to(value: Tensor, shape: tuple[int, ...]) -> Dense:
    """(B, D, *output) summed over the axes where ``shape`` is 1, flat: (B, D, P)."""
    axes = [i + 2 for i, size in enumerate(shape) if size == 1 and value.shape[i + 2] != 1]
    if axes:
        value = value.sum(axes)
    return Dense(value.reshape(*value.shape[:2], -1))


Rule = Callable[[Use], Block | None]
_RULES: dict[str, Rule] = {}


def register_rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a rule for autograd nodes by name, without the ``Backward0`` at their end."""

    def register(rule: Rule) -> Rule:
        for operator in operators:
            _RULES[operator] = rule
        return rule

    return register


def operator_of(node: Node) -> str:
    """``AddmmBackward0`` -> ``Addmm``."""
    return node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


def rule_for(node: Node) -> Rule | None:
    """The rule for a node's operator, or None."""
    return _RULES.get(operator_of(node))
