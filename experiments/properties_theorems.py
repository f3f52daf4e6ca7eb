"""Theorems on a trained network: how far the bounds are from what happens, splits, ranks, twins."""

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

import kinsight as ks

BINS = torch.logspace(-12, 0, 25, dtype=torch.float64)  # of 1 − k


def measured(model: nn.Sequential, before: nn.Sequential, x: Tensor, narrow: nn.Sequential) -> dict:
    """Everything of one network in float64, before training and after; ``narrow``: for ranks."""
    model, before, narrow = (copy.deepcopy(each).double() for each in (model, before, narrow))
    x = x.double()
    return {
        "outputs": outputs(model, x),
        "split": {"before": split(before, x), "after": split(model, x)},
        "range": {"before": ranges(before, x), "after": ranges(model, x)},
        "ranks": ranks(narrow, x),
        "twins": twins(),
    }


def outputs(model: nn.Sequential, x: Tensor) -> dict:
    """‖f − f'‖ and its bound by 1 − k, of all pairs and of samples with noise from 0.1 to 1e-6.

    ‖f − f'‖ ≤ ‖W‖ √(2 D (1 − k) (1 + ‖a'‖²) / Tr K(x,x)⁻¹), a' what the last layer reads.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(x), x.shape[1], generator=generator, dtype=torch.float64)
    sizes = 10.0 ** -torch.linspace(1, 6, len(x), dtype=torch.float64)
    both = torch.cat([x, x + sizes[:, None] * noise])
    kernel = ks.TangentKernel(model)
    k = kernel.similarity(x, both)
    with torch.no_grad():
        f, read = model(both), model[:-1](both)
        weight = torch.linalg.matrix_norm(model[-1].weight, 2)
    own = kernel.matrix(x, normalized=False).diagonal().permute(2, 0, 1)  # (N, D, D)
    inverse = torch.linalg.inv(own).diagonal(dim1=1, dim2=2).sum(1)  # Tr K(x,x)⁻¹: (N,)
    scale = (f.shape[1] / inverse).sqrt()[:, None] * weight * (1 + read.square().sum(1)).sqrt()
    far = (1 - k).clamp_min(0)
    seen = far > BINS[0]  # nearer ones, x itself among them, are rounding
    moved = torch.cdist(f[: len(x)], f)[seen]
    bound, far = (scale * (2 * far).sqrt())[seen], far[seen]
    rows = []
    for low, high in pairwise(BINS):
        own_pairs = (far > low) & (far <= high)
        if bool(own_pairs.any()):
            rows.append(
                {
                    "far": float((low * high).sqrt()),
                    "pairs": int(own_pairs.sum()),
                    "largest": float(moved[own_pairs].max()),
                    "median": float(moved[own_pairs].median()),
                    "bound": float(bound[own_pairs].median()),
                }
            )
    ratio = moved / bound
    return {"bins": rows, "largest ratio": float(ratio.max()), "median": float(ratio.median())}


def split(model: nn.Sequential, x: Tensor) -> dict:
    """Shares of the layers, error of Σ λ (⟨a, a'⟩ + 1), and what fixed λ for each layer explain."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    read, returned, value = [], [], x
    for layer in model:
        read += [value] if layer in linear else []
        value = layer(value)
        returned += [value] if layer in linear else []
    columns = [torch.autograd.grad(c.sum(), returned, retain_graph=True) for c in value.unbind(1)]
    kernel = ks.TangentKernel(model, normalization=None).inner(x)
    alike, terms = [], []
    for place, each in enumerate(read):
        delta = torch.stack([parts[place] for parts in columns], 1)  # (N, D, out)
        alike.append((each @ each.T + 1).detach())
        terms.append(torch.einsum("ndo,mdo->nm", delta, delta) * alike[-1])
    error = (sum(terms) - kernel).abs().max() / kernel.abs().max()
    pairs = torch.triu_indices(len(x), len(x), 1)
    fixed = torch.stack([each[*pairs] for each in alike], 1)
    want = kernel[*pairs]
    fit = fixed @ torch.linalg.lstsq(fixed, want[:, None]).solution[:, 0]
    return {
        "error": float(error),
        "shares": [float(term.mean() / kernel.mean()) for term in terms],
        "fixed": 1 - float((fit - want).var() / want.var()),
    }


def ranges(model: nn.Module, x: Tensor) -> dict:
    """Where similarities, eigenvalues and densities lie."""
    kernel = ks.TangentKernel(model)
    k = kernel.similarity(x)
    others = k[~torch.eye(len(x), dtype=torch.bool)]
    density = kernel.density(x)
    return {
        "smallest": float(others.min()),
        "mean": float(others.mean()),
        "largest": float(others.max()),
        "negative": float((others < 0).double().mean()),
        "eigenvalue": float(torch.linalg.eigvalsh(k)[0]),
        "density": [float(density.min()), float(density.mean()), float(density.max())],
    }


def ranks(digits: nn.Sequential, x: Tensor) -> list[dict]:
    """Rank of K, all outputs of all samples, beside the number of directions that can count.

    Of random inputs, and of pictures: there a weight of a pixel that is always 0 does not count,
    and in ReLU networks one direction less for every hidden unit, whose scale may be moved on.
    """
    torch.manual_seed(0)
    many, few = torch.randn(100, 6, dtype=torch.float64), torch.randn(10, 6, dtype=torch.float64)

    def perceptron(activation: nn.Module) -> nn.Sequential:
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(6, 5), activation, nn.Linear(5, 3)).double().eval()

    linear = nn.Sequential(nn.Linear(6, 3)).double().eval()
    logits, log = ks.outputs.Logits(), ks.outputs.LogProbabilities()
    units = [each.out_features for each in digits if isinstance(each, nn.Linear)]
    seen = parameters(digits) - int((x == 0).all(0).sum()) * units[0] - sum(units[:-1])
    cases = [
        ("6 → 3, linear", linear, many, logits, 3 * 7),
        ("6 → 5 → 3, tanh", perceptron(nn.Tanh()), few, logits, 53),
        ("6 → 5 → 3, tanh", perceptron(nn.Tanh()), many, logits, 53),
        ("6 → 5 → 3, ReLU", perceptron(nn.ReLU()), many, logits, 53 - 5),
        ("6 → 5 → 3, tanh, log-probabilities", perceptron(nn.Tanh()), many, log, 53 - 6),
        (f"digits, 64 → {units[0]} → {units[1]} → 10, trained, ReLU",
         digits, x, logits, seen),
    ]  # fmt: skip
    return [rank(*case) for case in cases]


