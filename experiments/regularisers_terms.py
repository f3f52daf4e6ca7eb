"""The terms that regularisers.py compares, each from its definition, with the weights tried.

z are the ten logits, m(x) = z_y − mean of the others, B samples of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from grey_pictures import turned
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import kinsight as ks

Term = Callable[[Tensor, Tensor], Tensor]  # pictures (B, 1, 28, 28) and labels (B,) -> a number
OUTPUT = ks.outputs.OwnClass("batch")


@dataclass(frozen=True)
class Method:
    """A row of the comparison: its weights, and how often the number of steps."""

    title: str
    weights: tuple[float, ...] = (0.0,)
    times: int = 1


METHODS = {
    "plain": Method("nothing"),
    "longer": Method("nothing, three times the steps", times=3),
    "decay": Method("weight decay, ½ λ‖θ‖²", (0.001, 0.01)),
    "alike": Method("similar: −λ k_C, pairs of equal label", (0.03, 0.3)),
    "apart": Method("dissimilar: +λ k_C, pairs of equal label", (0.03, 0.3)),
    "invariant": Method("invariance to rotation", (0.003, 0.01)),
    "contractive": Method("contractive: λ‖∂_x z‖²", (0.001, 0.01)),
    "penalty": Method("gradient penalty: λ(‖∂_x m‖ − 1)² between samples", (0.1, 1.0)),
    "double": Method("double backpropagation: λ‖∂_x loss‖²", (0.1, 1.0)),
}


def method(name: str, weight: float, model: nn.Module, seed: int) -> Term | None:
    """The term of one row on one network; None without."""
    generator = torch.Generator().manual_seed(seed)
    if name in ("alike", "apart"):
        loss = ks.losses.SimilarityLoss(
            model, pairs="labels", weight=weight, sign=1 if name == "alike" else -1, output=OUTPUT
        )
        return lambda x, y: _of_pairs(loss, x, y)
    if name == "invariant":
        turning = ks.losses.InvarianceLoss(
            model, lambda b, angles: (turned(b[0], angles), b[1]), step=1e-2, weight=weight,
            output=OUTPUT,
        )  # fmt: skip
        return lambda x, y: turning((x, y))
    terms: dict[str, Term] = {
        "decay": lambda x, y: 0.5 * sum_of_squares(model),
        "contractive": lambda x, y: contractive(model, x, generator),
        "penalty": lambda x, y: penalty(model, x, y, generator),
        "double": lambda x, y: double(model, x, y),
    }
    term = terms.get(name)
    return None if term is None else lambda x, y: weight * term(x, y)


def sum_of_squares(model: nn.Module) -> Tensor:
    """‖θ‖²."""
    return torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum()


def contractive(model: nn.Module, x: Tensor, generator: torch.Generator) -> Tensor:
    """Mean over the batch of ‖∂z/∂x‖_F², without bias by one draw of signs (Rifai et al. 2011)."""
    x = x.detach().requires_grad_()
    scores = model(x)
    signs = torch.randint(2, scores.shape, generator=generator) * 2.0 - 1
    return _slopes((scores * signs).sum(1), x).square().sum(1).mean()


def penalty(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Mean (‖∂m/∂x‖ − 1)² at points between two samples (Gulrajani et al. 2017)."""
    other = torch.randperm(len(x), generator=generator)
    share = torch.rand(len(x), 1, 1, 1, generator=generator)
    between = (share * x + (1 - share) * x[other]).detach().requires_grad_()
    margin = OUTPUT(model(between), (between, y))
    size = (_slopes(margin, between).square().sum(1) + 1e-12).sqrt()
    return (size - 1).square().mean()


def double(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean ‖∂loss/∂x‖², the loss that of each sample (Drucker and LeCun 1992)."""
    x = x.detach().requires_grad_()
    loss = cross_entropy(model(x), y, reduction="none")
    return _slopes(loss, x).square().sum(1).mean()


def _slopes(values: Tensor, x: Tensor) -> Tensor:
    """∂values_b/∂x_b with a graph: (B, 784)."""
    return torch.autograd.grad(values.sum(), x, create_graph=True)[0].flatten(1)


def _of_pairs(loss: ks.losses.SimilarityLoss, x: Tensor, y: Tensor) -> Tensor:
    return loss((x, y), labels=y)
