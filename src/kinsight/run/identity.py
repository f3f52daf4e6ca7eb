"""What the numbers of a run depend on: may a run be gone on with, a finished one be kept?"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kinsight.analysis.tallies import THRESHOLDS
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.provenance.digest import Digest, described, model_digest
from kinsight.subject.labels import Labels
from kinsight.subject.subject import Subject

_PROJECTIONS = 16
_LARGEST = 1e100  # of f(x): squares must stay finite
# Relative to |f|: what another batch size or number of threads may change.
_SAME = {"float64": 1e-9, "float32": 1e-4}
_SAME_HALF = 5e-2


class Answers:
    """f(x) of all samples as a few numbers, so that a change of the network's code is noticed.

    |f| and projections of f on fixed waves over samples and outputs. They are compared with a
    tolerance: no rounded digest would survive the last bits that batch size and threads change.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        # Frequencies of the waves, along samples and along outputs.
        self._waves = torch.rand(2, _PROJECTIONS, generator=generator, dtype=torch.float64) * 3
        self._sums = torch.zeros(_PROJECTIONS, dtype=torch.float64)
        self._square = 0.0

    def add(self, start: int, rows: Tensor) -> None:
        """Take in f(x) of the samples from ``start`` on: (B, D)."""
        values = rows.detach().cpu().double().nan_to_num(0, 0, 0).clamp(-_LARGEST, _LARGEST)
        samples = torch.arange(start + 1, start + 1 + len(values), dtype=torch.float64)
        outputs = torch.arange(1, values.shape[1] + 1, dtype=torch.float64)
        along = values @ (outputs[:, None] * self._waves[1]).cos()  # (B, projections)
        self._sums += (along * (samples[:, None] * self._waves[0]).cos()).sum(0)
        self._square += float(values.square().sum())

    def numbers(self) -> list[float]:
        """|f|, then the projections."""
        return [self._square**0.5, *self._sums.tolist()]


def identity_of(
    subject: Subject,
    kernel: TangentKernel,
    data: str,
    answers: list[float],
    labels: Labels | None,
    neighbours: int,
) -> dict[str, Any]:
    """All that the numbers depend on; two runs with the same identity give the same."""
    given = None if labels is None else (labels.index, labels.names, labels.real, labels.numbered)
    return {
        "model": model_digest(kernel.function.model),
        "data": data,
        "answers": answers,
        "labels": Digest(given).hex(),
        "output": described(subject.output),
        "forward": described(subject.forward) if subject.forward else "the usual one",
        "parameters": list(kernel.function.selection.chosen),
        "normalization": subject.normalization,
        "metric": kernel.metric.identity,
        "dtype": str(kernel.function.dtype).removeprefix("torch."),
        "neighbours": neighbours,
        "thresholds": list(THRESHOLDS),
    }


def differing(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names under which two identities differ."""
    return [name for name in now if not _same(name, known.get(name), now[name], now["dtype"])]


def _same(name: str, known: Any, now: Any, dtype: str) -> bool:
    if name != "answers":
        return known == now
    try:
        before = torch.tensor(known, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return False
    after = torch.tensor(now, dtype=torch.float64)
    if before.shape != after.shape:
        return False
    return bool(((before - after).abs() <= _SAME.get(dtype, _SAME_HALF) * after[0]).all())
