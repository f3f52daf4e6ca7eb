"""Where each parameter meets the data: the first operator whose result single samples own.

Operators that see parameters alone (transposes, weight norm, W + B A) give effective weights,
shared by all samples. The first operator whose output is owned by single samples is a *use*.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.tangent.graph import Edge, Graph, Node, coarsest, edge, edge_shape
from kinsight.tangent.ownership import (
    Cotangents,
    Evidence,
    Layout,
    OwnedRows,
    falls_silent,
)
from kinsight.tangent.rules.registry import operator_of

# One-operand operators that rearrange a weight: their consumers are judged in the same round.
REARRANGING = frozenset(
    (
        *("T", "Transpose", "Permute", "View", "UnsafeView", "Reshape", "ReshapeAlias"),
        *("Unsqueeze", "Squeeze", "Slice", "Select", "Split", "UnsafeSplit", "SplitWithSizes"),
        *("Unbind", "Clone", "ToCopy", "Alias", "Detach"),
    )
)


Judgement = dict[int, Evidence]  # per output of a node


@dataclass(frozen=True)
class Meeting:
    """A use by position in the graph's order, so that it holds for every pass wired alike."""

    node: int
    slot: int
    source: tuple[int, int]  # the effective weight: position of its node, output number
    owners: dict[int, Layout | OwnedRows]  # per output of the node


@dataclass(frozen=True)
class Map:
    """All meetings of one graph, and the dead ends: edges at which no gradient arrived.

    A dead end contributes nothing as long as it stays silent, which every pass checks.
    """

    meetings: tuple[Meeting, ...]
    silent: tuple[tuple[int, int], ...]  # position of the node, output number
    certain: bool

    def fits(self, graph: Graph, batch: int) -> bool:
        """Whether the owners found on another batch size describe this graph's shapes too."""
        for meeting in self.meetings:
            for number, owner in meeting.owners.items():
                shape = edge_shape(graph.order[meeting.node], number)
                if not isinstance(owner, Layout) or owner.dim >= len(shape):
                    return False
                if shape[owner.dim] != owner.outer * batch * owner.inner:
                    return False
        return True

    def resized(self, batch: int) -> "Map":
        """The same owners for a batch of another size."""
        meetings = tuple(
            Meeting(m.node, m.slot, m.source, {n: _resize(o, batch) for n, o in m.owners.items()})
            for m in self.meetings
        )
        return Map(meetings, self.silent, self.certain)


def _resize(owner: Layout | OwnedRows, batch: int) -> Layout | OwnedRows:
    return (
        Layout(owner.dim, owner.outer, owner.inner, batch) if isinstance(owner, Layout) else owner
    )


def wiring(graph: Graph) -> Hashable:
    """Equal for two passes with the same operators and wires, whatever their shapes."""
    place = {node: i for i, node in enumerate(graph.order)}
    return tuple(
        (
            node.name(),
            graph.parameter.get(node),
            *((place.get(n, -1), number) for n, number in node.next_functions),
        )
        for node in graph.order
    )


def find_uses(graph: Graph, rows: Tensor) -> Map:
    """Judge the outputs downstream of the parameters, round by round, until all are owned.

    Cost: two backward passes a round, two more where evidence is weak, and one for every sample
    that seems to own all there is; one round for plain layers, one more for every operator
    between a parameter and its use that is not a mere rearrangement.
    """
    cotangents = Cotangents(rows.shape[0], rows.shape[1], rows.detach(), coarsest(graph))
    shared: set[Node] = set(graph.parameter)
    judged: dict[Node, Judgement] = {}
    while waiting := _waiting(graph, shared, judged):
        found = _judge(graph, rows, cotangents, waiting)
        for node in waiting:  # topological: an effective weight is known before its consumers
            if not any(n in shared for n, _ in node.next_functions if n is not None):
                continue
            judged[node] = _settle(node, found[node])
            if not _owned(judged[node]) and not _silent(judged[node]):
                shared.add(node)
    return _map(graph, shared, judged, _reroutes(graph, rows, cotangents, shared))


def _reroutes(graph: Graph, rows: Tensor, cotangents: Cotangents, weights: set[Node]) -> bool:
    """Whether some operator may give rows to other samples when the data change.

    A gather that picks within each sample, along another axis than the samples', does not: the
    likelihood of a language model picks the next token so.
    """
    routing = graph.routing(weights)
    within = [node for node in routing if operator_of(node) == "Gather"]
    if not within or len(within) < len(routing):
        return bool(routing)
    edges = [node.next_functions[0] for node in within]
    plain, scaled = (_backward(rows, edges, c) for c in (cotangents.plain, cotangents.scaled))
    found = {e: cotangents.judge(plain[e], scaled[e]) for e in edges}
    doubted = _contradicted(rows, cotangents, found)
    for node, source in zip(within, edges, strict=True):
        owner = found[source].owner
        if not isinstance(owner, Layout) or not found[source].certain or source in doubted:
            return True
        if owner.dim == _axis(node._saved_dim, len(edge_shape(*source))):
            return True
    return False


