"""Small networks to be explained, and the explanation by hand: explicit sums over positions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import kinsight as ks
import oracle
from kinsight.kernel.whitening import Normalization


class Pictures(nn.Module):
    """Convolutions of all sorts: plain, grouped and strided, transposed; a norm; a dense layer."""

    def __init__(self, outputs: int):
        super().__init__()
        self.plain = nn.Conv2d(2, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, dilation=1)
        self.norm = nn.BatchNorm2d(6)
        self.up = nn.ConvTranspose2d(6, 3, 2, stride=2)
        self.valid = nn.Conv2d(3, 3, (3, 2), dilation=(1, 2))
        self.head = nn.Linear(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.grouped(self.plain(x).tanh())).tanh()
        return self.head(self.valid(self.up(y).tanh()).tanh().mean((2, 3)))


class Words(nn.Module):
    """Embedding, one head of attention, two layers on every token."""

    def __init__(self, outputs: int):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))
        self.token = nn.Linear(4, 5)
        self.head = nn.Linear(5, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x)
        weights = (self.query(y) @ self.key(y).mT).softmax(2)
        return self.head(self.token(y + weights @ self.value(y)).tanh().mean(1))


class Twice(nn.Module):
    """A layer on tokens and one on pictures, each used twice."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.layer(x).tanh())
        return y.flatten(1).cumsum(1)[:, ::5].sin().sum(1)


class Patches(nn.Module):
    """Patches of an image and a class token in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 4, 2, stride=2)
        self.first = nn.Parameter(torch.randn(1, 1, 4))
        self.mix = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x).flatten(2).mT
        y = torch.cat([self.first.expand(len(y), -1, -1), y], 1)
        return self.head((y + self.mix(y).tanh()).square().mean(1))


def pictures(outputs: int, height: int = 6) -> tuple[nn.Module, Tensor, Tensor]:
    """Network, x and y; y is of another size."""
    model = Pictures(outputs).double().eval()
    model.norm.weight.data.uniform_(0.5, 2)
    x, y = torch.randn(1, 2, height, 6).double(), torch.randn(1, 2, height + 2, 8).double()
    return model, x, y


def words(outputs: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Network, x of 5 and y of 6 tokens."""
    model = Words(outputs).double().eval()
    return model, torch.tensor([[0, 3, 3, 5, 1]]), torch.tensor([[3, 1, 2, 5, 6, 3]])


def weights(jacobian: Tensor, normalization: Normalization) -> Tensor:
    """W with similarity = ⟨W J, W' J'⟩, from J (D, P) of one sample."""
    gram = jacobian @ jacobian.T
    if normalization == "whitened":
        values, vectors = torch.linalg.eigh(gram)
        return vectors @ (values * len(gram)).rsqrt().diag() @ vectors.T
    scale = gram.trace().rsqrt() if normalization == "trace" else 1.0
    return scale * torch.eye(len(gram), dtype=torch.float64)


def shares(
    model: nn.Module, x: Tensor, y: Tensor, normalization: Normalization
) -> dict[str, float]:
    """Products of autograd's gradients, parameter by parameter."""
    mixed = []
    for sample in (x, y):
        jacobian = oracle.jacobian(model, sample)[0]
        mixed.append(weights(jacobian, normalization) @ jacobian)
    named = dict(model.named_parameters())
    sizes = [parameter.numel() for parameter in named.values()]
    parts = zip(*(each.split(sizes, 1) for each in mixed), strict=True)
    return {name: float((a * b).sum()) for name, (a, b) in zip(named, parts, strict=True)}


def pairs_by_hand(
    model: nn.Module, module: nn.Module, x: Tensor, y: Tensor, normalization: Normalization
) -> Tensor:
    """Σ_d ⟨a_t, a'_s⟩ ⟨δ_t, δ'_s⟩ of a module's weight, one loop a pair: (T, S)."""
    read = {nn.Conv2d: _of_convolution, nn.Linear: _of_linear, nn.Embedding: _of_table}
    (ours, theirs) = (
        _factors(model, module, read[type(module)], sample, normalization) for sample in (x, y)
    )
    result = torch.zeros(ours[0].shape[0], theirs[0].shape[0], dtype=torch.float64)
    for t in range(result.shape[0]):
        for s in range(result.shape[1]):
            for g in range(ours[0].shape[1]):  # (T, G, I) and (T, G, D, O)
                inputs = ours[0][t, g] @ theirs[0][s, g]
                result[t, s] += inputs * (ours[1][t, g] * theirs[1][s, g]).sum()
    return result


def _factors(
    model: nn.Module, module: nn.Module, read: Callable, x: Tensor, normalization: Normalization
) -> tuple[Tensor, Tensor]:
    seen: dict = {}
    hook = module.register_forward_hook(lambda _, args, out: seen.update(a=args[0], out=out))
    rows = model(x)[0]  # (D,)
    hook.remove()
    deltas = torch.stack(
        [torch.autograd.grad(row, seen["out"], retain_graph=True)[0][0] for row in rows]
    )
    mixing = weights(oracle.jacobian(model, x)[0], normalization)
    deltas = (mixing @ deltas.flatten(1)).view_as(deltas)  # (D, *output)
    return read(module, seen["a"].detach(), deltas)


def _of_convolution(module: nn.Conv2d, a: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
    padding = module.padding[0]
    assert isinstance(padding, int)
    columns = F.unfold(a, module.kernel_size, module.dilation, padding, module.stride)[0]
    outputs = deltas.flatten(2).unflatten(1, (module.groups, -1))  # (D, G, O, T)
    return columns.unflatten(0, (module.groups, -1)).movedim(-1, 0), outputs.permute(3, 1, 0, 2)


def _of_linear(module: nn.Linear, a: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
    rows = deltas.reshape(len(deltas), -1, module.out_features)  # (D, T, O)
    return a.reshape(-1, 1, module.in_features), rows.transpose(0, 1)[:, None]


def _of_table(module: nn.Embedding, a: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
    picked = F.one_hot(a[0], module.num_embeddings).double()[:, None]  # (T, 1, V)
    return picked, deltas.transpose(0, 1)[:, None]


def kernel(
    model: nn.Module, normalization: Normalization = "whitened", **options
) -> ks.TangentKernel:
    """The kernel under test."""
    return ks.TangentKernel(model, normalization=normalization, **options)
