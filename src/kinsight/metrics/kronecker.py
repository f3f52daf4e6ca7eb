"""Kronecker factors of the Fisher matrix (K-FAC), computed by curvlinops, applied to gradients.

For a weight W (O, I) with inputs a and output-gradients δ, F ≈ A ⊗ B with A the second moment of
inputs and B that of output-gradients. M^-½ = A^-½ ⊗ B^-½ keeps δ ⊗ a an outer product.

Source: Martens, Grosse, "Optimizing neural networks with Kronecker-factored approximate
curvature", ICML 2015; Grosse, Martens, ICML 2016, for convolutions; Eschenhagen et al., NeurIPS
2023, for weights used at many positions ("expand", which is what this is).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.errors import MetricError
from kinsight.kernel.metric import ByParameter, Facts
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.metrics.damping import Damping, checked, inverse_root, loss, settled
from kinsight.metrics.diagonal import roots, squares
from kinsight.metrics.moments import Fitting
from kinsight.metrics.telling import tell_unreached
from kinsight.network.batches import Batches, batch_length
from kinsight.network.function import NetworkFunction, OutputFunction
from kinsight.search.extras import optional
from kinsight.tangent.preconditioning import ByRow, Half, Kronecker

KIND = "Kronecker-factored Fisher"
_ROUNDINGS = 10.0  # of the largest eigenvalue of a factor, below which one counts as zero


def kronecker(
    kernel: TangentKernel | nn.Module,
    data: Any,
    *,
    output: OutputFunction | None = None,
    damping: Damping = "auto",
) -> ByParameter:
    """M = (A + √ρ·ā·I) ⊗ (B + √ρ·b̄·I) for weights of linear layers and 2-D convolutions.

    ā, b̄ are mean diagonals. A layer's bias has B alone. Every other parameter (normalisation,
    embeddings, attention's packed projections, grouped, tied or re-parametrised weights) has the
    diagonal Fisher; ``str(metric)`` and ``kernel.coverage()`` name them.

    Args:
        kernel, output: as in :func:`diagonal_fisher`.
        damping: ρ, relative; ``"auto"``: see :mod:`kinsight.metrics.damping`.

    Cost: one sweep of curvlinops (a forward and D backward passes), one more for the diagonal
    where there is need; I² + O² numbers a weight. In use almost nothing for linear layers.

    Raises:
        MissingExtraError: ``pip install 'kinsight[kfac]'``.
        MetricError: undamped, with no more inputs than a layer has of them.
    """
    curvlinops = optional("curvlinops", "kfac", "the Kronecker-factored metric")
    damping = checked(damping)
    fitting = Fitting(kernel, data, output)
    sums = squares(fitting)  # tells what is not finite, and what no gradient reaches
    factors = _factors(curvlinops, fitting, _supported(fitting))
    rho, rule = settled(damping, lambda r: sum(one.loss(r) for one in factors))
    if rho == 0:
        _refuse_degenerate(factors, fitting)
    halves, rest, left_out = _halves(fitting, sums, factors, rho)
    unreached = tell_unreached(name for name, value in sums.items() if not value.any())
    otherwise = tuple((name, "diagonal Fisher") for name in rest)
    samples = len(fitting.kept)
    facts = Facts(KIND, fitting.described, samples, rho, rule, left_out, unreached, otherwise)
    return ByParameter(halves, fitting.sizes, facts)


def _halves(
    fitting: Fitting, sums: dict[str, Tensor], factors: "list[_Factors]", rho: float
) -> tuple[dict[str, Half], list[str], int]:
    """M^-½ of all parameters, those that only the diagonal covers, and what is left out."""
    covered = {name for one in factors for name in one.layer.parameters.values()}
    halves, left_out = roots(fitting, {n: v for n, v in sums.items() if n not in covered}, rho)
    rest = list(halves)
    for one in factors:
        found, lost = one.halves(rho, fitting)
        halves |= found
        left_out += lost
    return {name: halves[name] for name in fitting.sizes}, rest, left_out


@dataclass(frozen=True)
class _Layer:
    """A module that curvlinops knows how to read."""

    path: str
    positions: int  # T: how often a sample uses the weight
    parameters: dict[str, str]  # "weight" and "bias" -> their names, where they are chosen


@dataclass(frozen=True)
class _Factors:
    """A and B of one layer, from either half of the data."""

    layer: _Layer
    inputs: Tensor | None  # (2, I, I)
    outputs: Tensor  # (2, O, O)

    def loss(self, rho: float) -> float:
        """log det M + Tr(M⁻¹H) of the weight, or of the bias, both ways."""
        return self._loss(0, 1, rho) + self._loss(1, 0, rho)

    def _loss(self, ours: int, theirs: int, rho: float) -> float:
        b, held_b = _spectrum(self.outputs[ours], self.outputs[theirs])
        if self.inputs is None:
            return loss(b, held_b, b.mean(), rho)
        a, held_a = _spectrum(self.inputs[ours], self.inputs[theirs])
        a, b = a + rho**0.5 * a.mean(), b + rho**0.5 * b.mean()
        volume = len(b) * a.log().sum() + len(a) * b.log().sum()
        return float(volume + (held_a / a).sum() * (held_b / b).sum())

    def halves(self, rho: float, fitting: Fitting) -> tuple[dict[str, Half], int]:
        """M^-½ of weight and bias, and the directions left out."""
        found: dict[str, Half] = {}
        eps = torch.finfo(fitting.engine.accumulation).eps
        weight, bias = (self.layer.parameters.get(kind) for kind in ("weight", "bias"))
        lost = 0
        mean = self.outputs.mean(0)
        if weight is not None and self.inputs is not None:
            left, right = _root(self.inputs.mean(0), rho**0.5, eps), _root(mean, rho**0.5, eps)
            found[weight] = Kronecker(left[0], right[0])
            lost += len(mean) * len(left[0]) - left[1] * right[1]
        if bias is not None:
            root, rank = _root(mean, rho, eps)
            found[bias] = ByRow(root[None])
            lost += len(mean) - rank
        return found, lost


def _spectrum(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(ours)
    return values.clamp_min(0), ((theirs @ vectors) * vectors).sum(0).clamp_min(0)


def _root(factor: Tensor, damping: float, eps: float) -> tuple[Tensor, int]:
    """(F + damping·mean·I)^-½ on its range, and its rank."""
    values, vectors = torch.linalg.eigh(factor)
    kept = torch.where(values > _ROUNDINGS * len(values) * eps * values[-1], values, 0.0)
    inverse = inverse_root(kept + damping * kept.mean(), 0.0)
    return (vectors * inverse) @ vectors.mT, int((inverse > 0).sum())


class _Rows(nn.Module):
    """f as a module whose only layers are those of the network."""

    def __init__(self, function: NetworkFunction):
        super().__init__()
        self.model = function.model
        self._function: Callable[[Any], Tensor] = function

    def forward(self, given: dict[str, Any]) -> Tensor:
        return self._function(given["batch"])


def _supported(fitting: Fitting) -> list[_Layer]:
    """Layers that K-FAC covers, and that a look at two samples shows at work exactly once.

    Not those whose weight is grouped, shared between modules, made from others, differentiated
    twice, or used behind the module's back, as attention does with its projections.
    """
    function = fitting.function
    chosen = {id(p): name for name, p in function.selection.chosen.items()}
    owners: dict[int, int] = {}
    for module in function.model.modules():
        for parameter in module._parameters.values():
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    called = _calls(fitting)
    layers = []
    for path, module in function.model.named_modules():
        own = {k: p for k, p in module.named_parameters(recurse=False) if id(p) in chosen}
        names = {kind: chosen[id(p)] for kind, p in own.items()}
        alone = all(owners[id(p)] == 1 for p in own.values())
        once = len(called.get(path, ())) == 1 and called[path][0] > 0
        if _plain(module) and own and alone and once and _used_once(fitting, names):
            width = next(iter(own.values())).shape[0]
            layers.append(_Layer(path, called[path][0] // width, names))
    return layers


def _plain(module: nn.Module) -> bool:
    """A linear layer or a convolution whose weight is its own parameter."""
    if type(module) is nn.Conv2d:
        zeros = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        if module.groups > 1 or not zeros:
            return False
    elif type(module) is not nn.Linear:
        return False
    return isinstance(module._parameters.get("weight"), nn.Parameter)


def _used_once(fitting: Fitting, names: dict[str, str]) -> bool:
    treatment = fitting.engine.capture.treatment
    return all(n in treatment and len(treatment[n].operators) == 1 for n in names.values())


def _calls(fitting: Fitting) -> dict[str, list[int]]:
    """Numbers that each module returned for a sample, call by call; 0: not sample by sample."""
    seen: dict[str, list[int]] = {}
    few = fitting.data.take(range(min(2, len(fitting.data))))
    count = batch_length(few)

    def note(path: str, value: Any) -> None:
        fit = isinstance(value, Tensor) and value.dim() > 1 and value.shape[0] == count
        seen.setdefault(path, []).append(value.numel() // count if fit else 0)

    hooks = [
        module.register_forward_hook(lambda _m, _i, value, path=path: note(path, value))
        for path, module in fitting.function.model.named_modules()
    ]
    try:
        with torch.no_grad():
            fitting.function(fitting.function.place(few))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _factors(curvlinops: Any, fitting: Fitting, layers: list[_Layer]) -> list[_Factors]:
    """A and B of every layer; the squared loss of f has Gauss–Newton matrix 2·JᵀJ."""
    if not layers:
        return []
    found = []
    kept = fitting.kept
    for chosen in (kept[::2], kept[1::2] or kept):
        part = fitting.data.part(chosen)
        found.append(_covariances(curvlinops, fitting, layers, part))
    joined = []
    for layer in layers:
        path = f"model.{layer.path}" if layer.path else "model"
        if any(path not in one[1] for one in found):
            continue  # no gradient arrived behind it: the diagonal covers it
        both = [one[1][path].cpu().double() for one in found]
        inputs = [one[0][path].cpu().double() for one in found if path in one[0]]
        joined.append(_Factors(layer, torch.stack(inputs) if inputs else None, torch.stack(both)))
    return joined


def _covariances(
    curvlinops: Any, fitting: Fitting, layers: list[_Layer], data: Batches
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    function, outputs = fitting.function, fitting.outputs
    chosen = function.selection.chosen

    def loader() -> list[tuple[dict[str, Any], Tensor]]:
        return [
            (
                {"batch": function.place(piece.batch)},
                torch.zeros(piece.stop - piece.start, outputs, dtype=function.dtype),
            )
            for piece in data.pieces(fitting.engine.batch_size)
        ]

    with torch.enable_grad(), function.selection.differentiable():
        operator = curvlinops.KFACLinearOperator(
            _Rows(function), nn.MSELoss(reduction="sum"),
            [chosen[n] for layer in layers for n in layer.parameters.values()], loader(),
            check_deterministic=False, fisher_type="type-2", num_per_example_loss_terms=1,
            num_data=len(data), batch_size_fn=lambda given: batch_length(given["batch"]),
        )  # fmt: skip
        operator.compute_kronecker_factors()
    scale = 1 / (2 * len(data))  # of a sum over samples, of a loss that is not halved
    covariances = {k: v.detach() * scale for k, v in operator._gradient_covariances.items()}
    return {k: v.detach() for k, v in operator._input_covariances.items()}, covariances


def _refuse_degenerate(factors: list[_Factors], fitting: Fitting) -> None:
    """Undamped factors that as few inputs or output-gradients made as they have directions."""
    for one in factors:
        rows = len(fitting.kept) * one.layer.positions
        parts = [("outputs", one.outputs, rows * fitting.outputs)]
        if one.inputs is not None:
            parts.append(("inputs", one.inputs, rows))
        for what, factor, count in parts:
            if count <= factor.shape[1]:
                raise MetricError(
                    f"expected more {what} than a layer has of them for undamped Kronecker "
                    f"factors, got {count:,} for the {factor.shape[1]:,} of "
                    f"{one.layer.path or 'the network'}: every sample would be similar to itself "
                    "alone. Damp it (damping='auto') or fit it to more data"
                )
