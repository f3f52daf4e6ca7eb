"""One forward pass and D backward passes: every parameter's share of J for a batch, in blocks.

Every new wiring of the graph is checked against autograd before it is trusted: a random
combination Σ c_bd ∂f_d(x_b)/∂θ from the blocks must equal the one that backward gives.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from kinsight.errors import NetworkError, UnreachableParameterError
from kinsight.network.batches import Batch, batch_length
from kinsight.network.function import NetworkFunction
from kinsight.tangent.blocks import Block, Dense, add_up
from kinsight.tangent.coverage import Treatment
from kinsight.tangent.fallback import one_sample_at_a_time
from kinsight.tangent.features import Features
from kinsight.tangent.fitness import fit_samples
from kinsight.tangent.graph import Edge, Graph, edge, edge_shape, parameters_behind, read_graph
from kinsight.tangent.precision import full_float32
from kinsight.tangent.pullback import pull_back
from kinsight.tangent.rules import Use, rule_for
from kinsight.tangent.rules.registry import operator_of
from kinsight.tangent.uses import Map, Meeting, find_uses, wiring
from kinsight.tangent.verification import wrong_parameters

_PROBE = 6  # samples on which a new wiring is read and checked
Deltas = dict[Edge, tuple[Tensor | None, ...]]


@dataclass
class Capture:
    """Turns batches into :class:`Features`; remembers how the network is wired.

    ``differentiable``: what comes out can be differentiated again, by θ and in forward mode.
    """

    function: NetworkFunction
    differentiable: bool = False  # blocks with a graph of their own, for losses on gradients
    treatment: dict[str, Treatment] = field(default_factory=dict)
    _maps: dict[Hashable, list[Map]] = field(default_factory=dict)
    _distrusted: set[str] = field(default_factory=set)
    _routed: set[Hashable] = field(default_factory=set)  # wirings whose owners change with the data

    def __call__(self, batch: Batch) -> Features:
        """Features of a batch that is already in place.

        Cost: one forward pass and D backward passes without weight gradients. A wiring that is
        new adds a few backward passes and one check on six samples; one that routes by data adds
        five backward passes or more to every batch.

        Raises:
            UnreachableParameterError: f depends on none of the chosen parameters.
        """
        with torch.enable_grad(), self.function.selection.differentiable():
            rows = self.function(batch)
            graph = self._graph(rows)
            found = self._known(graph, len(rows))
            if found is None:
                fit = fit_samples(self.function, graph, rows, batch)
                if not bool(fit.all()):
                    return self._set_apart(batch, rows, fit)
                with full_float32(rows.device):
                    found = self._learn(batch, graph, len(rows))
            if len(rows) == 1 and (found is None or graph.misread_alone):
                # Alone, a sample cannot show what is its own.
                return _keep(self(_repeat(batch, [0, 0])), torch.tensor([0]))
            deltas = _deltas(graph, rows, found, self.differentiable) if found else {}
            if found is None or not _still_silent(graph, found, deltas):
                with full_float32(rows.device):
                    found = self._read(graph, rows)
                deltas = _deltas(graph, rows, found, self.differentiable)
            return self._features(graph, rows, found, deltas)

    def _set_apart(self, batch: Batch, rows: Tensor, fit: Tensor) -> Features:
        """Features of samples of which some are unfit: a fit one stands in for each of them.

        What is not finite spreads over a batch's gradients and would hide whose rows are whose.
        """
        if not bool(fit.any()):
            return Features(self._kept(rows), {}, ~fit)
        places = torch.where(fit, torch.arange(len(fit), device=fit.device), fit.int().argmax())
        features = self(_repeat(batch, places.tolist())).mapped(lambda block: block.clean(~fit))
        return replace(features, values=self._kept(rows), bad=features.bad | ~fit)

    def _graph(self, rows: Tensor) -> Graph:
        graph = read_graph(rows, self.function.selection.chosen)
        if not graph.used:
            raise UnreachableParameterError(
                "expected an output that depends on the chosen parameters, got one that depends "
                "on none of them; check the output function (detach, argmax, no_grad) and "
                "parameters="
            )
        return graph

    def _known(self, graph: Graph, batch: int) -> Map | None:
        for known in self._maps.get(wiring(graph), ()):
            if known.fits(graph, batch):
                return known.resized(batch)
        return None

    def _learn(self, batch: Batch, graph: Graph, length: int) -> Map | None:
        """Read a few samples; what they show with certainty holds for all batches wired alike."""
        if wiring(graph) in self._routed:
            return None
        probe = _repeat(batch, [i % length for i in range(_PROBE)])
        rows = self.function(probe)
        small = self._graph(rows)
        found = find_uses(small, rows)
        if self._check(small, rows, found) and found.certain:
            self._maps.setdefault(wiring(small), []).append(found)
        return self._known(graph, length)

    def _read(self, graph: Graph, rows: Tensor) -> Map:
        """The owners in this very batch, for wirings that depend on the data."""
        found = find_uses(graph, rows)
        self._check(graph, rows, found)
        if len(rows) > 1:
            self._routed.add(wiring(graph))
        return found

    def _check(self, graph: Graph, rows: Tensor, found: Map) -> bool:
        """Blocks against autograd, parameter by parameter; False if that could not be done."""
        wrong = self._wrong(graph, rows, found)
        if wrong is None:
            return False
        if wrong:
            self._distrusted |= wrong
            wrong = self._wrong(graph, rows, found)
        if wrong:
            raise NetworkError(
                f"the gradient of {', '.join(sorted(wrong))} cannot be split into samples: the "
                "parts do not add up to what autograd gives for the batch. Some operator ties "
                "samples together or is not differentiable twice alike; try batch_size=1"
            )
        return True

    def _wrong(self, graph: Graph, rows: Tensor, found: Map) -> set[str] | None:
        features = self._features(
            graph, rows, found, _deltas(graph, rows, found, self.differentiable)
        )
        return wrong_parameters(graph, rows, features, self.function.selection.chosen)

    def _features(self, graph: Graph, rows: Tensor, found: Map, deltas: Deltas) -> Features:
        by_source: dict[Edge, list[Block]] = {}
        full = torch.autocast(rows.device.type, enabled=False)  # products in full precision
        with torch.set_grad_enabled(self.differentiable), full:
            stacked: dict[Hashable, Tensor] = {}  # for as long as deltas keep their identity
            for meeting in found.meetings:
                block = self._block(graph, meeting, deltas, len(rows), stacked)
                if block is not None:
                    source = (graph.order[meeting.source[0]], meeting.source[1])
                    by_source.setdefault(source, []).append(block)
            deltas.clear()
            by_name: dict[str, list[Block]] = {}
            for source, blocks in by_source.items():
                for name, block in pull_back(graph, source, add_up(blocks)).items():
                    by_name.setdefault(name, []).append(_realized(block))
            merged = {name: add_up(blocks) for name, blocks in by_name.items()}
        values = self._kept(rows)
        return Features(values, merged, ~values.isfinite().all(1))

    def _kept(self, rows: Tensor) -> Tensor:
        return rows if self.differentiable else rows.detach()

    def _block(
        self,
        graph: Graph,
        meeting: Meeting,
        deltas: Deltas,
        batch: int,
        stacked: dict[Hashable, Tensor],
    ) -> Block | None:
        node = graph.order[meeting.node]
        source = (graph.order[meeting.source[0]], meeting.source[1])
        shape = edge_shape(*source)
        given = {number: deltas[node, number] for number in meeting.owners}
        if all(d is None for ds in given.values() for d in ds):
            return None
        rule, block = rule_for(node), None
        names = set(parameters_behind(graph, source[0]))
        plain = _plain(given)
        if rule is not None and plain is not None and not names & self._distrusted:
            owner = meeting.owners[0]
            block = rule(Use(node, meeting.slot, shape, plain, owner, batch, stacked))
        for name in names:
            treatment = self.treatment.setdefault(name, Treatment())
            treatment.add(operator_of(node), by_rule=block is not None)
        if block is None:
            value = one_sample_at_a_time(node, meeting.slot, shape, given, meeting.owners, batch)
            block = Dense(value.flatten(2))
        return block


def _deltas(graph: Graph, rows: Tensor, found: Map, differentiable: bool) -> Deltas:
    """∂f_d/∂(output of every use), d = 1…D, and what arrives at the dead ends."""
    wanted = [(m.node, n) for m in found.meetings for n in m.owners]
    edges = [
        (graph.order[at], number)
        for at, number in {**dict.fromkeys(wanted), **dict.fromkeys(found.silent)}
    ]
    if not edges:
        return {}
    columns = []
    for d in range(rows.shape[1]):
        one = torch.zeros_like(rows)
        one[:, d] = 1
        columns.append(
            torch.autograd.grad(
                rows, [edge(*e) for e in edges], one, retain_graph=True, allow_unused=True,
                create_graph=differentiable,
            )
        )  # fmt: skip
    return {e: tuple(_wide(c[i]) for c in columns) for i, e in enumerate(edges)}


def _plain(given: dict[int, tuple[Tensor | None, ...]]) -> tuple[Tensor, ...] | None:
    """The output-gradients if they are what rules read: one output, real, not a lone number."""
    deltas = tuple(d for d in given.get(0, ()) if d is not None)
    fit = len(given) == 1 and deltas and len(deltas) == len(given.get(0, ()))
    return deltas if fit and not any(d.is_complex() or d.dim() == 0 for d in deltas) else None


def _still_silent(graph: Graph, found: Map, deltas: Deltas) -> bool:
    arrived = (d for at, n in found.silent for d in deltas[graph.order[at], n] if d is not None)
    return not any(bool((d != 0).any()) for d in arrived)


def _wide(delta: Tensor | None) -> Tensor | None:
    """Half precision overflows before normalisation: sums are taken in float32."""
    if delta is not None and delta.is_sparse:
        delta = delta.to_dense()
    if delta is not None and delta.dtype in (torch.float16, torch.bfloat16):
        return delta.float()
    return delta


def _realized(block: Block) -> Block:
    if isinstance(block, Dense) and block.value.is_complex():
        return Dense(torch.view_as_real(block.value).flatten(2))
    return block


def _keep(features: Features, samples: Tensor) -> Features:
    kept = features.mapped(lambda block: block.keep(samples))
    return replace(kept, values=features.values[samples], bad=features.bad[samples])


def _repeat(batch: Batch, indices: list[int]) -> Batch:
    if batch_length(batch) == 0:
        return batch
    return tree_map(
        lambda t: t[torch.tensor(indices, device=t.device)] if isinstance(t, Tensor) else t, batch
    )
