"""A training term that asks for similarity: −weight · sign · mean of k_C over pairs."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kinsight.checks import one_of
from kinsight.errors import ArgumentError, PairError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.losses.gradients import Gradients, checked_weight, full_precision, tell_missing
from kinsight.losses.pairs import Pairs, check_pairs, chosen, of_equal_label, side_by_side
from kinsight.losses.products import normalized, paired
from kinsight.losses.twice import eagerly
from kinsight.network.columns import Batch, common_length
from kinsight.network.function import OutputFunction
from kinsight.network.parameters import ParameterChoice


class SimilarityLoss:
    """−sign · weight · mean k_C(x, x') over pairs that should be alike (or unlike).

    k_C is the similarity of :class:`~kinsight.TangentKernel`, here part of the graph, so that
    it can be trained. Add the term to any loss before ``backward``; nothing else changes.

    Args:
        model: the network that is trained, as it is or wrapped (DDP, torch.compile: the module
            inside is used, in eager mode, because compiled graphs have no second derivative);
            or a kernel on it, whose output, parameters and normalization are taken over.
        pairs: ``"given"``: ``loss(x, y)``, sample i of x with sample i of y. ``"labels"``:
            ``loss(x, labels=y)``, all pairs of equal label within the batch. A function from a
            batch to its partners (an augmentation, a group action): ``loss(x)``.
        weight: λ ≥ 0.
        sign: 1 asks for alike pairs, −1 for unlike ones.
        reduce: ``"pairs"``: the mean of every pair's own similarity. ``"means"``: one
            similarity, between the mean gradient of the first samples and that of the second;
            cheaper, and defined for batch norm in training mode.
        output: what is asked of the network; for classes ``ks.outputs.OwnClass()`` (one number)
            costs least, ``ks.outputs.Probes(1)`` with ``"trace"`` estimates all.
        parameters: names, globs or a predicate: layers whose gradients count.
        normalization: of several outputs, ``"whitened"`` or ``"trace"``.
        forward: ``(model, batch) -> outputs`` where the default reading of a batch does not fit.

    The value lies in [−weight, weight]. Pairs of which a sample has no gradient are left out
    with a warning.

    Cost: a forward pass, D backward passes, the products of pairs, and twice that again in
    ``backward``; memory for the gradients of the batch, or for two with ``"means"``.

    Example:
        >>> import torch, kinsight as ks
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        >>> loss = ks.losses.SimilarityLoss(model, weight=0.1)
        >>> x = torch.randn(3, 2)
        >>> round(loss(x, x).item(), 4)
        -0.1

    Source: Charpiat et al. 2019, §5. Their code adds k_C where their text subtracts it; here
    ``sign=1`` makes pairs alike, as the text says.
    """

    def __init__(
        self,
        model: nn.Module | TangentKernel,
        *,
        pairs: Pairs = "given",
        weight: float = 1.0,
        sign: Literal[1, -1] = 1,
        reduce: Literal["pairs", "means"] = "pairs",
        output: OutputFunction | None = None,
        parameters: ParameterChoice = None,
        normalization: Literal["whitened", "trace"] | None = None,
        forward: Callable[[nn.Module, Batch], Any] | None = None,
    ):
        check_pairs(pairs)
        one_of("sign", sign, (1, -1))
        one_of("reduce", reduce, ("pairs", "means"))
        self.weight = checked_weight(weight)
        self.pairs, self.sign, self.reduce = pairs, sign, reduce
        self.gradients = Gradients(model, output, parameters, forward)
        inherited = model.normalization if isinstance(model, TangentKernel) else "whitened"
        self.normalization = normalization or inherited or "whitened"
        one_of("normalization", self.normalization, ("whitened", "trace"))
        if self.gradients.probed and self.normalization == "whitened":
            raise ArgumentError(
                "random probes estimate Tr K only, and whitening needs every output of a sample; "
                "use normalization='trace' with ks.outputs.Probes"
            )

    def __call__(self, x: Batch, y: Batch | None = None, labels: Any = None) -> Tensor:
        """The term for one batch: a number with a graph.

        Raises:
            PairError: no pair in the batch, no partner or label where one is needed, or no pair
                whose samples both have a gradient.
            NetworkError: an operator without a second derivative, named.
            TrainingModeError: batch norm in training mode with ``reduce="pairs"``.
        """
        return -self.sign * self.weight * self.similarity(x, y, labels).mean()

    @eagerly
    def similarity(self, x: Batch, y: Batch | None = None, labels: Any = None) -> Tensor:
        """k_C of every pair, (n,) in [−1, 1], or (1,) with ``reduce="means"``; with a graph."""
        batch, i, j = self._paired(x, y, labels)
        placed = self.gradients.place(batch)
        own = self._means if self.reduce == "means" else self._each
        products = own(placed, i, j)
        with torch.enable_grad(), full_precision(products[0]):
            k, there = normalized(*products, self.normalization)
        tell_missing(there, "pairs have a sample without")
        return self.gradients.tried("similarity", k[there])

    def _each(self, batch: Batch, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.gradients.features(batch)
        with torch.enable_grad(), full_precision(features.values):
            samples = torch.arange(len(features))
            own = paired(features, samples, samples)
            return paired(features, i, j), own[i], own[j]

    def _means(self, batch: Batch, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second = (self._mean(batch, samples) for samples in (i, j))
        with torch.enable_grad(), full_precision(first):
            return self._all_products(first, second)

    def _mean(self, batch: Batch, samples: Tensor) -> Tensor:
        """The mean Jacobian of some samples, as a batch of their own: (D, P)."""
        numbers, counts = samples.unique(return_counts=True)
        return self.gradients.mean(chosen(batch, numbers), counts / len(samples))

    @staticmethod
    def _all_products(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """K of one pair of mean Jacobians, (D, P) each: (1, D, D) three times."""
        return (first @ second.T)[None], (first @ first.T)[None], (second @ second.T)[None]

    def _paired(self, x: Batch, y: Batch | None, labels: Any) -> tuple[Batch, Tensor, Tensor]:
        if self.pairs == "labels":
            if y is not None:
                raise PairError("expected loss(x, labels=…) for pairs='labels', got partners")
            return x, *of_equal_label(labels, common_length(x))
        if callable(self.pairs):
            if y is not None:
                raise PairError("expected loss(x) where pairs= makes the partners, got partners")
            return side_by_side(x, self.pairs(x))
        if y is None:
            raise PairError("expected loss(x, y) for pairs='given', got no y; name the partners")
        return side_by_side(x, y)