def _axis(saved: int, rank: int) -> int:
    """An axis from 0 on; autograd shows a negative one as 64 bits without a sign."""
    return (saved - (1 << 64) if saved >> 63 else saved) % rank


def _settle(node: Node, found: Judgement) -> Judgement:
    if operator_of(node) in REARRANGING and any(e.alone for e in found.values()):
        # A transposed weight that one sample alone uses in this batch is still a weight.
        return {number: Evidence(None, False, e.silent) for number, e in found.items()}
    return found


def _map(graph: Graph, shared: set[Node], judged: dict[Node, Judgement], rerouted: bool) -> Map:
    place = {node: i for i, node in enumerate(graph.order)}
    meetings = tuple(
        Meeting(place[node], slot, (place[source], number), _owners(evidence))
        for node, evidence in judged.items()
        if _owned(evidence)
        for slot, (source, number) in enumerate(node.next_functions)
        if source is not None and source in shared
    )
    silent = tuple(
        (place[node], number)
        for node, evidence in judged.items()
        if _silent(evidence)
        for number in evidence
    )
    certain = all(e.certain for evidence in judged.values() for e in evidence.values())
    return Map(meetings, silent, certain and not rerouted)


def _waiting(graph: Graph, shared: set[Node], judged: dict[Node, Judgement]) -> list[Node]:
    """Consumers of effective weights, looking through mere rearrangements, in graph order."""
    waiting: set[Node] = set()
    stack = list(shared)
    while stack:
        for consumer, _, _ in graph.consumers.get(stack.pop(), ()):
            if consumer in judged or consumer in waiting:
                continue
            waiting.add(consumer)
            if operator_of(consumer) in REARRANGING:
                stack.append(consumer)
    return [node for node in graph.order if node in waiting]


def _judge(
    graph: Graph, rows: Tensor, cotangents: Cotangents, nodes: list[Node]
) -> dict[Node, Judgement]:
    edges: list[Edge] = []
    for node in nodes:
        numbers = {number for _, _, number in graph.consumers.get(node, ())}
        if node is graph.root[0]:
            numbers.add(graph.root[1])
        edges += [(node, number) for number in sorted(numbers)]
    plain, scaled = (
        _backward(rows, edges, cotangent) for cotangent in (cotangents.plain, cotangents.scaled)
    )
    found: dict[Edge, Evidence] = {e: cotangents.judge(plain[e], scaled[e]) for e in edges}
    if graph.root in found:  # f itself: row b is sample b by definition
        found[graph.root] = Evidence(Layout(0, 1, 1, len(rows)), certain=True)
    for doubted in _contradicted(rows, cotangents, found):
        found[doubted] = Evidence(None, certain=True)
    judgements: dict[Node, Judgement] = {node: {} for node in nodes}
    for (node, number), evidence in found.items():
        judgements[node][number] = evidence
    return judgements


def _contradicted(rows: Tensor, cotangents: Cotangents, found: dict[Edge, Evidence]) -> set[Edge]:
    """Edges that look owned on weak evidence and stay loud while their owner is silent."""
    weak = {e: v.owner for e, v in found.items() if v.weak and v.owner is not None}
    contradicted: set[Edge] = set()
    for silenced in cotangents.silences(list(weak.values())) if weak else ():
        gradients = _backward(rows, list(weak), cotangents.without(silenced))
        contradicted |= {
            e for e, owner in weak.items() if not falls_silent(gradients[e], owner, silenced)
        }
    return contradicted


def _backward(rows: Tensor, edges: list[Edge], cotangent: Tensor) -> dict[Edge, Tensor | None]:
    gradients = torch.autograd.grad(
        rows, [edge(*e) for e in edges], cotangent, retain_graph=True, allow_unused=True
    )
    return {e: _full(gradient) for e, gradient in zip(edges, gradients, strict=True)}


def _full(gradient: Tensor | None) -> Tensor | None:
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def _owners(evidence: Judgement) -> dict[int, Layout | OwnedRows]:
    return {n: e.owner for n, e in evidence.items() if e.owner is not None}


def _owned(evidence: Judgement) -> bool:
    """Owned by samples: at least one output is, and none is mixed."""
    mixed = any(e.owner is None and not e.silent for e in evidence.values())
    return bool(_owners(evidence)) and not mixed


def _silent(evidence: Judgement) -> bool:
    return all(e.silent for e in evidence.values())
