"""From an effective weight back to the parameters behind it, sample by sample.

Transposes and reshapes keep the factored form. Any other data-free graph (weight norm,
W + B A, exp) is differentiated by autograd itself, all samples at once where its operators allow.
"""

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Dense, Outer
from kinsight.tangent.graph import Edge, Graph, edge, edge_shape, parameters_behind
from kinsight.tangent.rules.registry import operator_of

_RESHAPING = frozenset(("View", "UnsafeView", "Reshape", "ReshapeAlias", "Unsqueeze", "Squeeze"))


def pull_back(graph: Graph, source: Edge, block: Block) -> dict[str, Block]:
    """A block on an effective weight as blocks on parameters, by parameter name."""
    node = source[0]
    while node not in graph.parameter:
        operator = operator_of(node)
        if operator == "T" and isinstance(block, Outer):
            block = block.flip()
        elif operator not in _RESHAPING:
            return _by_autograd(graph, (node, source[1]), block)
        source = node.next_functions[0]
        node = source[0]
        if node is None:
            return {}
    return {graph.parameter[node]: block}


def _by_autograd(graph: Graph, source: Edge, block: Block) -> dict[str, Block]:
    leaves = parameters_behind(graph, source[0])
    variables = [node.variable for node in leaves.values()]
    value = block.dense()  # (B, D, P of the effective weight)
    shape = edge_shape(*source)
    flat = value.reshape(-1, *shape)  # (B·D, *shape)
    gradients = _vector_jacobian(source, variables, flat)
    return {
        name: Dense(gradient.reshape(*value.shape[:2], -1))
        for name, gradient in zip(leaves, gradients, strict=True)
        if gradient is not None
    }


def _vector_jacobian(source: Edge, variables: list[Tensor], rows: Tensor) -> list[Tensor | None]:
    try:
        return list(
            torch.autograd.grad(
                [edge(*source)],
                variables,
                [rows],
                retain_graph=True,
                allow_unused=True,
                create_graph=torch.is_grad_enabled(),
                is_grads_batched=True,
            )
        )
    except (RuntimeError, NotImplementedError, ValueError):  # an operator without a batching rule
        each = [
            torch.autograd.grad(
                [edge(*source)],
                variables,
                [row],
                retain_graph=True,
                allow_unused=True,
                create_graph=torch.is_grad_enabled(),
            )
            for row in rows
        ]
        return [
            None if column[0] is None else torch.stack([_full(g) for g in column])
            for column in zip(*each, strict=True)
        ]


def _full(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient
