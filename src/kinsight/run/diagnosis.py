"""Will it work, and what will it cost? Looked at on a few samples before hours are spent."""

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch

from kinsight.errors import KinsightWarning
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network import outputs
from kinsight.network.batches import Batches
from kinsight.provenance.digest import described
from kinsight.run.comparison import Comparison, in_batch_and_alone, with_loop
from kinsight.run.job import Settings, kernel_for
from kinsight.run.placed import LANDMARKS
from kinsight.run.survey import Survey, survey
from kinsight.subject.labels import Labels, read_labels
from kinsight.subject.subject import Subject, check_lengths
from kinsight.tangent.coverage import Coverage

_PROBE = 128  # samples whose cost is measured, and twice as many
_LEAST = 8
_SECONDS = 3.0  # that measuring may take, about
_FEW = 4  # samples whose gradients are compared
_LARGEST_LOOP = 64  # outputs up to which autograd's own loop is run beside
_MANY_OUTPUTS = 4  # from here on a one-number output is worth a hint


@dataclass(frozen=True)
class Cost:
    """What ``analyze`` is expected to take on this machine, extrapolated from a few samples."""

    seconds: float
    bytes: int  # features and results held at once; the network's own pass comes on top
    sweeps: int  # times that all samples go through the network


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found."""

    network: str
    samples: int
    output: str
    outputs: int  # D
    normalization: str | None
    labels: str
    batch: Comparison  # K of samples alone with K of them in a batch
    loop: Comparison | None  # K with that of autograd's own gradients; None where D is large
    coverage: Coverage
    cost: Cost
    cheaper: Cost | None  # with one number a sample, own class against the rest
    warnings: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether a run can be relied on."""
        return self.batch.sound and (self.loop is None or self.loop.sound)


def doctor(subject: Subject, settings: Settings | None = None) -> Diagnosis:
    """Look at a subject before its run: every check of the kernel, every parameter, the cost.

    Cost: some passes over at most 256 samples.

    Raises:
        KinsightError: what ``analyze`` would raise.
    """
    settings = settings or Settings()
    count = check_lengths(subject)
    kernel = kernel_for(subject, settings)
    batches = Batches(subject.data)
    few = batches.part(_spread(count, _FEW))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KinsightWarning)
        batch, loop = _compared(subject, settings, few)
        read = survey(kernel.function, batches.part(_spread(count, _PROBE)))
        d = kernel.on(few).dimension
        cost, cheaper = _cost(subject, settings, count), None
        if d >= _MANY_OUTPUTS and read.classes >= _MANY_OUTPUTS:
            one = replace(subject, output=outputs.OwnClass())
            cheaper = _cost(one, settings, count)
    return Diagnosis(
        network=type(kernel.function.model).__qualname__,
        samples=count,
        output=described(subject.output),
        outputs=d,
        normalization=subject.normalization,
        labels=_labels(subject, read),
        batch=batch,
        loop=loop,
        coverage=kernel.coverage(),
        cost=cost,
        cheaper=cheaper,
        warnings=tuple(dict.fromkeys(str(w.message) for w in caught if _ours(w))),
    )


def _ours(warning: warnings.WarningMessage) -> bool:
    return issubclass(warning.category, KinsightWarning)


def _spread(count: int, wanted: int) -> list[int]:
    wanted = min(wanted, count)
    return sorted({i * (count - 1) // max(wanted - 1, 1) for i in range(wanted)})


def _compared(
    subject: Subject, settings: Settings, few: Any
) -> tuple[Comparison, Comparison | None]:
    def kernel_of(dtype: torch.dtype | None, batch_size: int | None) -> TangentKernel:
        changes = {"dtype": dtype} if dtype else {}
        changes |= {"batch_size": batch_size} if batch_size else {}
        return kernel_for(subject, replace(settings, **changes))

    in_batch = in_batch_and_alone(kernel_of, few)
    small = kernel_of(None, None).on(few).dimension <= _LARGEST_LOOP
    return in_batch, with_loop(kernel_of, few) if small else None


def _cost(subject: Subject, settings: Settings, count: int) -> Cost:
    """Seconds = a·samples + b·pairs, from two sizes of a probe of which one is twice the other."""
    kernel = kernel_for(subject, settings)
    size = _probe_size(kernel, subject, count)
    small, batch = _comparing(kernel, subject, size)
    large, _ = _comparing(kernel, subject, min(2 * size, count))
    pairs = (_pairs_done(min(2 * size, count), batch), _pairs_done(size, batch))
    each = max(large - 2 * small, 0.0) / max(pairs[0] - 2 * pairs[1], 1)
    sample = max(small - each * pairs[1], 0.0) / size
    source = kernel.on(subject.data)
    footprint = source.footprint()
    at_once = max(1, kernel.memory_budget // 2 // footprint)
    ranges = -(-count // at_once)
    compared = _pairs_done(count, batch) if ranges == 1 else count**2
    compared += count * min(LANDMARKS, count)
    sweeps = 3 if ranges == 1 else 3 + ranges  # one of them for the map
    return Cost(sweeps * count * sample + compared * each, min(count, at_once) * footprint, sweeps)


def _probe_size(kernel: TangentKernel, subject: Subject, count: int) -> int:
    """As many samples as a few seconds allow, at most ``_PROBE``."""
    least = min(_LEAST, count)
    seconds, _ = _comparing(kernel, subject, least)
    return max(least, min(_PROBE, count, int(_SECONDS * least / max(seconds, 1e-9))))


def _comparing(kernel: TangentKernel, subject: Subject, size: int) -> tuple[float, int]:
    """Least seconds of two comparisons of ``size`` samples, after one that warms up."""
    batches = Batches(subject.data)
    source = kernel.on(batches.part(_spread(len(batches), size)))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for _block in source.blocks():
            pass
        times.append(time.perf_counter() - start)
    return min(times[1:]), source.batch_size


def _pairs_done(samples: int, batch: int) -> int:
    """Pairs computed where each batch meets itself and the ones after it."""
    batches = -(-samples // batch)
    return batches * (batches + 1) // 2 * min(batch, samples) ** 2


def _labels(subject: Subject, read: Survey) -> str:
    labels: Labels | None = None
    origin = "given"
    if subject.labels is not None:
        labels = read_labels(subject.labels, subject.classes)
    elif read.labels is not None:
        labels, origin = read_labels(read.labels, subject.classes), "in the data’s batches"
    if labels is None:
        return "none: suspects cannot be sought"
    missing = f", {labels.missing:,} missing" if labels.missing else ""
    if labels.real is not None:
        return f"real numbers, {origin}{missing}"
    seen = "" if subject.labels is not None else " among the samples looked at"
    return f"{labels.present} classes{seen}, {origin}{missing}"
