"""The exact way for any operator without a rule: its own backward, once per sample and output.

An autograd node is linear in its output-gradient. Given the rows of one sample, and zeros
elsewhere, it returns that sample's gradient of its weight. Custom functions, fused recurrent
layers and whatever torch adds next need no code here. Cost: B·D backward steps of one operator.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kinsight.tangent.graph import Node, edge_shape
from kinsight.tangent.ownership import Layout, OwnedRows


def one_sample_at_a_time(
    node: Node,
    slot: int,
    shape: tuple[int, ...],
    deltas: dict[int, tuple[Tensor | None, ...]],
    owners: dict[int, Layout | OwnedRows],
    batch: int,
) -> Tensor:
    """The weight's gradient per sample and output: (B, D, *shape).

    Args:
        deltas: for each output of the node, D output-gradients.
        owners: for each output of the node, whose rows they are.
    """
    outputs = len(next(iter(deltas.values())))
    result: Tensor | None = None
    for b in range(batch):
        for d in range(outputs):
            given = [
                _rows_of(number, node, deltas, owners, b, d)
                for number in range(len(node._input_metadata))
            ]
            gradient = _backward(node, given)[slot]
            if gradient is None:
                continue
            if gradient.is_sparse:
                gradient = gradient.to_dense()
            if result is None:
                result = gradient.new_zeros(batch, outputs, *shape)
            result[b, d] = gradient.sum_to_size(shape) if gradient.shape != shape else gradient
    if result is None:
        like = next(d for ds in deltas.values() for d in ds if d is not None)
        return like.new_zeros(batch, outputs, *shape)
    return result


def _rows_of(number: int, node: Node, deltas: dict, owners: dict, b: int, d: int) -> Tensor:
    delta = deltas[number][d] if number in deltas else None
    if delta is None or number not in owners:
        like = next(x for ds in deltas.values() for x in ds if x is not None)
        return like.new_zeros(edge_shape(node, number))
    owner = owners[number]
    if delta.dim() == 0:  # a single number has a single owner
        mine = isinstance(owner, OwnedRows) and int(owner.owner[0]) == b
        return delta if mine else torch.zeros_like(delta)
    if isinstance(owner, OwnedRows):
        mine = owner.owner == b
    else:
        rows = torch.arange(delta.shape[owner.dim], device=delta.device)
        mine = rows // owner.inner % owner.batch == b
    shape = [1] * delta.dim()
    shape[owner.dim] = -1
    return torch.where(mine.reshape(shape), delta, 0.0)


def _backward(node: Node, gradients: list[Tensor]) -> tuple[Tensor | None, ...]:
    call: Callable = (
        node if callable(node) else node.apply
    )  # a Python function's node has only apply
    result = call(*gradients)
    return result if isinstance(result, tuple) else (result,)
