"""The Fisher matrix in blocks: one for every neuron, one a layer, or whole."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kinsight.checks import one_of
from kinsight.errors import MetricError, MetricWarning
from kinsight.kernel.budget import refuse_oversize
from kinsight.kernel.metric import ByBlock, Facts, Group, side_by_side
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.metrics.damping import Damping, checked, inverse_root, loss, settled
from kinsight.metrics.moments import Fitting
from kinsight.metrics.telling import tell_unreached
from kinsight.metrics.undamped import undamped
from kinsight.network.function import OutputFunction
from kinsight.tangent.features import Features
from kinsight.tangent.preconditioning import ByRow

Per = Literal["neuron", "layer", "network"]
_NEARLY = 0.5  # of the metric's directions are a fitted sample's own
_ROUNDINGS = 1e3  # of a gradient, below which a direction counts as rounding


def block_fisher(
    kernel: TangentKernel | nn.Module,
    data: Any,
    *,
    per: Per = "neuron",
    output: OutputFunction | None = None,
    damping: Damping = "auto",
) -> ByBlock:
    """F = mean of JᵀJ within blocks, zero between them, damped: M = F + ρ·m·I.

    Undamped, with a pseudo-inverse, similarity changes neither by rescaled ReLU layers nor by
    weight norm, since a block measures all that a neuron can do, however it is written.

    Args:
        kernel, output: as in :func:`diagonal_fisher`.
        per: ``"neuron"``: what one layer's parameters hold in one row, their first dimension: a
            unit's weights, bias, length of weight norm, scale and shift of a normalisation.
            ``"layer"``: all parameters of a module. ``"network"``: :func:`full_fisher`.
        damping: ρ relative to m, the mean diagonal of a layer; ``"auto"``: see
            :mod:`kinsight.metrics.damping`; 0 only with more gradients than directions.

    Cost: one sweep, every gradient written out, and N·D·W² operations and W² numbers a row of W
    entries; eigenvectors once, W³ a row. In use W·P operations a gradient.

    Raises:
        MetricError: undamped, with no more gradients than a block has directions: each sample
            would be similar to itself alone.
        OutputSizeError: the blocks do not fit the memory budget.
    """
    one_of("per", per, ("neuron", "layer", "network"))
    damping = checked(damping)
    fitting = Fitting(kernel, data, output)
    plans = [_Plan.of(names, fitting, per) for names in _groups(fitting, per)]
    numbers = sum(plan.rows * plan.width**2 for plan in plans)
    largest = max(plans, key=lambda plan: plan.width).name
    what = f"sums, eigenvectors and roots of the Fisher blocks (the largest of {largest})"
    refuse_oversize(what, (4, numbers), 8, fitting.engine.budget)
    sums = _products(fitting, plans)
    if damping == 0:
        _refuse_degenerate(plans, fitting)
    return _metric(fitting, plans, sums, damping, per)


def full_fisher(
    kernel: TangentKernel | nn.Module,
    data: Any,
    *,
    output: OutputFunction | None = None,
    damping: Damping = "auto",
) -> ByBlock:
    """The whole F, (P, P): for small networks, and to hold the others against.

    Undamped it does not depend on how the network is written at all; it needs N·D > P then.
    Otherwise as :func:`block_fisher`.
    """
    return block_fisher(kernel, data, per="network", output=output, damping=damping)


@dataclass(frozen=True)
class _Plan:
    """A group before its blocks are known."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    rows: int
    neurons: tuple[Tensor, ...] = ()  # entries (rows, width) of one layer's, where rows is 1

    @classmethod
    def of(cls, names: tuple[str, ...], fitting: Fitting, per: Per) -> "_Plan":
        rows = _height(names[0], fitting) if per == "neuron" else 1
        widths = tuple(fitting.sizes[n] // rows for n in names)
        if per == "neuron":
            return cls(names, widths, rows)
        ends = torch.tensor(widths).cumsum(0).tolist()
        entries = {n: torch.arange(e - w, e) for n, w, e in zip(names, widths, ends, strict=True)}
        layers = [[n for n in g if n in entries] for g in _groups(fitting, "neuron")]
        neurons = tuple(
            torch.cat([entries[n].reshape(_height(n, fitting), -1) for n in layer], 1)
            for layer in layers
            if layer
        )
        return cls(names, widths, rows, neurons)

    @property
    def width(self) -> int:
        return sum(self.widths)

    @property
    def name(self) -> str:
        return ", ".join(self.names[:3]) + (" …" if len(self.names) > 3 else "")

    def joined(self, features: Features) -> Tensor | None:
        """(B, D, R, W), or None where none of them is at work."""
        present = [features.blocks[n] for n in self.names if n in features.blocks]
        if not present:
            return None
        like = present[0].dense()
        return side_by_side(self.names, self.widths, self.rows, features.blocks, like)


def _height(name: str, fitting: Fitting) -> int:
    """How many neurons a parameter has rows of."""
    parameter = fitting.function.selection.chosen[name]
    return parameter.shape[0] if parameter.dim() else 1


def _groups(fitting: Fitting, per: Per) -> list[tuple[str, ...]]:
    chosen = fitting.function.selection.chosen
    if per == "network":
        return [tuple(chosen)]
    groups: dict[Any, list[str]] = {}
    for name, parameter in chosen.items():
        module = name.split(".parametrizations.")[0] if ".parametrizations." in name else (
            name.removeprefix("parametrizations.").rpartition(".")[0]
        )  # fmt: skip
        if name.startswith("parametrizations."):  # of the network itself
            module = ""
        rows = (tuple(parameter.shape[:1]),) if per == "neuron" else ()
        groups.setdefault((module, *rows), []).append(name)
    return [tuple(names) for names in groups.values()]


def _products(fitting: Fitting, plans: list[_Plan]) -> list[Tensor]:
    """Σ JᵀJ in blocks, of either half of the data: (2, R, W, W) float64."""
    sums = [torch.zeros(2, p.rows, p.width, p.width, dtype=torch.float64) for p in plans]
    for features, halves in fitting.batches():
        for plan, total in zip(plans, sums, strict=True):
            joined = plan.joined(features)
            for parity, rows in enumerate(halves):
                if joined is not None and len(rows):
                    by_row = joined[rows].flatten(0, 1).transpose(0, 1).double()  # (R, n, W)
                    total[parity] += (by_row.mT @ by_row).cpu()
    return sums


def _refuse_degenerate(plans: list[_Plan], fitting: Fitting) -> None:
    widest = max(plans, key=lambda plan: plan.width)
    if fitting.directions <= widest.width:
        raise MetricError(
            f"expected more gradients than directions for an undamped Fisher matrix, got "
            f"{fitting.directions:,} (Σ of ranks of K(x,x) over {sum(fitting.samples):,} samples) "
            f"for {widest.width:,} directions of {widest.name}: every sample would be similar to "
            "itself alone. Damp it (damping='auto'), fit it to more data, or use smaller blocks "
            "(per='neuron', ks.metrics.diagonal_fisher)"
        )


def _metric(
    fitting: Fitting, plans: list[_Plan], sums: list[Tensor], damping: Damping, per: Per
) -> ByBlock:
    rho, rule = settled(damping, _judge(fitting, sums) if damping == "auto" else float)
    groups, left_out = [], 0
    eps = torch.finfo(fitting.engine.accumulation).eps
    for plan, total in zip(plans, sums, strict=True):
        # Rounding of gradients, squared, or of the sums in float64, whichever is larger.
        noise = plan.width * max((_ROUNDINGS * eps) ** 2, torch.finfo(torch.float64).eps)
        mean = fitting.mean(total)  # (R, W, W)
        root, missing = _damped(mean, rho, noise) if rho else undamped(mean, plan.neurons, noise)
        groups.append(Group(plan.names, plan.widths, ByRow(root)))
        left_out += missing
    if rho == 0:
        _warn_nearly_degenerate(plans, fitting)
    unreached = tell_unreached(_unreached(plans, sums))
    kind = "full Fisher" if per == "network" else f"Fisher by {per}"
    samples = sum(fitting.samples)
    facts = Facts(kind, fitting.described, samples, rho, rule, left_out, unreached)
    return ByBlock(tuple(groups), facts)


def _damped(mean: Tensor, rho: float, noise: float) -> tuple[Tensor, int]:
    """(F + ρ·m·I)^-½ of each block, (R, W, W), and how many directions it leaves out."""
    values, vectors = torch.linalg.eigh(mean)  # (R, W), (R, W, W)
    kept = torch.where(values > noise * values[:, -1:], values, 0.0)
    inverse = inverse_root(kept + rho * kept.mean(), 0.0)
    return (vectors * inverse[:, None]) @ vectors.mT, int((inverse == 0).sum())


def _warn_nearly_degenerate(plans: list[_Plan], fitting: Fitting) -> None:
    widest = max(plans, key=lambda plan: plan.width)
    share = widest.width / fitting.directions
    if share > _NEARLY:
        warnings.warn(
            f"metric: {fitting.directions:,} gradients for {widest.width:,} directions of "
            f"{widest.name}, so that up to {share:.0%} of what a fitted sample is measured with is "
            "itself, and it looks more alone than new ones do; damp the metric or fit it to more",
            MetricWarning,
            stacklevel=4,
        )


def _judge(fitting: Fitting, sums: list[Tensor]) -> Callable[[float], float]:
    """The loss of a damping: either half's blocks foretell the other's gradients."""
    known = []
    for total in sums:
        first, second = fitting.halves(total)
        for ours, theirs in ((first, second), (second, first)):
            values, vectors = torch.linalg.eigh(ours)
            held = ((theirs @ vectors) * vectors).sum(1)  # (R, W) diagonal of VᵀHV
            values = values.clamp_min(0)
            known.append((values, held.clamp_min(0), values.mean()))
    return lambda rho: sum(loss(values, held, mean, rho) for values, held, mean in known)


def _unreached(plans: list[_Plan], sums: list[Tensor]) -> list[str]:
    found = []
    for plan, total in zip(plans, sums, strict=True):
        diagonal = total.diagonal(dim1=2, dim2=3).sum((0, 1))  # (W,)
        parts = diagonal.split(plan.widths)
        found += [n for n, part in zip(plan.names, parts, strict=True) if not part.any()]
    return found
