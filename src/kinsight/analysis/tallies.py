"""Tallies of similarities: nearest samples, soft and hard counts, powers, the centred count.

Self-similarity, one rule everywhere: a sample is counted wherever samples are counted, and never
votes on its own label nor stands among its own neighbours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kinsight.analysis.walk import Page, Tally
from kinsight.errors import ArgumentError
from kinsight.kernel.neighbours import TopK
from kinsight.kernel.stream import Block

THRESHOLDS = (0.5, 0.7, 0.9)


def positive_power(values: Tensor, power: float) -> Tensor:
    """max(k, 0)^α, 0 for NaN; powers of two by squaring, which is many times faster."""
    result = values.clamp_min(0).nan_to_num_()
    while power > 1 and power % 2 == 0:
        result, power = result.square_(), power / 2
    return result if power == 1 else result.pow_(power)


class Nearest(Tally):
    """``similarity`` and ``neighbours``, (B, K): most similar first, −1 where there are fewer."""

    def __init__(self, k: int):
        self.k = k

    @property
    def widths(self) -> dict[str, int]:
        """K neighbours each."""
        return {"similarity": self.k, "neighbours": self.k}

    def open(self, block: Block) -> Page:
        """An empty list for every row."""
        return _NearestPage(block, self.k)


class _NearestPage(Page):
    def __init__(self, block: Block, k: int):
        self._own = torch.arange(block.rows.start, block.rows.stop)
        self._best = TopK(len(block.values), k, block.values)

    def add(self, block: Block) -> None:
        self._best.add(block.values, block.columns.start, self._own)

    def columns(self) -> dict[str, Tensor]:
        found = self._best
        values = found.values.masked_fill(found.indices < 0, torch.nan)
        return {"similarity": values, "neighbours": found.indices}


class Counts(Tally):
    """Sums over all samples, itself included, of functions of the similarity.

    Args:
        soft: ``density`` = Σ k, (B,).
        thresholds: ``counts`` = #{j : k_j ≥ τ}, (B, T).
        powers: ``powers`` = Σ max(k, 0)^α, (B, A).
        squares: ``squares`` = Σ k², (B,).
    """

    def __init__(
        self,
        soft: bool = False,
        thresholds: Sequence[float] = (),
        powers: Sequence[float] = (),
        squares: bool = False,
    ):
        outside = [t for t in thresholds if not -1 <= t <= 1]
        if outside:
            raise ArgumentError(f"thresholds: expected values from −1 to 1, got {outside[0]!r}")
        negative = [a for a in powers if not a > 0]
        if negative:
            raise ArgumentError(f"powers: expected exponents above 0, got {negative[0]!r}")
        self.soft, self.squares = soft, squares
        self.thresholds, self.powers = tuple(thresholds), tuple(powers)

    @property
    def widths(self) -> dict[str, int]:
        """What was asked for."""
        several = {"counts": len(self.thresholds), "powers": len(self.powers)}
        single = {"density": self.soft, "squares": self.squares}
        asked = {name: 0 for name, wanted in single.items() if wanted}
        return asked | {name: width for name, width in several.items() if width}

    def open(self, block: Block) -> Page:
        """All counts at zero."""
        return _CountsPage(block, self)


class _CountsPage(Page):
    def __init__(self, block: Block, asked: Counts):
        count = len(block.values)
        self._asked = asked
        self._levels = torch.tensor(asked.thresholds, dtype=block.values.dtype)
        self._soft = torch.zeros(count, dtype=torch.float64)
        self._counts = torch.zeros(count, len(asked.thresholds), dtype=torch.long)
        self._powers = torch.zeros(count, len(asked.powers), dtype=torch.float64)
        self._squares = torch.zeros(count, dtype=torch.float64)
        self._apart = torch.ones(count, dtype=torch.bool)

    def add(self, block: Block) -> None:
        values = block.values
        self._apart &= values.isnan().all(1)
        if self._asked.soft:
            self._soft += values.double().nansum(1)
        for t, level in enumerate(self._levels):
            self._counts[:, t] += (values >= level).sum(1)
        for a, power in enumerate(self._asked.powers):
            self._powers[:, a] += positive_power(values, power).sum(1, dtype=torch.float64)
        if self._asked.squares:
            self._squares += values.square().nansum(1, dtype=torch.float64)

    def columns(self) -> dict[str, Tensor]:
        apart, asked = self._apart, self._asked
        found: dict[str, Tensor] = {}
        if asked.soft:
            found["density"] = self._soft.masked_fill(apart, torch.nan)
        if asked.thresholds:
            found["counts"] = self._counts
        if asked.powers:
            found["powers"] = self._powers.masked_fill(apart[:, None], torch.nan)
        if asked.squares:
            found["squares"] = self._squares.masked_fill(apart, torch.nan)
        return found


class Centred(Tally):
    """``centred`` = Σ max(k̃, 0), k̃ the cosine of features from which their mean was taken.

    k̃_ij = (k_ij − m_i − m_j + m̄) / √(d_i d_j) with m_i = N_S(x_i)/N, d_i = 1 − 2 m_i + m̄.

    Args:
        density: N_S of all samples, (N,), NaN for those set apart.
        kept: (N,) bool, samples with a gradient (d counts 1 for them, 0 for others).
    """

    def __init__(self, density: Tensor, kept: Tensor):
        fit = density.isfinite()
        self._mean = torch.where(fit, density, 0.0) / max(int(fit.sum()), 1)
        self._grand = float(self._mean.sum() / max(int(fit.sum()), 1))
        own = kept.double() - 2 * self._mean + self._grand
        self._length = own.clamp_min(1e-12).sqrt()

    @property
    def widths(self) -> dict[str, int]:
        """One number."""
        return {"centred": 0}

    def open(self, block: Block) -> Page:
        """The sum at zero."""
        return _CentredPage(block, self)

    def centred(self, block: Block) -> Tensor:
        """k̃ of a block, itself exactly 1: (B, C)."""
        rows, columns = block.rows, block.columns
        values = block.values.double() - self._mean[rows, None] - self._mean[columns] + self._grand
        return (values / (self._length[rows, None] * self._length[columns])).clamp(-1, 1)


class _CentredPage(Page):
    def __init__(self, block: Block, asked: Centred):
        self._asked = asked
        self._total = torch.zeros(len(block.values), dtype=torch.float64)
        self._apart = torch.ones(len(block.values), dtype=torch.bool)

    def add(self, block: Block) -> None:
        values = self._asked.centred(block)
        self._apart &= values.isnan().all(1)
        self._total += values.clamp_min(0).nansum(1)

    def columns(self) -> dict[str, Tensor]:
        return {"centred": self._total.masked_fill(self._apart, torch.nan)}


class Influence(Tally):
    """``influence`` = Σ_j |k_ij| ‖g_j‖ / ‖g_i‖ = Σ_j |k_N(x_i, x_j)|, itself included: (B,).

    For several outputs compared by traces: Σ_j |Tr K(x_i, x_j)| / Tr K(x_i, x_i).

    Args:
        norms: (N,) ‖g‖ of all samples.
    """

    def __init__(self, norms: Tensor):
        self._norms = norms.double()

    @property
    def widths(self) -> dict[str, int]:
        """One number."""
        return {"influence": 0}

    def open(self, block: Block) -> Page:
        """The sum at zero."""
        return _InfluencePage(block, self._norms)


class _InfluencePage(Page):
    def __init__(self, block: Block, norms: Tensor):
        self._norms, self._own = norms.nan_to_num(), norms[block.rows]
        self._total = torch.zeros(len(block.values), dtype=torch.float64)

    def add(self, block: Block) -> None:
        self._total += block.values.double().abs().nan_to_num() @ self._norms[block.columns]

    def columns(self) -> dict[str, Tensor]:
        own = self._own
        return {"influence": torch.where(own == 0, 0.0, self._total / own)}


class Whole(Tally):
    """``row``, all similarities of a sample, (B, N): the Gram matrix, for few samples."""

    def __init__(self, count: int):
        self.count = count

    @property
    def widths(self) -> dict[str, int]:
        """N numbers."""
        return {"row": self.count}

    def open(self, block: Block) -> Page:
        """Empty rows."""
        return _WholePage(block, self.count)


class _WholePage(Page):
    def __init__(self, block: Block, count: int):
        self._rows = block.values.new_empty(len(block.values), count)

    def add(self, block: Block) -> None:
        self._rows[:, block.columns] = block.values

    def columns(self) -> dict[str, Tensor]:
        return {"row": self._rows}
