"""The rest: experts, routing, graphs, spectra, derivatives, and operators of the user's own."""

from functools import partial

import torch
from architectures.parts_common import Entry, Net, images, sequences, vectors, weights
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

entry = partial(Entry, "other")


class SineScale(torch.autograd.Function):
    """x·sin w with a backward written by hand, as users do for operators of their own."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x * w.sin()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return gradient * w.sin(), (gradient * x * w.cos()).sum(0)


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


class GraphConvolution(nn.Module):
    """Features averaged over neighbours in a graph of each sample's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        adjacency = (x @ x.mT).softmax(-1)
        return self.second(adjacency @ self.first(adjacency @ x).tanh()).mean(1)


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


class DynamicFilters(nn.Module):
    """Filters made from the sample, applied to it by one grouped convolution over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = nn.Linear(4, 3 * 4 * 2 * 2)

    def forward(self, x: Tensor) -> Tensor:
        filters = self.maker(x.mean((2, 3))).tanh().view(-1, 4, 2, 2)  # (N·3, 4, 2, 2)
        y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), filters, groups=len(x))
        return y.reshape(len(x), 3, -1).tanh().mean(2)


class HyperNetwork(nn.Module):
    """A layer whose weight a second network makes for every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.bias = nn.Linear(4, 12), weights(3)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.maker(x.cos()).view(-1, 3, 4)
        return (torch.bmm(weight, x[:, :, None])[:, :, 0] + self.bias).tanh()


class Force(nn.Module):
    """f is itself a derivative: minus the gradient of an energy, as in interatomic potentials."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            place = x.detach().requires_grad_(True)
            energy = self.leave(self.enter(place).tanh()).sum()
            (gradient,) = torch.autograd.grad(energy, place, create_graph=True)
        return -gradient


class EulerSteps(nn.Module):
    """A neural differential equation, integrated by a fixed number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.field, self.head = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        for step in range(3):
            time = torch.full_like(x[:, :1], step / 3)
            x = x + self.field(torch.cat([x, time], 1)).tanh() / 3
        return self.head(x)


class InPlace(nn.Module):
    """Results written over and into slices."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 3), weights(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        y.tanh_()
        result = torch.zeros_like(y)
        result[:, :2] = y[:, :2] * self.scale[:2]
        result[:, 2] = y[:, 0] + self.scale[2]
        return result.add_(y)


class FourierOperator(nn.Module):
    """A filter on the frequencies of a sequence, kept as pairs of real numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = weights(3, 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x, dim=1) * torch.view_as_complex(self.filter)
        return torch.fft.irfft(spectrum, n=x.shape[1], dim=1).tanh().mean(1)


class ComplexWeight(nn.Module):
    """A complex parameter and the modulus of what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.weight.dtype) @ self.weight).abs()


class ByName(nn.Module):
    """Inputs by name, one of them optional, as Hugging Face models take them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict:
        mask = attention_mask.to(self.table.weight)[:, :, None]
        pooled = (self.table(input_ids) * mask).sum(1) / mask.sum(1)
        return {"logits": self.head(pooled.tanh())}


def named(count: int) -> dict[str, Tensor]:
    """Tokens and a mask that leaves out the last ones."""
    lengths = torch.randint(2, 6, (count, 1))
    mask = (torch.arange(5) < lengths).long()
    return {"input_ids": torch.randint(0, 9, (count, 5)), "attention_mask": mask}


OTHER = [
    entry(
        "operator with a backward of its own",
        lambda: Net(lambda net, x: SineScale.apply(x, net.w).tanh(), w=weights(4)),
        vectors(),
    ),
    entry("mixture of experts, routed", Experts, sequences()),
    entry("mixture of experts, weighed", SoftExperts, vectors()),
    entry("branches by condition", Branches, vectors()),
    entry("graph convolution", GraphConvolution, sequences()),
    entry("message passing", MessagePassing, sequences()),
    entry("filters made from the sample", DynamicFilters, images(side=4)),
    entry("weights made from the sample", HyperNetwork, vectors()),
    entry("gradient of an energy", Force, vectors()),
    entry("differential equation in steps", EulerSteps, vectors()),
    entry("results written in place", InPlace, vectors()),
    entry("filter on frequencies", FourierOperator, sequences()),
    entry("complex weight", ComplexWeight, vectors()),
    entry(
        "checkpointed layer",
        lambda: Net(
            lambda net, x: checkpoint(net.layer, x, use_reentrant=False).tanh(),
            layer=nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)),
        ),
        vectors(),
    ),
    entry("inputs by name, masked", ByName, named),
    entry(
        "sets: encode, add, decode",
        lambda: Net(
            lambda net, x: net.decode(net.encode(x).tanh().sum(1)),
            encode=nn.Linear(4, 5),
            decode=nn.Linear(5, 3),
        ),
        sequences(),
    ),
    entry(
        "random features and a learnt head",
        lambda: Net(
            lambda net, x: torch.cat([net.frequency(x).sin(), net.frequency(x).cos()], 1) @ net.w,
            frequency=nn.Linear(4, 3, bias=False),
            w=weights(6, 3),
        ),
        vectors(),
    ),
]
