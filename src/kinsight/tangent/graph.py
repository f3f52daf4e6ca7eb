"""The autograd graph of one forward pass: nodes in order, and which of them hold a parameter.

The graph is exactly what autograd differentiates, so a parameter that is not in it has no
gradient, and one that is in it cannot be overlooked: every use is an edge.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from kinsight.errors import NetworkError

Node = Any  # torch.autograd.graph.Node; C++ nodes are not instances of the Python class
Edge = tuple[Node, int]  # a node and which of its outputs

DATA_DEPENDENT = ("Index", "Gather", "Scatter", "MaskedSelect", "MaskedScatter", "Sort", "Topk")
DATA_DEPENDENT += ("Take", "Repeatinter", "PackPadded", "Nested")


@dataclass
class Graph:
    """Nodes from the parameters up to f, in topological order (inputs before consumers)."""

    root: Edge
    order: list[Node] = field(default_factory=list)
    parameter: dict[Node, str] = field(default_factory=dict)  # AccumulateGrad node -> name
    consumers: dict[Node, list[tuple[Node, int, int]]] = field(default_factory=dict)
    # consumers[n] = [(consumer, slot of the consumer, output of n), …]

    @property
    def used(self) -> set[str]:
        """Names of the chosen parameters that f depends on."""
        return set(self.parameter.values())

    @property
    def misread_alone(self) -> bool:
        """Whether a batch of one sample would get wrong gradients from PyTorch itself.

        On CPU (2.13), the backward pass of batch norm takes the memory order of its gradient for
        granted when the first axis has one element, and errs where the gradient is transposed.
        """
        return any(node.name().startswith("NativeBatchNorm") for node in self.order)

    def routing(self, weights: set[Node]) -> list[Node]:
        """Operators that pick rows by index, so that ownership may change with the data.

        Operators among ``weights`` see parameters alone: what they pick is the same every time.
        """
        return [
            node
            for node in self.order
            if node.name().lstrip("_").startswith(DATA_DEPENDENT) and node not in weights
        ]


def coarsest(graph: Graph) -> torch.dtype:
    """The lowest precision inside the network: some compute a norm in float32 whatever comes."""
    inside = {meta.dtype for node in graph.order for meta in node._input_metadata}
    return max(
        (dtype for dtype in inside if dtype.is_floating_point),
        key=lambda dtype: torch.finfo(dtype).eps,
        default=torch.float32,
    )


def edge(node: Node, number: int) -> GradientEdge:
    """The gradient edge that ``torch.autograd.grad`` takes in place of a tensor."""
    return GradientEdge(node, number, None)


def edge_shape(node: Node, number: int) -> tuple[int, ...]:
    """Shape of output ``number`` of ``node``."""
    return tuple(node._input_metadata[number].shape)


def read_graph(rows: Tensor, chosen: dict[str, nn.Parameter]) -> Graph:
    """Walk from f(x), (B, D), back to every chosen parameter.

    Cost: one visit per node, no tensor operation.
    """
    graph = Graph((rows.grad_fn, rows.output_nr))
    if rows.grad_fn is None:
        return graph
    names = {id(parameter): name for name, parameter in chosen.items()}
    finished: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(rows.grad_fn, False)]
    while stack:
        node, expanded = stack.pop()
        if node in finished:
            continue
        if not expanded:
            stack.append((node, True))
            stack.extend((n, False) for n, _ in node.next_functions if n is not None)
            continue
        finished.add(node)
        graph.order.append(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) in names:
            graph.parameter[node] = names[id(variable)]
        _refuse_hidden(node)
    for node in graph.order:
        for slot, (source, number) in enumerate(node.next_functions):
            if source is not None:
                graph.consumers.setdefault(source, []).append((node, slot, number))
    return graph


def _refuse_hidden(node: Node) -> None:
    if node.name() == "CheckpointFunctionBackward":
        raise NetworkError(
            "expected operators that autograd can show, got reentrant activation checkpointing, "
            "which hides the parameters inside; call checkpoint(…, use_reentrant=False)"
        )


def parameters_behind(graph: Graph, node: Node) -> dict[str, Node]:
    """The chosen parameters upstream of a node: name -> the node that accumulates its gradient."""
    seen: set[Node] = set()
    stack, found = [node], {}
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in graph.parameter:
            found[graph.parameter[current]] = current
        stack.extend(n for n, _ in current.next_functions if n is not None)
    return found
