"""Outputs of a classifier: its scores, probabilities, own class, the Fisher form."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.checks import one_of
from kinsight.errors import ArgumentError
from kinsight.network.columns import Batch
from kinsight.network.function import tensor_output
from kinsight.network.outputs.reading import class_labels, class_scores, one_hot, picked


@dataclass(frozen=True)
class Logits:
    """The network's own class scores z, flattened to (B, D)."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return tensor_output(outputs).flatten(1)


@dataclass(frozen=True)
class LogProbabilities:
    """log p = log softmax(z), (B, C). K(x,x) has rank C − 1, since Σ_c p_c ∇ log p_c = 0."""

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        return functional.log_softmax(class_scores(outputs), dim=1)


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
        scores = class_scores(outputs)
        own = (
            scores.detach().argmax(1) if self.label == "predicted" else class_labels(batch, scores)
        )
        mask = torch.full_like(scores, -1 / (scores.shape[1] - 1))
        return (scores * mask.scatter(1, own[:, None], 1.0)).sum(1)


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
        scores = class_scores(outputs)
        own = (
            scores.detach().argmax(1) if self.label == "predicted" else class_labels(batch, scores)
        )
        generator = torch.Generator().manual_seed(self.seed)
        uniform = torch.rand(scores.shape[1], generator=generator, dtype=torch.float64)
        noise = -(-uniform.clamp(1e-300, 1 - 1e-16).log()).log()  # Gumbel
        drawn = scores.detach().double() * (self.adversary != "uniform")
        if self.adversary != "runner_up":
            drawn = drawn + noise.to(scores.device)
        other = drawn.scatter(1, own[:, None], -torch.inf).argmax(1)
        return picked(scores, own) - picked(scores, other)


@dataclass(frozen=True)
class Fisher:
    """√p_c (z_c − Σ p z) with p held fixed, (B, C).

    Its kernel is the Fisher form: ‖δf‖² = δzᵀ (diag p − p pᵀ) δz ≈ 2 KL(p ‖ p + δp).
    K(x,x) has rank C − 1. Scores enter by their distance to the likeliest class, so that nothing
    cancels in float32 where its p is close to 1.
    """

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = class_scores(outputs)
        weights = scores.detach().softmax(1)
        likeliest = weights.argmax(1)
        top = picked(scores, likeliest)[:, None]
        below = torch.where(one_hot(likeliest, scores), 0.0, scores - top)
        return weights.sqrt() * (below - (weights * below).sum(1, keepdim=True))
