"""What is asked of the network: classes, losses, the Fisher form, parts and mixtures of outputs.

Each is a callable ``(outputs, batch) -> (B, D)`` to pass as ``output=``. Labels, where one needs
them, are those of the batch: the last integer tensor of a tuple, or ``labels`` of a dict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction, tensor_output
from kinsight.network.inputs import LABEL_KEYS


@dataclass(frozen=True)
class Logits:
    """The network's own class scores z, flattened to (B, D)."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return tensor_output(outputs).flatten(1)


@dataclass(frozen=True)
class LogProbabilities:
    """log p = log softmax(z), (B, C). K(x,x) has rank C − 1, since Σ_c p_c ∇ log p_c = 0."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return functional.log_softmax(_class_scores(outputs), dim=1)


@dataclass(frozen=True)
class OwnClass:
    """Own class against the rest, one number a sample: z_y − mean_{c≠y} z_c.

    The same for logits and log-probabilities, because the mask (1 and −1/(C−1)) sums to zero.
    Never saturates. ``label="predicted"`` takes y = argmax z, ``"batch"`` the label that came.
    """

    label: Literal["predicted", "batch"] = "predicted"

    def __post_init__(self) -> None:
        if self.label not in ("predicted", "batch"):
            raise ArgumentError(f"label: expected 'predicted' or 'batch', got {self.label!r}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = _class_scores(outputs)
        own = scores.detach().argmax(1) if self.label == "predicted" else _labels(batch, scores)
        mask = torch.full_like(scores, -1 / (scores.shape[1] - 1))
        return (scores * mask.scatter(1, own[:, None], 1.0)).sum(1)


@dataclass(frozen=True)
class Loss:
    """The loss of each sample against the label in its batch, (B,).

    ``"cross_entropy"`` is computed as softplus(logsumexp_{c≠y} z_c − z_y): equal to −log p_y,
    but its gradient does not cancel in float32 where p_y is close to 1. ``"squared"`` is
    ½‖z − y‖², with a floating-point y in the batch.
    """

    kind: Literal["cross_entropy", "squared"] = "cross_entropy"

    def __post_init__(self) -> None:
        if self.kind not in ("cross_entropy", "squared"):
            raise ArgumentError(f"kind: expected 'cross_entropy' or 'squared', got {self.kind!r}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        if self.kind == "squared":
            values = tensor_output(outputs).flatten(1)
            targets = _last(batch, integer=False).to(values)
            return 0.5 * (values - targets.reshape(values.shape)).square().sum(1)
        scores = _class_scores(outputs)
        own = _labels(batch, scores)[:, None]
        rest = scores.scatter(1, own, -torch.inf).logsumexp(1)
        return functional.softplus(rest - scores.gather(1, own)[:, 0], threshold=1e4)


@dataclass(frozen=True)
class Fisher:
    """√p_c (z_c − Σ p z) with p held fixed, (B, C).

    Its kernel is the Fisher form: ‖δf‖² = δzᵀ (diag p − p pᵀ) δz ≈ 2 KL(p ‖ p + δp).
    K(x,x) has rank C − 1.
    """

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = _class_scores(outputs)
        weights = scores.detach().softmax(1)
        return weights.sqrt() * (scores - (weights * scores).sum(1, keepdim=True))


@dataclass(frozen=True)
class Probes:
    """Random combinations of the outputs, the same for all samples: V f / √count, (B, count).

    Rademacher signs V from ``seed``. Tr K of the probed outputs is an unbiased estimate of
    Tr K(x, x') from ``count`` backward passes whatever D is. Its variance is
    (2/count)(‖S‖_F² − Σ S_ii²), S the symmetric part of K(x, x'): at most
    (2/count) Tr K(x,x) Tr K(x',x'), and relative to the square of Tr K(x,x) at most 2/count.
    Only for ``normalization="trace"`` or ``None``: whitening needs all D outputs.
    """

    count: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ArgumentError(f"count: expected at least one probe, got {self.count}")

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        values = tensor_output(outputs).flatten(1)
        generator = torch.Generator().manual_seed(self.seed)
        signs = torch.randint(0, 2, (values.shape[1], self.count), generator=generator) * 2 - 1
        return values @ (signs.to(values) / self.count**0.5)


@dataclass(frozen=True)
class AgainstClass:
    """Own class against one other, one number a sample: z_y − z_a, for very many classes.

    ``adversary``: ``"runner_up"``, the class of the next-highest score; ``"likely"``, drawn with
    probability p_c/(1 − p_y); ``"uniform"``, any other class alike. What is drawn follows from
    ``seed`` and the sample's own scores (Gumbel noise G_c, the same for all samples: the largest
    z_c + G_c, or G_c), so it does not depend on the batch, and near-twins get the same one.
    Over seeds the mean of ``"uniform"`` is :class:`OwnClass`. ``label``: as there.
    """

    adversary: Literal["runner_up", "likely", "uniform"] = "likely"
    label: Literal["predicted", "batch"] = "predicted"
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("adversary", self.adversary, ("runner_up", "likely", "uniform"))
        one_of("label", self.label, ("predicted", "batch"))

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = _class_scores(outputs)
        own = scores.detach().argmax(1) if self.label == "predicted" else _labels(batch, scores)
        generator = torch.Generator().manual_seed(self.seed)
        uniform = torch.rand(scores.shape[1], generator=generator, dtype=torch.float64)
        noise = -(-uniform.clamp(1e-300, 1 - 1e-16).log()).log()  # Gumbel
        drawn = scores.detach().double() * (self.adversary != "uniform")
        if self.adversary != "runner_up":
            drawn = drawn + noise.to(scores.device)
        other = drawn.scatter(1, own[:, None], -torch.inf).argmax(1)
        return (scores.gather(1, own[:, None]) - scores.gather(1, other[:, None]))[:, 0]


@dataclass(frozen=True)
class Select:
    """Some of the outputs by number, (B, len(indices)); of the network, or of what ``of`` gives."""

    indices: tuple[int, ...]
    of: OutputFunction | None = None

    def __post_init__(self) -> None:
        try:
            numbers = tuple(index(i) for i in self.indices)
        except TypeError as error:
            raise ArgumentError(
                f"indices: expected whole numbers in a tuple, got {self.indices!r:.60}"
            ) from error
        if not numbers or len(set(numbers)) < len(numbers):
            raise ArgumentError(f"indices: expected different numbers, got {self.indices!r:.60}")
        _check_inner(self.of)
        object.__setattr__(self, "indices", numbers)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        rows = _rows(self.of, outputs, batch)
        if not all(-rows.shape[1] <= i < rows.shape[1] for i in self.indices):
            raise OutputError(
                f"expected indices among {rows.shape[1]} outputs, got {list(self.indices)}"
            )
        chosen = [i % rows.shape[1] for i in self.indices]
        if len(set(chosen)) < len(chosen):
            raise OutputError(
                f"expected different outputs, got {list(self.indices)} of {rows.shape[1]}, which "
                "name one twice"
            )
        return rows[:, chosen]


@dataclass(frozen=True)
class Linear:
    """A linear map of the outputs: M f, M of shape (D', D), given as rows; (B, D').

    One row is a direction; differences of classes, means over groups, a change of units.
    """

    matrix: tuple[tuple[float, ...], ...]
    of: OutputFunction | None = None

    def __post_init__(self) -> None:
        try:
            matrix = torch.as_tensor(self.matrix, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(
                f"matrix: expected rows of numbers of one length, got {self.matrix!r:.60}"
            ) from error
        if matrix.dim() != 2 or not matrix.numel() or not bool(matrix.isfinite().all()):
            raise ArgumentError(
                f"matrix: expected finite rows of one length, got shape {tuple(matrix.shape)}"
            )
        _check_inner(self.of)
        object.__setattr__(self, "matrix", tuple(map(tuple, matrix.tolist())))

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        rows = _rows(self.of, outputs, batch)
        matrix = torch.tensor(self.matrix, dtype=rows.dtype, device=rows.device)
        if matrix.shape[1] != rows.shape[1]:
            raise OutputError(
                f"expected a matrix with {rows.shape[1]} columns, one an output, got "
                f"{matrix.shape[1]}"
            )
        return rows @ matrix.T


def probed(output: Any) -> bool:
    """Whether random probes are among what is asked, at whatever depth."""
    return isinstance(output, Probes) or (
        output is not None and probed(getattr(output, "of", None))
    )


def _check_inner(of: Any) -> None:
    if of is not None and (not callable(of) or isinstance(of, type)):
        hint = f"; write {of.__name__}()" if isinstance(of, type) else ""
        raise ArgumentError(
            f"of: expected one such as ks.outputs.Logits() or a function, got {of!r:.60}{hint}"
        )


def _rows(of: OutputFunction | None, outputs: Any, batch: Batch) -> Tensor:
    value = tensor_output(outputs) if of is None else of(outputs, batch)
    return value[:, None] if value.dim() == 1 else value.flatten(1)


def _class_scores(outputs: Any) -> Tensor:
    scores = tensor_output(outputs)
    if scores.dim() != 2 or scores.shape[1] < 2:
        raise OutputError(
            f"expected class scores of shape (B, C) with C ≥ 2, got {tuple(scores.shape)}; "
            "pass output=callable that makes one row of class scores per sample"
        )
    return scores


def _labels(batch: Batch, scores: Tensor) -> Tensor:
    labels = _last(batch, integer=True).to(scores.device).long().reshape(-1)
    classes = scores.shape[1]
    if labels.shape[0] != scores.shape[0] or bool(((labels < 0) | (labels >= classes)).any()):
        raise OutputError(
            f"expected {scores.shape[0]} labels from 0 to {classes - 1}, got {labels.shape[0]} "
            f"from {int(labels.min())} to {int(labels.max())}"
        )
    return labels


def _last(batch: Batch, integer: bool) -> Tensor:
    found = None
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in LABEL_KEYS if key in batch), None)
    elif isinstance(batch, (tuple, list)) and len(batch) > 1:
        found = batch[-1]
    if not isinstance(found, Tensor) or (integer and found.is_floating_point()):
        raise OutputError(
            "expected labels in the batch: data as (inputs, labels) or a dict with 'labels'; "
            "got none of the right type"
        )
    return found
