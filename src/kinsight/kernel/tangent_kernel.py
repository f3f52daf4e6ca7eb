"""The exact tangent kernel of any network: what it takes for the same thing."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kinsight.checks import one_of, positive
from kinsight.errors import ArgumentError
from kinsight.kernel import combine
from kinsight.kernel.budget import memory_budget as budget_for
from kinsight.kernel.budget import refuse_oversize
from kinsight.kernel.density import soft_density
from kinsight.kernel.engine import Engine, Notes
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.explain import explain
from kinsight.kernel.explanation import Explanation
from kinsight.kernel.metric import Euclidean, Metric
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.stream import Combine, all_pairs
from kinsight.kernel.whitening import Normalization
from kinsight.network.function import NetworkFunction, OutputFunction
from kinsight.network.outputs import probed
from kinsight.network.parameters import ParameterChoice
from kinsight.tangent.coverage import Coverage


class TangentKernel:
    """K(x,x') = J(x) J(x')ᵀ with J = ∂f/∂θ, and what follows from it.

    Args:
        model: a trained ``torch.nn.Module`` in evaluation mode. Wrappers (torch.compile,
            DataParallel, DDP, PEFT) are taken off; weights are read, never changed.
        output: f. ``None`` for the network's output flattened to (N, D), one of
            ``kinsight.outputs``, or a callable ``(outputs, batch) -> (N,) or (N, D)``.
        parameters: ``None`` for all with ``requires_grad``; names, globs, or a predicate.
        normalization: ``"whitened"``: k_C = Tr[K(x,x)^{-1/2} K(x,x') K(x',x')^{-1/2}] / √(r r');
            ``"trace"``: k_F = Tr K(x,x') / √(Tr K(x,x) Tr K(x',x')); ``None``: Tr K. For D = 1
            the first two are the cosine of the gradients.
        metric: M on parameters, K = J M⁻¹ J'ᵀ in every verb: one of ``kinsight.metrics``, fitted
            to some data; ``None`` is the Euclidean one, M = I.
        dtype, device: compute in another precision or place, on a copy of the model.
        products: ``torch.bfloat16`` rounds features that are written out before inner products
            of pairs are taken, and adds up in float32: half the memory, and on a GPU the fast
            matrix units. Errors of k: 1e-5 in the median, 2e-4 at most on a ResNet-20.
        memory_budget: bytes for features and results; default a quarter of the machine's, or
            three quarters of what is free on a GPU.
        batch_size: samples through the network at once; default from the budget.
        forward: ``(model, batch) -> outputs`` where the default reading of a batch is wrong:
            a tensor is the input; of a tuple the first n go in, n the required arguments of
            ``model.forward``, and one more may be a label; of a dict the keys that ``forward``
            accepts, labels left out.
        rank_tolerance: eigenvalues of K(x,x) below it times the largest count as zero;
            default D·eps.

    Data everywhere: a tensor or array, a tuple or dict of them, a list of samples, a Dataset, or
    a DataLoader in a fixed order. ``y=None`` means x. Results come on the CPU.

    Source: Charpiat, Girard, Felardos, Tarabalka, "Input Similarity from the Neural Network
    Perspective", NeurIPS 2019.

    Example:
        A linear network without bias has J(x) = x, so that its similarity is the cosine.

        >>> import torch, kinsight as ks
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> ks.TangentKernel(model).similarity(x)
        tensor([[1.0000, 0.7071],
                [0.7071, 1.0000]])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        output: OutputFunction | None = None,
        parameters: ParameterChoice = None,
        normalization: Normalization = "whitened",
        metric: Metric | Literal["euclidean"] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        products: torch.dtype | None = None,
        memory_budget: int | None = None,
        batch_size: int | None = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        rank_tolerance: float | None = None,
    ):
        one_of("normalization", normalization, ("whitened", "trace", None))
        _refuse_unfit_output(output)
        if probed(output) and normalization == "whitened":
            raise ArgumentError(
                "random probes estimate Tr K only, and whitening needs every output of a sample; "
                "use normalization='trace' or None with ks.outputs.Probes"
            )
        one_of("products", products, (None, torch.bfloat16))
        if rank_tolerance is not None and not 0 <= rank_tolerance < 1:
            raise ArgumentError(f"rank_tolerance: expected 0 ≤ t < 1, got {rank_tolerance!r}")
        if batch_size is not None:
            batch_size = positive("batch_size", batch_size)
        self.function = NetworkFunction(model, output, parameters, dtype, device, forward)
        self.normalization: Normalization = normalization
        self.metric = _metric(metric, self.function)
        self.memory_budget = budget_for(memory_budget, self.function.device)
        self.engine = Engine(
            self.function, self.memory_budget, batch_size, rank_tolerance, self.metric, products
        )

    def inner(self, x: Any, y: Any = None) -> Tensor:
        """Tr K(x, y): (N, M), the inner product of the gradients, summed over outputs.

        Cost: one sweep (a forward pass, D backward passes without weight gradients) over x and
        y, and at most 2·P·D operations a pair.
        """
        return self._pairs(x, y, None, combine.inner)

    def similarity(self, x: Any, y: Any = None) -> Tensor:
        """k_C(x, y), or k_F with ``normalization="trace"``: (N, M) in [−1, 1].

        1: the network cannot change its answer to one without the other. 0: independent.
        A sample has similarity 1 with itself, 0 if its gradient vanishes; NaN if not finite.
        With ``normalization=None`` the same as :meth:`inner`. Cost: as :meth:`inner`.
        """
        if self.normalization is None:
            return self.inner(x, y)
        return self._pairs(x, y, self.normalization, combine.similarity)

    def rotation_similarity(self, x: Any, y: Any = None) -> Tensor:
        """max over rotations R of Tr(K_C(x, y) R) / √(r r'): (N, M), for vectors such as shifts.

        The same however the outputs of x and of y are rotated, each by its own; in [0, 1] for
        D ≥ 2, at least :meth:`similarity`, which it is for D = 1. Of K / √(Tr K(x,x) Tr K(y,y))
        with ``normalization="trace"``, of K with ``None``. No sum of it has a short way:
        ``ks.baselines.SimilaritySource(kernel.rotation_similarity(data))`` for analyses.

        Cost: as :meth:`matrix`, and O(D³) a pair. Source: Kabsch (1976).
        """
        plain = self.normalization is None
        combination = combine.rotation if plain else combine.rotation_similarity
        return self._pairs(x, y, self.normalization, combination)

    def matrix(self, x: Any, y: Any = None, normalized: bool = True) -> Tensor:
        """K_C(x, y) = K(x,x)^{-1/2} K(x,y) K(y,y)^{-1/2}, or K(x, y): (N, M, D, D).

        Normalised: singular values and entries in [−1, 1], the projector of rank r for x = y.
        Always whitened, whatever ``normalization`` says of the scalar form.

        Cost: as :meth:`inner`, times D for the products.

        Raises:
            OutputSizeError: the result does not fit the memory budget.
        """
        if not normalized:
            return self._pairs(x, y, None, combine.matrix, matrix=True)
        return self._pairs(x, y, "whitened", combine.matrix, matrix=True, unit_rank=False)

    def influence(self, x: Any, y: Any = None) -> Tensor:
        """K(y,x) K(x,x)⁺: (N, M, D, D).

        The smallest parameter step that moves f(x_n) by v moves f(y_m) by ``result[n, m] @ v``.
        For D = 1 it is k_N = g·g'/‖g‖². Not symmetric. Cost: as :meth:`matrix`.
        """
        return self._pairs(x, y, None, combine.influence, matrix=True, symmetric=False)

    def density(self, x: Any, reference: Any = None) -> Tensor:
        """Soft count of neighbours N(x) = Σ_j k(x, r_j): (N,), in samples.

        From −M to M for M reference samples; ``reference=None`` counts x among itself, each
        sample included (k = 1). Exact, without per-sample gradients and without pairs.

        Cost: two sweeps, each about a training pass; memory O(D·P), whatever N and M.
        """
        notes = Notes()
        data = self.engine.read(x)
        other = None if reference is None else self.engine.read(reference)
        self.engine.check_cancellation(data, notes)
        result = soft_density(self.engine, data, other, self.normalization, notes)
        self.engine.tell(notes, self.normalization == "whitened")
        return result.cpu()

    def nearest(self, queries: Any, data: Any, k: int) -> Neighbours:
        """The k samples of ``data`` most similar to each query, exact: values, indices (Q, k).

        An input is not its own neighbour: a query that is the same object as, a view into, a
        ``Subset`` of or a DataLoader over ``data`` is left out; an equal separate copy is not.

        Cost: Q·M products; ``data`` is swept once for every half memory budget of queries.
        """
        source = self.on(data)
        return source.nearest(None if queries is data else queries, k)

    def explain(self, x: Any, y: Any, *, pairs: str | None = None) -> Explanation:
        """Why x and y are alike: exact shares of the similarity by layer and by position.

        Args:
            x, y: one sample each, as batches of one (``data[i:i+1]``); sizes may differ.
            pairs: a parameter for which the shares of all pairs of positions (T, S) are kept.

        Returns:
            An :class:`~kinsight.Explanation`; of the shares of :meth:`inner` with
            ``normalization=None``. Whitening mixes outputs, never positions.

        Cost: D backward passes for each input and 2·D·P operations a position; memory for both
        gradients of one parameter at a time, 2·D·P numbers of the largest, and T·S for ``pairs``.

        Raises:
            ArgumentError: several samples, a gradient that is not finite, an unknown parameter,
                or one without positions for ``pairs``.
            OutputSizeError: the pairs of positions do not fit the memory budget.
        """
        return explain(self.engine, x, y, self.normalization, pairs)

    def on(self, data: Any) -> ExactSource:
        """The data as this kernel sees it: the source that analyses work on."""
        return ExactSource(self.engine, data, self.normalization)

    def coverage(self, x: Any = None) -> Coverage:
        """Every parameter: its operators, by rule or by fallback, memory per sample.

        Args:
            x: some data to trace; may be left out once the kernel has seen any.
        """
        if x is not None:
            self.engine.read(x)
        elif not self.engine.outputs:
            raise ArgumentError(
                "coverage needs to see the network at work: pass some data, coverage(x)"
            )
        return self.engine.coverage()

    def _pairs(
        self,
        x: Any,
        y: Any,
        normalization: Normalization,
        combination: Combine,
        matrix: bool = False,
        symmetric: bool = True,
        unit_rank: bool = True,
    ) -> Tensor:
        engine, notes = self.engine, Notes()
        ours = engine.read(x)
        theirs = ours if y is None or y is x else engine.read(y)
        engine.check_cancellation(ours, notes)
        d = engine.outputs
        sizes = (len(ours), len(theirs), d, d) if matrix else (len(ours), len(theirs))
        itemsize = torch.finfo(self.function.dtype).bits // 8
        refuse_oversize("the result", sizes, itemsize, engine.budget)

        def sweep(data):
            return lambda a, b: engine.ready(data, notes, normalization, a, b, unit_rank)

        other = None if theirs is ours and symmetric else sweep(theirs)
        result: Tensor | None = None
        for block in all_pairs(sweep(ours), other, combination, engine.budget, len(ours)):
            if result is None:
                result = torch.empty(sizes, dtype=block.values.dtype)
            result[block.rows, block.columns] = block.values.cpu()
        engine.tell(notes, normalization == "whitened" or combination is combine.influence)
        return torch.empty(sizes) if result is None else result


def _metric(metric: Any, function: NetworkFunction) -> Metric:
    if metric is None or metric == "euclidean":
        return Euclidean()
    if not isinstance(metric, Metric):
        raise ArgumentError(
            "metric: expected None or a metric that was fitted, such as "
            f"ks.metrics.diagonal_fisher(model, data), got {metric!r}"
        )
    metric.check(function.selection.sizes)
    return metric


def _refuse_unfit_output(output: Any) -> None:
    if isinstance(output, type):
        raise ArgumentError(
            f"output: expected an output function, got the class {output.__name__}; "
            f"make one of it, {output.__name__}()"
        )
    if output is not None and not callable(output):
        raise ArgumentError(
            f"output: expected None or a callable (outputs, batch) -> (N, D), got {output!r}"
        )
