"""A small network, inputs that can be moved, and the check of a gradient by differences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import kinsight as ks

OWN = ks.outputs.OwnClass()


def network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, stride=2), nn.GELU(),
        nn.Flatten(), nn.Linear(18, 3),
    ).to(dtype)  # fmt: skip


def images(count: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(seed)
    coarse = torch.randn(count, 1, 3, 3, dtype=torch.float64)
    return functional.interpolate(coarse, size=(8, 8), mode="bicubic").to(dtype)


def brighter(batch: Tensor, angle: Tensor) -> Tensor:
    return batch + angle[:, None, None, None] * batch.square()


def turned(batch: Tensor, angle: Tensor) -> Tensor:
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, mode="bicubic", align_corners=False)


def check_gradient(model: nn.Module, value) -> None:
    """∂/∂θ along a random direction against a central difference."""
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(value(), parameters, allow_unused=True)
    torch.manual_seed(7)
    directions = [torch.randn_like(p) for p in parameters]
    ours = sum(
        float((g * d).sum()) for g, d in zip(gradient, directions, strict=True) if g is not None
    )
    step, ends = 1e-5, []
    for sign in (step, -2 * step):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += sign * direction
        ends.append(float(value().detach()))
    assert abs(ours) > 1e-6
    assert ours == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)
