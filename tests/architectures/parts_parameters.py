"""Parameters used directly, without a layer: products, broadcasts, tables, scalars."""

from functools import partial

import torch
from torch import Tensor, nn

from architectures.parts_common import (
    Entry,
    Net,
    Pooled,
    images,
    sequences,
    tokens,
    vectors,
    weights,
)

entry = partial(Entry, "raw parameters")


class LayerScale(nn.Module):
    """A residual branch weighted per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale, self.head = nn.Linear(4, 4), weights(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.scale * self.layer(x).tanh()).tanh().mean(1)


class ListsAndDictionaries(nn.Module):
    """Parameters kept in torch's containers."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ParameterList([weights(4), weights(4)])
        self.heads = nn.ParameterDict({"left": weights(4, 3), "right": weights(4, 3)})

    def forward(self, x: Tensor) -> Tensor:
        for scale in self.scales:
            x = (x * scale).tanh() + x
        return x @ self.heads["left"] + x.sin() @ self.heads["right"]


class MixedOperations(nn.Module):
    """Architecture search: a softmax over parameters weighs the ways through."""

    def __init__(self) -> None:
        super().__init__()
        self.choice, self.layer, self.head = weights(3), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        share = self.choice.softmax(0)
        mixed = share[0] * self.layer(x) + share[1] * x + share[2] * x.tanh()
        return self.head(mixed).tanh().mean(1)


PARAMETERS = [
    entry(
        "scale and shift",
        lambda: Net(lambda net, x: (x * net.a + net.b).tanh(), a=weights(4), b=weights(4)),
        vectors(),
    ),
    entry(
        "exponential and product of parameters",
        lambda: Net(
            lambda net, x: x[:, 0, :3] * net.a.exp() + (net.b @ net.a) * x[:, 1, :3],
            a=weights(3),
            b=weights(3, 3),
        ),
        sequences(),
    ),
    entry(
        "two scalars",
        lambda: Net(
            lambda net, x: torch.stack([x.sum(1) * net.a / (net.b + 2), x.cos().sum(1) * net.b], 1),
            a=weights(),
            b=nn.Parameter(torch.rand(1)),
        ),
        vectors(),
    ),
    entry("mixture of operations", MixedOperations, sequences()),
    entry("layer scale", LayerScale, sequences()),
    entry("lists and dictionaries of parameters", ListsAndDictionaries, vectors()),
    entry(
        "parameters where a condition holds",
        lambda: Net(
            lambda net, x: torch.where(x > 0, x * net.a, net.b).sum(1), a=weights(4), b=weights(4)
        ),
        sequences(),
    ),
    entry(
        "table by index",
        lambda: Net(lambda net, x: net.table[x].tanh().mean(1), table=weights(9, 3)),
        tokens(),
    ),
    entry(
        "table by index_select",
        lambda: Net(
            lambda net, x: net.table.index_select(0, x.flatten()).view(*x.shape, 3).tanh().mean(1),
            table=weights(9, 3),
        ),
        tokens(),
    ),
    entry(
        "number per token by index",
        lambda: Net(lambda net, x: net.table[x].sin()[:, :3], table=weights(9)),
        tokens(length=3),
    ),
    entry(
        "table by two indices",
        lambda: Net(lambda net, x: net.table[x[:, :3], x[:, 1:4]].sin(), table=weights(9, 9)),
        tokens(),
    ),
    entry(
        "matrix per token by index",
        lambda: Net(
            lambda net, x: torch.einsum("bto,o->bo", net.table[x].mean(2), net.out).tanh(),
            table=weights(9, 4, 3),
            out=weights(3),
        ),
        tokens(),
    ),
    entry(
        "table by gather",
        lambda: Net(lambda net, x: net.table.gather(0, x).sin()[:, :3], table=weights(9, 5)),
        lambda count: torch.randint(0, 9, (count, 5)),
    ),
    entry(
        "matrix from the left",
        lambda: Net(lambda net, x: (net.w @ x.T).T.tanh(), w=weights(3, 4)),
        vectors(),
    ),
    entry(
        "matrix times vector",
        lambda: Net(lambda net, x: (x @ net.w).sigmoid(), w=weights(4)),
        sequences(3),
    ),
    entry(
        "tensordot",
        lambda: Net(lambda net, x: torch.tensordot(x, net.w, 2).sigmoid(), w=weights(5, 4, 3)),
        sequences(),
    ),
    entry(
        "sparse matrix times table",
        lambda: Net(lambda net, x: torch.sparse.mm(x.to_sparse(), net.w).tanh(), w=weights(4, 3)),
        vectors(),
    ),
    entry(
        "linear system solved",
        lambda: Net(
            lambda net, x: torch.linalg.solve(torch.eye(4).to(x) * 3 + net.w, x.T).T,
            w=weights(4, 4),
        ),
        vectors(),
    ),
    entry(
        "matrices of several heads",
        lambda: Net(
            lambda net, x: (x.unsqueeze(1) @ net.w).tanh().mean(2).sum(1), w=weights(2, 4, 3)
        ),
        sequences(),
    ),
    entry(
        "einsum over heads",
        lambda: Net(
            lambda net, x: torch.einsum("bti,hio->bho", x, net.w).tanh().sum(1), w=weights(2, 4, 3)
        ),
        sequences(),
    ),
    entry(
        "einsum with a tensor of third order",
        lambda: Net(
            lambda net, x: torch.einsum("bti,btj,ijo->bo", x, x.sin(), net.w), w=weights(4, 4, 3)
        ),
        sequences(),
    ),
    entry(
        "baddbmm",
        lambda: Net(
            lambda net, x: torch.baddbmm(net.bias, x, net.w.expand(len(x), -1, -1)).tanh().mean(1),
            bias=weights(1, 5, 3),
            w=weights(4, 3),
        ),
        sequences(),
    ),
    entry(
        "addcmul and lerp",
        lambda: Net(
            lambda net, x: torch.lerp(torch.addcmul(net.a, net.b, x), x, net.c).tanh(),
            a=weights(4),
            b=weights(4),
            c=weights(4),
        ),
        vectors(),
    ),
    entry(
        "cumulated parameters",
        lambda: Net(lambda net, x: (x * net.w.cumsum(0)).tanh(), w=weights(4)),
        vectors(),
    ),
    entry(
        "centres by distance",
        lambda: Net(lambda net, x: torch.cdist(x, net.centres).neg().exp(), centres=weights(3, 4)),
        vectors(),
    ),
    entry(
        "centres by difference",
        lambda: Net(
            lambda net, x: (x[:, None] - net.centres).square().mean(2).neg().exp(),
            centres=weights(3, 4),
        ),
        vectors(),
    ),
    entry(
        "power and minimum",
        lambda: Net(
            lambda net, x: torch.minimum((1 + x.square()) ** net.power.exp(), net.limit.exp() + x),
            power=weights(4),
            limit=weights(4),
        ),
        vectors(),
    ),
    entry("slope per channel", lambda: Pooled(nn.PReLU(4), 2, 3), images()),
    entry(
        "one slope for all",
        lambda: nn.Sequential(nn.Linear(4, 5), nn.PReLU(), nn.Linear(5, 3)),
        vectors(),
    ),
    entry(
        "bilinear",
        lambda: Net(lambda net, x: net.layer(x, x.sin()), layer=nn.Bilinear(4, 4, 3)),
        vectors(),
    ),
]
