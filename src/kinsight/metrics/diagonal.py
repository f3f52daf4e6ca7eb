"""The diagonal of the Fisher matrix: every entry of a parameter by the gradients it has seen."""

from typing import Any

import torch
from torch import Tensor, nn

from kinsight.kernel.metric import ByParameter, Facts
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.metrics.damping import Damping, checked, inverse_root, loss, settled
from kinsight.metrics.moments import Fitting
from kinsight.metrics.telling import tell_unreached
from kinsight.network.function import OutputFunction
from kinsight.tangent.blocks import Block, Outer
from kinsight.tangent.preconditioning import Half, Scale

_NOISE = 100.0  # gradients below this many roundings of the largest are taken for rounding


def diagonal_fisher(
    kernel: TangentKernel | nn.Module,
    data: Any,
    *,
    output: OutputFunction | None = None,
    damping: Damping = 0.0,
) -> ByParameter:
    """M = diag F + ρ·m, F = mean of JᵀJ over ``data``, m the mean of each parameter's diag F.

    Undamped (the default) similarity does not change when ReLU layers are rescaled against each
    other; entries along which nothing moved are left out. Weight norm still changes it.

    Args:
        kernel: the network, or a kernel whose parameters, forward and precision are taken.
        output: of which F is the Fisher or Gauss–Newton matrix; by default the Fisher form
            ``ks.outputs.Fisher()`` where the kernel asks about classes by one of
            ``ks.outputs``, else the kernel's own output (JᵀJ: Gauss–Newton of a squared loss).
        damping: ρ ≥ 0, or ``"auto"``: see :mod:`kinsight.metrics.damping`.

    Cost: one sweep, D backward passes and every sample's gradient written out. In use: P numbers,
    and gradients written out where inner products are taken.

    Example:
        Of f(x) = w·x the diagonal is the mean square of each input: units do not matter.

        >>> import torch, kinsight as ks
        >>> model, x = torch.nn.Linear(2, 1, bias=False), torch.tensor([[1.0, 9.0], [2.0, 3.0]])
        >>> similarity = lambda x: ks.TangentKernel(
        ...     model, metric=ks.metrics.diagonal_fisher(model, x)).similarity(x)[0, 1]
        >>> torch.allclose(similarity(x), similarity(x * torch.tensor([1000.0, 1.0])))
        True
    """
    damping = checked(damping)
    fitting = Fitting(kernel, data, output)
    sums = squares(fitting)
    return of_squares(fitting, sums, damping)


def squares(fitting: Fitting) -> dict[str, Tensor]:
    """Σ J² by parameter, of either half of the data: (2, P) float64."""
    sums = {n: torch.zeros(2, size, dtype=torch.float64) for n, size in fitting.sizes.items()}
    for features, halves in fitting.batches():
        for name, block in features.blocks.items():
            for parity, rows in enumerate(halves):
                if len(rows):
                    sums[name][parity] += _squares(block.keep(rows)).cpu()
    return sums


def of_squares(fitting: Fitting, sums: dict[str, Tensor], damping: Damping) -> ByParameter:
    """The metric from Σ J²."""
    pairs = [(*fitting.halves(value), value.mean()) for value in sums.values()]

    def judge(rho: float) -> float:
        return sum(
            loss(f, h, f.mean(), rho) + loss(h, f, h.mean(), rho) for f, h, m in pairs if m > 0
        )

    rho, rule = settled(damping, judge)
    halves, left_out = roots(fitting, sums, rho)
    unreached = tell_unreached(name for name, value in sums.items() if not value.any())
    facts = Facts(
        "diagonal Fisher", fitting.described, sum(fitting.samples), rho, rule, left_out, unreached
    )
    return ByParameter(halves, fitting.sizes, facts)


def roots(fitting: Fitting, sums: dict[str, Tensor], rho: float) -> tuple[dict[str, Half], int]:
    """M^-½ by parameter, and how many entries are left out."""
    mean = {name: fitting.mean(value) for name, value in sums.items()}
    # Where terms cancel (the bias of the keys in attention) a gradient is nothing but rounding,
    # which dividing by its own size would make as large as all others.
    eps = torch.finfo(fitting.engine.accumulation).eps
    limit = (_NOISE * eps) ** 2 * max((float(value.mean()) for value in mean.values()), default=0.0)
    halves: dict[str, Half] = {}
    left_out = 0
    for name, value in mean.items():
        kept = torch.where(value > limit, value, 0.0)
        factor = inverse_root(kept + rho * kept.mean(), 0.0)
        left_out += int((factor == 0).sum())
        halves[name] = Scale(factor)
    return halves, left_out


def _squares(block: Block) -> Tensor:
    """Σ over samples and outputs of J²: (P,) float64. Cheap where a weight has one position."""
    if isinstance(block, Outer) and block.left.shape[2] == 1:
        left = block.left[:, :, 0].double().square()  # (B, G, I)
        right = block.right[:, :, :, 0].double().square().sum(1)  # (B, G, O)
        value = torch.einsum("bgi,bgo->gio", left, right)
        return (value.mT if block.flipped else value).flatten()
    return block.dense().double().square().sum((0, 1))
