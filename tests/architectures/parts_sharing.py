"""Weights used more than once, and weights that are computed from parameters."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

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

shared = partial(Entry, "shared weights")
parametrised = partial(Entry, "parametrisations")


class TiedTable(nn.Module):
    """An embedding that is the output layer too."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.layer(self.table(x)).tanh().mean(1), self.table.weight)


class TiedModules(nn.Module):
    """Two layers that hold one parameter, as Hugging Face ties them."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 4), nn.Linear(4, 4)
        self.leave.weight = self.enter.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.enter(x).tanh())


class Siamese(nn.Module):
    """One encoder for both members of a pair: inputs are two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head(self.encoder(left).tanh() * self.encoder(right).tanh())


class TwoScales(nn.Module):
    """One convolution on an image and on its half."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        fine, coarse = self.layer(x).tanh(), self.layer(F.avg_pool2d(x, 2)).sin()
        return fine.mean((2, 3)) + coarse.mean((2, 3))


class UniversalTransformer(nn.Module):
    """One layer repeated in depth."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            4, 1, 4, dropout=0.0, activation="gelu", batch_first=True
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.layer(x)).mean(1))


class Symmetric(nn.Module):
    """A parametrisation: the upper triangle gives the lower one."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu() + weight.triu(1).mT


class Adapted(nn.Module):
    """LoRA: a weight plus a product of two thin ones."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.down, self.up = weights(3, 4), weights(2, 4), weights(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight + self.up @ self.down).tanh().mean(1)


class AdaptedBeside(nn.Module):
    """LoRA as PEFT writes it: the thin layers beside the wide one."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 3)
        self.down, self.up = nn.Linear(4, 2, bias=False), nn.Linear(2, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.base(x) + 0.5 * self.up(self.down(x))).tanh().mean(1)


class StandardisedConvolution(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1."""

    def forward(self, x: Tensor) -> Tensor:
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        scaled = centred / centred.flatten(1).std(1)[:, None, None, None]
        return F.conv2d(x, scaled, self.bias)


class Masked(nn.Module):
    """Masked autoregression: output d sees the inputs before d alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.layer.weight.tril(-1), self.layer.bias).tanh()


def pruned() -> nn.Module:
    """A layer with half its weights masked by ``torch.nn.utils.prune``."""
    layer = nn.Linear(4, 3)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return layer


def symmetric() -> nn.Module:
    """A layer with a parametrisation of the user's own."""
    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(4, 3))


SHARED = [
    shared(
        "a layer twice",
        lambda: Net(lambda net, x: net.layer(net.layer(x).tanh()), layer=nn.Linear(4, 4)),
        vectors(),
    ),
    shared("embedding tied to the output", TiedTable, tokens(4)),
    shared("two modules, one parameter", TiedModules, vectors()),
    shared(
        "autoencoder with a transposed weight",
        lambda: Net(lambda net, x: F.linear(F.linear(x, net.w).tanh(), net.w.T), w=weights(3, 4)),
        vectors(),
    ),
    shared(
        "encoder for both of a pair",
        Siamese,
        lambda count: (torch.randn(count, 4), torch.randn(count, 4)),
    ),
    shared("convolution at two scales", TwoScales, images()),
    shared("transformer layer repeated", UniversalTransformer, sequences(length=3)),
    shared(
        "a layer for every position in turn",
        lambda: Net(
            lambda net, x: sum((t + 1) * net.layer(x[:, t]).tanh() for t in range(x.shape[1])),
            layer=nn.Linear(4, 3),
        ),
        sequences(),
    ),
    shared(
        "implicit layer, iterated to its fixed point",
        lambda: Net(lambda net, x: fixed_point(net.layer, x)[:, :3], layer=nn.Linear(4, 4)),
        vectors(),
    ),
]


def fixed_point(layer: nn.Module, x: Tensor) -> Tensor:
    """z = tanh(W z + b)/2 + x, by iteration."""
    z = x
    for _ in range(4):
        z = layer(z).tanh() / 2 + x
    return z


PARAMETRISATIONS = [
    parametrised("weight norm", lambda: parametrizations.weight_norm(nn.Linear(4, 3)), vectors()),
    parametrised(
        "weight norm, old form", lambda: torch.nn.utils.weight_norm(nn.Linear(4, 3)), vectors()
    ),
    parametrised(
        "weight norm of a convolution",
        lambda: Pooled(parametrizations.weight_norm(nn.Conv2d(4, 3, 3)), 2, 3),
        images(),
    ),
    parametrised(
        "spectral norm",
        lambda: Pooled(parametrizations.spectral_norm(nn.Conv2d(4, 3, 3)), 2, 3),
        images(),
    ),
    parametrised(
        "spectral norm, old form",
        lambda: torch.nn.utils.spectral_norm(nn.Linear(4, 3)),
        vectors(),
    ),
    parametrised(
        "orthogonal weight", lambda: parametrizations.orthogonal(nn.Linear(4, 3)), vectors()
    ),
    parametrised("symmetric weight", symmetric, vectors()),
    parametrised("pruned weight", pruned, vectors()),
    parametrised(
        "binary weight, gradient straight through",
        lambda: Net(
            lambda net, x: F.linear(x, net.w + (net.w.sign() - net.w).detach()).sigmoid(),
            w=weights(3, 4),
        ),
        vectors(),
    ),
    parametrised(
        "quantised weight",
        lambda: Net(
            lambda net, x: F.linear(
                x, torch.fake_quantize_per_tensor_affine(net.w, 0.05, 0, -128, 127)
            ).tanh(),
            w=weights(3, 4),
        ),
        vectors(),
    ),
    parametrised("masked autoregression", Masked, vectors()),
    parametrised(
        "standardised convolution", lambda: Pooled(StandardisedConvolution(4, 3, 3), 2, 3), images()
    ),
    parametrised("LoRA, added to the weight", Adapted, sequences()),
    parametrised("LoRA, beside the layer", AdaptedBeside, sequences()),
    parametrised(
        "Kronecker product",
        lambda: Net(
            lambda net, x: (x @ torch.kron(net.a, net.b)).tanh(), a=weights(2, 1), b=weights(2, 3)
        ),
        vectors(),
    ),
    parametrised(
        "weight and bias cut from one vector",
        lambda: Net(
            lambda net, x: F.linear(x, net.flat[:12].view(3, 4), net.flat[12:]).tanh(),
            flat=weights(15),
        ),
        vectors(),
    ),
    parametrised(
        "matrix exponential",
        lambda: Net(
            lambda net, x: (x @ torch.linalg.matrix_exp(net.w - net.w.T)).tanh()[:, :3],
            w=weights(4, 4),
        ),
        vectors(),
    ),
    parametrised(
        "weights generated by a network of their own",
        lambda: Net(
            lambda net, x: F.linear(x, net.maker(net.code).view(3, 4)).tanh(),
            maker=nn.Linear(2, 12),
            code=weights(2),
        ),
        vectors(),
    ),
]
