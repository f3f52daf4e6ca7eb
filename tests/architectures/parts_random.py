"""Random small networks for property tests: chains of layers on images and on sequences."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

Draw = Callable
CURVES = (torch.tanh, F.gelu, F.silu, F.softplus, F.relu, torch.sin)
OF_SEQUENCES = ("linear", "flattened", "positions", "norm", "convolution", "attention")
OF_SEQUENCES += ("recurrent", "offsets", "experts", "slope", "curve")
WAYS = ("plain", "residual", "twice", "both ways")


@dataclass(frozen=True)
class Case:
    """A network, inputs of two sizes for it, and the batch size to use."""

    network: nn.Module
    x: Tensor
    y: Tensor
    batch_size: int | None


class Curve(nn.Module):
    """A smooth function applied to every number."""

    def __init__(self, curve: Callable[[Tensor], Tensor]):
        super().__init__()
        self.curve = curve

    def forward(self, x: Tensor) -> Tensor:
        return self.curve(x)


class Wired(nn.Module):
    """A layer that keeps the shape: once, around itself, twice, or on both sides of a product."""

    def __init__(self, layer: nn.Module, way: str):
        super().__init__()
        self.layer, self.way = layer, way

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "residual":
            return x + self.layer(x)
        if self.way == "twice":
            return self.layer(self.layer(x).tanh())
        if self.way == "both ways":
            return self.layer(x) * self.layer(x.sin()).tanh()
        return self.layer(x)


class Swapped(nn.Module):
    """A layer that works on other axes: they are swapped before it and back after it."""

    def __init__(self, layer: nn.Module, first: int, second: int):
        super().__init__()
        self.layer, self.axes = layer, (first, second)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(*self.axes)).transpose(*self.axes)


class Flattened(nn.Module):
    """A layer on all positions of all samples in one list, positions first."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(0, 1).reshape(-1, x.shape[2])
        return self.layer(rows).view(x.shape[1], x.shape[0], -1).transpose(0, 1)


