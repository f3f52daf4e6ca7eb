"""Over- and under-fitted samples: how many neighbours each has, and how far they agree.

With w_j = max(k(x, x_j), 0)^α over the other labelled samples:

    count = Σ w_j        spread = Σ w_j ‖y_j − E y‖² / Σ w_j / Var(all labels)

===============  ==================  ==================
                 spread ≤ mixed      spread > mixed
===============  ==================  ==================
count ≥ few      well supported      under-fitted: only a common answer can be given
count < few      over-fitted: the    ambiguous: few neighbours, and they disagree
                 label can be
                 learnt by heart
===============  ==================  ==================
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kinsight.analysis.result import Result
from kinsight.analysis.tallies import positive_power
from kinsight.analysis.targets import Targets, read_targets
from kinsight.analysis.walk import Page, Tally, answers
from kinsight.checks import above_zero
from kinsight.drawing.marks import fit_map
from kinsight.drawing.style import new_figure
from kinsight.kernel.source import Source
from kinsight.kernel.stream import Block

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REGIMES = ("well supported", "over-fitted", "under-fitted", "ambiguous")
POWER, FEW, MIXED = 8.0, 3.0, 0.5


@dataclass(frozen=True)
class Fit(Result):
    """One entry a sample. D columns of labels, or C classes."""

    count: Tensor  # (N,) Σ_{j≠i} max(k, 0)^α over labelled samples, in samples
    spread: Tensor  # (N,) label variance in the neighbourhood over that of all labels, from 0
    expected: Tensor  # (N, D) mean label of the neighbourhood, the sample itself left out
    regime: Tensor  # (N,) index into REGIMES; −1 where nothing can be said
    few: float
    mixed: float

    def named(self) -> list[str | None]:
        """The regime of each sample as a word."""
        return [REGIMES[i] if i >= 0 else None for i in self.regime.tolist()]

    def figure(self) -> "Figure":
        """The map: neighbours against disagreement, the borders of the regimes drawn in."""
        figure, (axes,) = new_figure(width=8)
        count, spread = self.count.numpy(), self.spread.numpy()
        fit_map(axes, count, spread, self.regime.numpy(), self.few, self.mixed, REGIMES)
        return figure


def fit(
    source: Source,
    labels: Sequence[Any] | Tensor,
    *,
    power: float = POWER,
    few: float = FEW,
    mixed: float = MIXED,
) -> Fit:
    """Neighbour count together with label spread, per sample.

    Args:
        labels: whole numbers are classes (variance of one-hot labels), real numbers values;
            −1 and NaN are missing: they do not vote, and are judged by the others.
        power: α. Trained networks give most pairs a similarity well above 0; a power keeps the
            neighbourhood local.
        few, mixed: the borders.

    Cost: all pairs.

    Raises:
        ArgumentError: labels of another length or type, or all the same.

    Source: Charpiat et al., NeurIPS 2019, section 4.

    Example:
        >>> import torch, kinsight as ks
        >>> kernel = ks.TangentKernel(torch.nn.Linear(2, 1, bias=False))
        >>> data = torch.tensor([[1.0, 0.0]] * 5 + [[0.0, 1.0]])
        >>> ks.fit(kernel.on(data), [0, 0, 0, 0, 0, 1]).named()[::5]
        ['well supported', None]
    """
    targets = read_targets(labels, len(source))
    found = answers(source, Spread(targets, power))
    return judge(found["support"], found["expected"], found["spread"], targets, few, mixed)


def judge(
    count: Tensor, expected: Tensor, spread: Tensor, targets: Targets, few: float, mixed: float
) -> Fit:
    """The regimes of what a :class:`Spread` tallied."""
    above_zero("few", few)
    above_zero("mixed", mixed)
    share = spread / targets.spread
    regime = (share > mixed).long() * 2 + (count < few).long()
    said = share.isfinite() & (count > 0)
    return Fit(count, share, expected, torch.where(said, regime, -1), few, mixed)


class Spread(Tally):
    """``support`` Σ w (B,), ``expected`` E_w[y] (B, D), ``spread`` E_w‖y − E y‖² (B,).

    w = max(k, 0)^α over labelled samples, the sample itself left out. NaN without support.
    """

    def __init__(self, targets: Targets, power: float):
        self.targets, self.power = targets, above_zero("power", power)

    @property
    def widths(self) -> dict[str, int]:
        """Count, mean label and variance."""
        return {"support": 0, "expected": self.targets.values.shape[1], "spread": 0}

    def open(self, block: Block) -> Page:
        """All sums at zero."""
        return _SpreadPage(block, self)


class _SpreadPage(Page):
    def __init__(self, block: Block, asked: Spread):
        count, width = len(block.values), asked.targets.values.shape[1]
        self._asked, self._rows = asked, block.rows
        given, present = asked.targets.values, asked.targets.present
        self._mean = given[present].mean(0)  # taken out: E y² − (E y)² would cancel
        centred = (given - self._mean) * present[:, None]
        self._values = torch.cat([centred, centred.square().sum(1, keepdim=True)], 1)
        self._sums = torch.zeros(count, width + 1, dtype=torch.float64)
        self._total = torch.zeros(count, dtype=torch.float64)

    def add(self, block: Block) -> None:
        weights = positive_power(block.values, self._asked.power)
        weights *= self._asked.targets.present[block.columns]
        own = torch.arange(self._rows.start, self._rows.stop) - block.columns.start
        inside = (own >= 0) & (own < weights.shape[1])
        weights[inside.nonzero()[:, 0], own[inside]] = 0
        self._sums += (weights @ self._values[block.columns].to(weights)).double()
        self._total += weights.sum(1, dtype=torch.float64)

    def columns(self) -> dict[str, Tensor]:
        mean = self._sums / self._total[:, None]  # NaN without support
        expected = mean[:, :-1]
        spread = (mean[:, -1] - expected.square().sum(1)).clamp_min(0)
        return {"support": self._total, "expected": expected + self._mean, "spread": spread}
