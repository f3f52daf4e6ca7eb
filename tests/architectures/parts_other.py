"""The rest: filters and weights made from the sample, spectra, derivatives, operators by hand."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from architectures.parts_common import Entry, Net, images, sequences, vectors, weights

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


class TwoAnswers(torch.autograd.Function):
    """x W and its sine at once, differentiable once only."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, w)
        return x @ w, (x @ w).sin()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_product: Tensor, of_sine: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        gradient = of_product + of_sine * (x @ w).cos()
        return gradient @ w.T, x.T @ gradient


class ModulatedConvolution(nn.Module):
    """One filter bank, scaled by a style of each sample and normalised: as in StyleGAN 2."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.style = weights(3, 4, 2, 2), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        style = self.style(x.mean((2, 3)))[:, None, :, None, None]
        filters = self.filters * style  # (N, 3, 4, 2, 2)
        filters = filters * (filters.square().sum((2, 3, 4), keepdim=True) + 1e-6).rsqrt()
        images = x.reshape(1, -1, *x.shape[2:])
        y = F.conv2d(images, filters.flatten(0, 1), groups=len(x))
        return y.reshape(len(x), 3, -1).tanh().mean(2)


class MixedFilters(nn.Module):
    """Filter banks mixed by each sample's own shares."""

    def __init__(self) -> None:
        super().__init__()
        self.banks, self.gate = weights(2, 3, 4, 2, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        share = self.gate(x.mean((2, 3))).softmax(1)
        filters = torch.einsum("bk,koixy->boixy", share, self.banks).flatten(0, 1)
        y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), filters, groups=len(x))
        return y.reshape(len(x), 3, -1).tanh().mean(2)


class SpatialTransformer(nn.Module):
    """An image turned and scaled as a layer says, then convolved."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.layer = nn.Linear(4, 6), nn.Conv2d(4, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        theta = self.place(x.mean((2, 3))).view(-1, 2, 3) / 3
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return self.layer(F.grid_sample(x, grid, align_corners=False)).tanh().mean((2, 3))


class LocallyConnected(nn.Module):
    """Like a convolution, with other weights at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.bias = weights(4, 16, 3), weights(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 2, stride=2)  # (N, 16, 4)
        y = torch.einsum("bcl,lco->blo", patches, self.filters) + self.bias
        return y.tanh().mean(1)


class MaskTokens(nn.Module):
    """Positions overwritten by a parameter, some always, some by their content."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.layer = weights(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 1:3] = self.token
        x[x[..., 0] > 1] = self.token.sin()
        return self.layer(x).tanh().mean(1)


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
    entry(
        "operator with two answers, differentiable once",
        lambda: Net(lambda net, x: sum(TwoAnswers.apply(x, net.w)).tanh(), w=weights(4, 3)),
        vectors(),
    ),
    entry("modulated convolution", ModulatedConvolution, images(side=4)),
    entry("filter banks mixed per sample", MixedFilters, images(side=4)),
    entry("spatial transformer", SpatialTransformer, images(side=4)),
    entry("locally connected", LocallyConnected, images(side=4)),
    entry("mask tokens", MaskTokens, sequences()),
    entry(
        "vmap over samples",
        lambda: Net(
            lambda net, x: torch.vmap(lambda sample: net.layer(sample).tanh())(x),
            layer=nn.Linear(4, 3),
        ),
        vectors(),
    ),
    entry(
        "functional call with other weights",
        lambda: Net(
            lambda net, x: torch.func.functional_call(
                net.layer, {name: 2 * p.sin() for name, p in net.layer.named_parameters()}, (x,)
            ).tanh(),
            layer=nn.Linear(4, 3),
        ),
        vectors(),
    ),
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
