"""Data in, ready features out: checks per data set, batches sized by the budget, warnings."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import (
    CancellationWarning,
    FallbackWarning,
    NonFiniteGradientWarning,
    SingularOutputWarning,
)
from kinsight.kernel.budget import batch_size_for, refuse_oversize
from kinsight.kernel.metric import Euclidean, Metric
from kinsight.kernel.stream import Held
from kinsight.kernel.whitening import Normalization, Own, examine, settled
from kinsight.network.batches import Batch, Batches, Piece, batch_length
from kinsight.network.function import NetworkFunction
from kinsight.network.guards import cancels, check_cancellation, check_mode, check_samples
from kinsight.network.outputs import Loss
from kinsight.tangent.blocks import Block, Dense, Taps
from kinsight.tangent.capture import Capture
from kinsight.tangent.coverage import Coverage, CoverageRow
from kinsight.tangent.features import Features
from kinsight.tangent.forecast import NOTHING, Way, forecast
from kinsight.tangent.independence import check_gradients
from kinsight.tangent.precision import full_float32
from kinsight.tangent.rates import rates_of

_FEW = 8  # samples among which two with a finite output are sought
_PAIRS = 256  # inner products a sample takes part in, for choosing a block's form


@dataclass
class Notes:
    """What happened to single samples of one data set: told once, kept for the report."""

    non_finite: list[int] = field(default_factory=list)
    singular: int = 0
    smallest_rank: int = 0
    zero: list[int] = field(default_factory=list)
    cancelled: int = 0


class Engine:
    """Walks data sets and hands out features; everything public of the kernel goes through it."""

    def __init__(
        self,
        function: NetworkFunction,
        budget: int,
        batch_size: int | None,
        tolerance: float | None,
        metric: Metric | None = None,
        products: torch.dtype | None = None,
    ):
        self.products = products
        self.function = function
        self.capture = Capture(function)
        self.metric = metric or Euclidean()
        self._half = self.metric.to(self.accumulation, function.device)
        self.budget = budget
        self.tolerance = tolerance
        self._asked = batch_size
        self._size: int | None = batch_size
        self._bytes: dict[str, int] = {}
        self._ways: dict[str, Way] = {}
        self._outputs: int | None = None
        self._told_fallback = False
        self._checked = False

    def read(self, data: Any) -> Batches:
        """The data as batches, after the network was checked on some of it."""
        batches = Batches(data)
        check_mode(self.function.model)
        with full_float32(self.function.device):
            check_samples(self.function, batches)
            if not self._checked:
                check_gradients(self.function, batches)
                self._checked = True
            self._measure(batches)
        return batches

    @property
    def outputs(self) -> int:
        """D, known once data was seen."""
        return self._outputs or 0

    @property
    def batch_size(self) -> int:
        """Samples that go through the network at once, known once data was seen."""
        return self._size or 1

    @property
    def accumulation(self) -> torch.dtype:
        """The precision of sums: at least float32."""
        return torch.promote_types(self.function.dtype, torch.float32)

    def features(self, batch: Batch) -> Features:
        """J M^-½ of a batch that is already in place; J where the metric is Euclidean."""
        return self._half.half(self.capture(batch))

    def _measure(self, batches: Batches) -> None:
        """Size of f and of a sample's features, from one small batch of fit samples."""
        for few in (2, _FEW):  # most often two are enough
            with torch.no_grad():
                rows = self.function(self.function.place(batches.take(range(len(batches))[:few])))
            fit = rows.isfinite().all(1).nonzero()[:, 0].tolist()
            if len(fit) >= min(2, len(batches)):
                break
        self._outputs = rows.shape[1]
        batch = self.function.place(batches.take(fit[:2] or [0]))
        itemsize = torch.finfo(self.function.dtype).bits // 8
        d = self._outputs
        refuse_oversize("K(x,x) and the factors of one sample", (4, d, d), 8, self.budget)
        refuse_oversize("the weights' directions", (d, _widest(self)), itemsize, self.budget)
        features = self.features(batch)
        self._bytes = {n: b.bytes // batch_length(batch) for n, b in features.blocks.items()}
        self._ways = {name: forecast(b, _PAIRS) for name, b in features.blocks.items()}
        if self._asked is None:
            largest = max(features.bytes, settled(features, _PAIRS).bytes)
            per_sample = largest // batch_length(batch)
            function = self.function
            self._size = batch_size_for(per_sample, self.budget, function.dtype, function.device)
        self._tell_fallback()

    def raw(
        self, batches: Batches, notes: Notes, form: Callable[[Block], Block] | None = None
    ) -> Iterator[tuple[int, int, Features, Own]]:
        """Features as captured, with K(x,x): (start, stop, features, own) batch by batch.

        ``form``: what each block is made into before K(x,x) is taken.
        """
        for piece in batches.pieces(self.batch_size):
            yield piece.start, piece.stop, *self.examined(piece, notes, form)

    def examined(
        self, piece: Piece, notes: Notes, form: Callable[[Block], Block] | None = None
    ) -> tuple[Features, Own]:
        """Features of one batch with K(x,x); what is unfit is noted and zero."""
        features = self.features(self.function.place(piece.batch))
        if form is not None:
            features = features.mapped(form)
        features, own = examine(features, self.tolerance)
        self._note(notes, piece.start, features, own)
        return features, own

    def ready(
        self,
        batches: Batches,
        notes: Notes,
        normalization: Normalization,
        start: int = 0,
        stop: int | None = None,
        unit_rank: bool = True,
    ) -> Iterator[Held]:
        """Features mixed to unit norm (or as they are), settled for many inner products.

        ``unit_rank`` divides whitened features by √r, so that they have norm 1 and not √r.
        """
        for piece in batches.pieces(self.batch_size, start, stop):
            features = self.features(self.function.place(piece.batch))
            features = settled(features, _PAIRS)
            features, own = examine(features, self.tolerance)
            self._note(notes, piece.start, features, own)
            if normalization is not None or bool((own.scale != 1).any()):
                weights = own.weights(normalization) if unit_rank else own.root()
                features = features.mapped(lambda block, w=weights: block.mix(w))
            if (precision := self.products) is not None:
                features = features.mapped(lambda block, p=precision: block.rounded(p))
            inverse = own.root(-1.0) * own.scale.square()[:, None, None]
            yield Held(piece.start, piece.stop, features, inverse)

    def _note(self, notes: Notes, start: int, features: Features, own: Own) -> None:
        bad = own.bad
        notes.non_finite += [start + int(i) for i in bad.nonzero()[:, 0]]
        zero = (own.rank == 0) & ~bad
        notes.zero += [start + int(i) for i in zero.nonzero()[:, 0]]
        singular = (own.rank < own.gram.shape[1]) & ~bad & ~zero
        if bool(singular.any()):
            smallest = int(own.rank[singular].min())
            notes.smallest_rank = min(notes.smallest_rank or smallest, smallest)
            notes.singular += int(singular.sum())

    def check_cancellation(self, batches: Batches, notes: Notes) -> None:
        """Look at the output function's own gradient on up to 64 samples spread over the data."""
        if not cancels(self.function):
            return
        count = min(64, len(batches))
        spread = sorted({i * (len(batches) - 1) // max(count - 1, 1) for i in range(count)})
        batch = self.function.place(batches.take(spread))
        with torch.no_grad():
            outputs = self.function.outputs(batch)
        if not isinstance(outputs, Tensor) and getattr(outputs, "logits", None) is None:
            return  # an output of the user's own kind, which only their function can read
        found = check_cancellation(self.function, outputs, batch)
        notes.cancelled = found.affected if found else 0
        if notes.cancelled:
            warnings.warn(
                f"the output function's gradient has fewer than three correct digits in "
                f"{self.function.dtype} for {notes.cancelled} of {len(spread)} samples looked "
                f"at: {_remedy(self.function)}",
                CancellationWarning,
                stacklevel=4,
            )

    def tell(self, notes: Notes, inverted: bool = True) -> None:
        """Warn of what was set apart, naming the samples; of ranks if K(x,x) was inverted."""
        if notes.non_finite:
            named = ", ".join(map(str, notes.non_finite[:10]))
            more = " …" if len(notes.non_finite) > 10 else ""
            warnings.warn(
                f"{_counted(len(notes.non_finite))} a NaN or infinite gradient, set apart "
                f"(values are NaN and enter no sum): {named}{more}. Check these inputs for NaN, "
                "or the output function for 0/0 and log 0",
                NonFiniteGradientWarning,
                stacklevel=4,
            )
        if notes.zero or (notes.singular and inverted):
            zero = f"{_counted(len(notes.zero))} no gradient at all. " if notes.zero else ""
            rank = (
                f"{_counted(notes.singular)} K(x,x) of rank {notes.smallest_rank} or more "
                f"instead of {self.outputs}; the pseudo-inverse is used. "
                if notes.singular and inverted
                else ""
            )
            warnings.warn(
                f"{zero}{rank}This is a fact about the network, not an error: log-probabilities "
                "have rank C − 1; an output that is constant near x has rank 0",
                SingularOutputWarning,
                stacklevel=4,
            )

    def _tell_fallback(self) -> None:
        slow = [n for n, t in self.capture.treatment.items() if not all(t.operators.values())]
        if slow and not self._told_fallback:
            self._told_fallback = True
            named = ", ".join(slow[:4]) + (" …" if len(slow) > 4 else "")
            warnings.warn(
                f"{len(slow)} parameters enter operators without a rule and are handled one "
                f"sample at a time, exact but slower: {named}; see kernel.coverage()",
                FallbackWarning,
                stacklevel=5,
            )

    def coverage(self) -> Coverage:
        """What the last capture did to every parameter."""
        selection, rates = self.function.selection, rates_of(self.function.device)
        rows = []
        for name, parameter in selection.chosen.items():
            treatment = self.capture.treatment.get(name)
            operators = treatment.operators if treatment else {}
            slow = [operator for operator, by_rule in operators.items() if not by_rule]
            way = self._ways.get(name, NOTHING)
            rows.append(
                CoverageRow(
                    name=name,
                    shape=tuple(parameter.shape),
                    numel=parameter.numel(),
                    operators=tuple(operators),
                    how="unused" if not operators else "fallback" if slow else "rule",
                    reason=f"no rule for {', '.join(slow)} in this form" if slow else "",
                    bytes=self._bytes.get(name, 0),
                    metric=self.metric.treatment(name),
                    way=way.name,
                    operations=way.operations,
                    seconds=rates.seconds(way.operations, way.moved),
                )
            )
        return Coverage(tuple(rows), selection.frozen, selection.excluded, self.metric.nbytes)


def _remedy(function: NetworkFunction) -> str:
    if isinstance(function.output, Loss):
        return "it vanishes where the network is sure. Use dtype=torch.float64"
    return (
        "it cancels where the network is sure. Use ks.outputs.Loss() or ks.outputs.OwnClass(), "
        "which do not cancel, or dtype=torch.float64"
    )


def _counted(samples: int) -> str:
    return f"{samples:,} sample has" if samples == 1 else f"{samples:,} samples have"


def dense_if_cheaper(block: Block) -> Block:
    """The gradient written out where K(x,x) needs it so, for one more use of it."""
    form = block.settled(1)
    return form if isinstance(form, Dense | Taps) else block


def _widest(engine: Engine) -> int:
    return max(p.numel() for p in engine.function.selection.chosen.values())