def rank(name: str, model: nn.Sequential, x: Tensor, output: Any, directions: int) -> dict:
    """Eigenvalues of K above 1e-12 of the largest."""
    matrix = ks.TangentKernel(model, output=output).matrix(x, normalized=False)  # (N, N, D, D)
    gram = matrix.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    values = torch.linalg.eigvalsh(gram)
    return {
        "name": name,
        "samples": len(x),
        "outputs": len(gram),
        "parameters": parameters(model),
        "directions": directions,
        "rank": int((values > 1e-12 * values[-1]).sum()),
    }


def parameters(model: nn.Module) -> int:
    """P."""
    return sum(each.numel() for each in model.parameters())


class Shared(nn.Module):
    """f = w x₁ + w² x₂ at w = 1."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x[:, :1] + self.w * (self.w * x[:, 1:])


class Saturated(nn.Module):
    """f = tanh(w x) or tanh(w x + b), w = 1 and b = 0."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=bias).double()
        for parameter in self.layer.parameters():
            nn.init.constant_(parameter, float(parameter.dim() == 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).tanh()


class Pooled(nn.Module):
    """Convolution and mean over positions, with borders joined or filled up by zeros."""

    def __init__(self, padding: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv1d(1, 4, 3, padding=1, padding_mode=padding).double()  # type: ignore[arg-type]
        self.last = nn.Linear(4, 1).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x[:, None]).tanh().mean(2))


def twins() -> list[dict]:
    """Pairs of inputs that a network may take for the same, with their outputs."""
    linear = [nn.Linear(2, 1, bias=bias).double() for bias in (False, True)]
    for model in linear:
        for parameter in model.parameters():
            nn.init.ones_(parameter)
    low, high = torch.tensor([[0.5], [same_slope(0.5)]], dtype=torch.float64).unbind(0)
    row = torch.randn(12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    multiples = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
    unlike = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    moved = torch.stack([row, row.roll(5)])
    cases = [
        ("w·x, inputs (1, 2) and (2, 4)", linear[0], multiples),
        ("the same with a bias", linear[1], multiples),
        (
            f"tanh(w x), inputs 0.5 and {float(high):.4f}",
            Saturated(False),
            torch.stack([low, high]),
        ),
        ("the same with a bias", Saturated(True), torch.stack([low, high])),
        ("w x₁ + w² x₂, inputs (2, 0) and (0, 1)", Shared(), unlike),
        ("circular convolution and mean, a row and its shift", Pooled("circular"), moved),
        ("the same, borders filled with zeros", Pooled("zeros"), moved),
    ]
    return [twin(name, model.eval(), x) for name, model, x in cases]


def twin(name: str, model: nn.Module, x: Tensor) -> dict:
    """Similarity of two inputs, distance of their gradients, both outputs."""
    inner = ks.TangentKernel(model, normalization=None).inner(x)
    apart = (inner[0, 0] + inner[1, 1] - 2 * inner[0, 1]).clamp_min(0).sqrt()
    return {
        "name": name,
        "similarity": float(ks.TangentKernel(model).similarity(x)[0, 1]),
        "gradients": float(apart),
        "outputs": model(x).detach().flatten().tolist(),
    }


def same_slope(low: float) -> float:
    """The other z at which z tanh'(z) is what it is at ``low``."""

    def height(z: float) -> float:
        return z * (1 - float(torch.tensor(z, dtype=torch.float64).tanh()) ** 2)

    near, far = 0.8, 10.0  # behind the top, at 0.77
    for _ in range(200):
        middle = (near + far) / 2
        near, far = (middle, far) if height(middle) > height(low) else (near, middle)
    return near
