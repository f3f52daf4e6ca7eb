"""Networks whose way depends on the data: experts, branches, loops, lists of nodes, memories."""

from functools import partial

import torch
from torch import Tensor, nn

from architectures.parts_common import Entry, Net, sequences, tokens, vectors, weights

entry = partial(Entry, "routing")


class Experts(nn.Module):
    """A mixture of experts: every position goes to the one that its gate prefers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 2)
        self.experts = nn.ModuleList([nn.Linear(4, 3) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, 4)
        share = self.gate(rows).softmax(-1)
        chosen = share.argmax(-1)
        y = rows.new_zeros(len(rows), 3)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).nonzero()[:, 0]
            if len(mine):
                y = y.index_add(0, mine, expert(rows[mine]) * share[mine, number, None])
        return y.reshape(*x.shape[:2], 3).tanh().sum(1)


class SoftExperts(nn.Module):
    """All experts at work, their answers weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(4, 2), weights(2, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        answers = torch.einsum("bi,eio->beo", x, self.experts).tanh()
        return (self.gate(x).softmax(-1)[:, :, None] * answers).sum(1)


class Branches(nn.Module):
    """Another layer for another sign of the first number."""

    def __init__(self) -> None:
        super().__init__()
        self.positive, self.negative = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x[:, :1] > 0, self.positive(x), self.negative(x).tanh())


class SomeRowsOnly(nn.Module):
    """A layer applied to the samples that need it; perhaps to none of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        chosen, y = x[:, 0] > 0, x.clone()
        y[chosen] = self.layer(x[chosen]).tanh()
        return self.head(y)


class AsManyStepsAsNeeded(nn.Module):
    """The batch goes on until its last sample is done: depth depends on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        steps, done = (x[:, 0] > 0).long() + 1, 0
        while bool((steps > done).any()):
            x = torch.where((steps > done)[:, None], self.layer(x).tanh(), x)
            done += 1
        return self.head(x)


class SampleBySample(nn.Module):
    """A loop over samples in Python, each with a depth of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.head(self.deep(sample)) for sample in x])

    def deep(self, sample: Tensor) -> Tensor:
        for _ in range(2 if sample[0] > 0 else 1):
            sample = self.layer(sample).tanh()
        return sample


class MessagePassing(nn.Module):
    """Nodes of all samples in one list, messages along edges, added up by index."""

    def __init__(self) -> None:
        super().__init__()
        self.message, self.update = nn.Linear(8, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        start = torch.arange(n * t, device=x.device)
        stop = (start + 1) % t + start // t * t  # the next node of the same sample
        nodes = x.reshape(n * t, -1)
        sent = self.message(torch.cat([nodes[start], nodes[stop]], 1)).tanh()
        nodes = nodes.index_add(0, stop, sent)
        readout = nodes.new_zeros(n, 3)
        return readout.index_add(0, start // t, self.update(nodes).tanh())


class GraphConvolution(nn.Module):
    """Features averaged over neighbours in a graph of each sample's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        adjacency = (x @ x.mT).softmax(-1)
        return self.second(adjacency @ self.first(adjacency @ x).tanh()).mean(1)


class Codebook(nn.Module):
    """Vector quantisation: the nearest code goes on, gradients pass straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.codes, self.head = nn.Linear(4, 4), weights(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        code = self.codes[torch.cdist(z, self.codes).argmin(1)]
        loss = (code - z.detach()).square().sum(1, keepdim=True)
        return self.head(z + (code - z).detach()) + loss


class Capsules(nn.Module):
    """Agreement between capsules routes what goes where."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = weights(5, 2, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        votes = torch.einsum("bti,tcio->btco", x, self.transform)
        agreement = torch.zeros_like(votes[..., :1])
        for _ in range(2):
            capsule = (agreement.softmax(2) * votes).sum(1, keepdim=True).tanh()
            agreement = agreement + (votes * capsule).sum(-1, keepdim=True)
        return capsule[:, 0].sum(1)


class Memory(nn.Module):
    """A neural Turing machine: reads and writes a memory that starts as a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.control = weights(3, 4), nn.Linear(8, 9)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.start.expand(len(x), -1, -1)
        read = memory.mean(1)
        for t in range(3):
            said = self.control(torch.cat([x[:, t], read], 1))
            key, value, gate = said.split([4, 4, 1], 1)
            place = (memory @ key[:, :, None]).softmax(1)  # (N, 3, 1)
            memory = memory * (1 - place * gate.sigmoid()[:, :, None]) + place * value[:, None]
            read = (place * memory).sum(1)
        return read[:, :3]


class Prototypes(nn.Module):
    """Samples compared with learnt examples that go through the same encoder, in one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.examples = nn.Linear(4, 3), weights(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        encoded = self.encoder(torch.cat([self.examples, x])).tanh()
        return encoded[3:] @ encoded[:3].T


ROUTING = [
    entry("mixture of experts, routed", Experts, sequences()),
    entry("mixture of experts, weighed", SoftExperts, vectors()),
    entry("branches by condition", Branches, vectors()),
    entry("a layer for some samples only", SomeRowsOnly, vectors()),
    entry("as many steps as the batch needs", AsManyStepsAsNeeded, vectors()),
    entry("loop over samples", SampleBySample, vectors()),
    entry("message passing", MessagePassing, sequences()),
    entry("graph convolution", GraphConvolution, sequences()),
    entry("vector quantisation", Codebook, vectors()),
    entry("capsules", Capsules, sequences()),
    entry("memory read and written", Memory, sequences()),
    entry("prototypes encoded with the batch", Prototypes, vectors()),
    entry(
        "samples sorted and put back",
        lambda: Net(
            lambda net, x: net.layer(x[x[:, 0].argsort()]).tanh()[x[:, 0].argsort().argsort()],
            layer=nn.Linear(4, 3),
        ),
        vectors(),
    ),
    entry(
        "two views of a sample, interleaved",
        lambda: Net(
            lambda net, x: (
                net.layer(torch.stack([x, x.sin()], 1).flatten(0, 1)).tanh().view(-1, 2, 3).sum(1)
            ),
            layer=nn.Linear(4, 3),
        ),
        vectors(),
    ),
    entry(
        "the largest of positions",
        lambda: Net(
            lambda net, x: net.layer(x).topk(2, dim=1).values.prod(1), layer=nn.Linear(4, 3)
        ),
        sequences(),
    ),
    entry(
        "values scattered by token",
        lambda: Net(
            lambda net, x: (
                net.w.new_zeros(len(x), 9)
                .scatter_add(1, x, net.w.expand(len(x), -1))
                .tanh()
                .unflatten(1, (3, 3))
                .sum(1)
            ),
            w=weights(5),
        ),
        tokens(),
    ),
]