class Attention(nn.Module):
    """Self-attention, samples or positions first."""

    def __init__(self, channels: int, heads: int, batch_first: bool):
        super().__init__()
        self.batch_first = batch_first
        self.layer = nn.MultiheadAttention(channels, heads, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.batch_first else x.transpose(0, 1)
        y = self.layer(x, x, x, need_weights=False)[0]
        return y if self.batch_first else y.transpose(0, 1)


class States(nn.Module):
    """All states of a recurrent layer."""

    def __init__(self, layer: nn.RNNBase):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Positions(nn.Module):
    """Places of an image as positions of a sequence: (N, C, H, W) -> (N, H·W, C).

    Gradients go on as contiguous ones: see :class:`oracle.Twice` for what PyTorch does to others.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(Tensor.contiguous)
        return x.flatten(2).transpose(1, 2)


class Offsets(nn.Module):
    """Positions added, channels scaled, a token put in front: parameters without a layer."""

    def __init__(self, positions: int, channels: int):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, positions, channels))
        self.scale = nn.Parameter(torch.randn(channels))
        self.token = nn.Parameter(torch.randn(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.scale + self.positions
        return torch.cat([self.token.expand(len(y), -1, -1), y[:, 1:]], 1)


class Experts(nn.Module):
    """Every position goes to the expert of its sign."""

    def __init__(self, channels: int):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(channels, channels) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        result = torch.zeros_like(rows)
        for number, expert in enumerate(self.experts):
            mine = ((rows[:, 0] > 0) == bool(number)).nonzero()[:, 0]
            result = result.index_add(0, mine, expert(rows[mine]))
        return result.view_as(x)


class Adapted(nn.Module):
    """A weight with a thin product added to it."""

    def __init__(self, enter: int, leave: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(leave, enter))
        self.up = nn.Parameter(torch.randn(leave, 1))
        self.down = nn.Parameter(torch.randn(1, enter))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight + self.up @ self.down)


class Read(nn.Module):
    """Positions averaged, the last one, or all of them, for a last layer of D outputs."""

    def __init__(self, body: nn.Module, how: str, head: nn.Module):
        super().__init__()
        self.body, self.how, self.head = body, how, head

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.how == "mean":
            return self.head(y.mean(1))
        return self.head(y[:, -1] if self.how == "last" else y.flatten(1))


def divisor(draw: Draw, *numbers: int) -> int:
    """A common divisor."""
    return draw(st.sampled_from([d for d in (1, 2) if all(n % d == 0 for n in numbers)]))


def seasoned(layer: nn.Module) -> nn.Module:
    """Statistics, scales and shifts away from 0 and 1."""
    for name, tensor in (*layer.named_buffers(), *layer.named_parameters()):
        if name != "num_batches_tracked":
            tensor.data.uniform_(0.5, 1.5)
    return layer


def linear(draw: Draw, enter: int) -> tuple[nn.Module, int]:
    """A linear layer in one of several writings, and its number of outputs."""
    leave = draw(st.integers(3, 4))
    kind = draw(st.sampled_from(["plain", "without bias", "weight norm", "adapted"]))
    if kind == "adapted":
        return Adapted(enter, leave), leave
    layer = nn.Linear(enter, leave, bias=kind != "without bias")
    return (parametrizations.weight_norm(layer) if kind == "weight norm" else layer), leave


def sequence_layer(draw: Draw, positions: int, channels: int) -> tuple[nn.Module, int]:
    """A layer (N, T, C) -> (N, T, C'), and C'."""
    kind = draw(st.sampled_from(OF_SEQUENCES))
    same: dict[str, Callable[[], nn.Module]] = {
        "positions": lambda: Swapped(nn.Linear(positions, positions), 1, 2),
        "norm": lambda: seasoned(draw(st.sampled_from([nn.LayerNorm, nn.RMSNorm]))(channels)),
        "attention": lambda: Attention(channels, divisor(draw, channels), draw(st.booleans())),
        "offsets": lambda: Offsets(positions, channels),
        "experts": lambda: Experts(channels),
        "slope": lambda: Swapped(nn.PReLU(channels), 1, 2),
        "curve": lambda: Curve(draw(st.sampled_from(CURVES))),
    }
    if kind in same:
        return same[kind](), channels
    if kind in ("linear", "flattened"):
        layer, leave = linear(draw, channels)
        return (Flattened(layer) if kind == "flattened" else layer), leave
    leave = draw(st.integers(3, 4))
    if kind == "recurrent":
        recurrent = draw(st.sampled_from([nn.RNN, nn.GRU, nn.LSTM]))
        return States(recurrent(channels, leave, batch_first=True)), leave
    groups = divisor(draw, channels, leave)
    mode = draw(st.sampled_from(["zeros", "replicate", "circular"]))
    convolution = nn.Conv1d(channels, leave, 3, padding=1, groups=groups, padding_mode=mode)
    return Swapped(convolution, 1, 2), leave


def image_layer(draw: Draw, channels: int, side: int) -> tuple[nn.Module, int, int]:
    """A layer (N, C, H, H) -> (N, C', H', H'), C' and H'; H' is never less than 2."""
    kinds = ["convolution", "norm", "slope", "curve", "pool"] + ["transposed"] * (side < 4)
    kind = draw(st.sampled_from(kinds))
    same: dict[str, Callable[[], nn.Module]] = {
        "slope": lambda: nn.PReLU(channels),
        "curve": lambda: Curve(draw(st.sampled_from(CURVES))),
        "pool": lambda: nn.AvgPool2d(3, 1, 1),
        "norm": lambda: seasoned(image_norm(draw, channels)),
    }
    if kind in same:
        return same[kind](), channels, side
    leave, kernel = draw(st.integers(3, 4)), draw(st.integers(2, 3))
    stride, bias = draw(st.integers(1, 2 if side > 3 else 1)), draw(st.booleans())
    groups = divisor(draw, channels, leave)
    if kind == "transposed":
        transposed = nn.ConvTranspose2d(channels, leave, kernel, stride, groups=groups, bias=bias)
        return transposed, leave, (side - 1) * stride + kernel
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    layer = nn.Conv2d(
        channels, leave, kernel, stride, 1, groups=groups, bias=bias, padding_mode=mode
    )
    return layer, leave, (side + 2 - kernel) // stride + 1


def image_norm(draw: Draw, channels: int) -> nn.Module:
    """A normalisation layer over images."""
    kind = draw(st.sampled_from(["batch", "group", "instance"]))
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(divisor(draw, channels), channels)
    return nn.InstanceNorm2d(channels, affine=True)


def wired(draw: Draw, layer: nn.Module, keeps_shape: bool) -> nn.Module:
    """The layer, or where its shapes allow something that uses it more than once."""
    return Wired(layer, draw(st.sampled_from(WAYS))) if keeps_shape else layer


@st.composite
def cases(draw: Draw) -> Case:
    """A random network: images or tokens or sequences, layers, a way to read them, a head."""
    torch.manual_seed(draw(st.integers(0, 10**6)))
    layers: list[nn.Module] = []
    channels, positions = draw(st.integers(3, 4)), draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["image", "sequence", "tokens"]))
    sample: tuple[int, ...] = (positions, channels)
    if kind == "tokens":
        sample = (positions,)
        layers.append(nn.Embedding(5, channels, padding_idx=draw(st.sampled_from([None, 0]))))
    if kind == "image":
        side = draw(st.integers(3, 4))
        sample = (channels, side, side)
        for _ in range(draw(st.integers(1, 3))):
            layer, leave, new = image_layer(draw, channels, side)
            layers.append(wired(draw, layer, (leave, new) == (channels, side)))
            channels, side = leave, new
        layers.append(Positions())
        positions = side * side
    for _ in range(draw(st.integers(0, 3))):
        layer, leave = sequence_layer(draw, positions, channels)
        layers.append(wired(draw, layer, leave == channels))
        channels = leave
    how = draw(st.sampled_from(["mean", "last", "all"]))
    head = nn.Linear(channels * positions if how == "all" else channels, draw(st.integers(1, 3)))
    network = Read(nn.Sequential(*layers), how, head).double().eval()
    x, y = (inputs(kind, draw(st.integers(1, 4)), sample) for _ in range(2))
    return Case(network, x, y, draw(st.sampled_from([1, 2, 3, None])))


def inputs(kind: str, count: int, sample: tuple[int, ...]) -> Tensor:
    """Random samples."""
    if kind == "tokens":
        return torch.randint(0, 5, (count, *sample))
    return torch.randn(count, *sample, dtype=torch.float64)
