"""How much time looks may take: their share of the training time, and what they used of it."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from kinsight.errors import ArgumentError


class Clock:
    """Training time and time in looks, in seconds; both go on from an earlier run.

    A further look is allowed while spent + expected ≤ share · training, where a look is expected
    to take as long as the last one did. Everything between looks counts as training.

    Args:
        share: of the training time, in (0, 1]; None for no limit.
        training, spent, last: of the runs before: training time, looks in all, the last look.
        now: the clock that is read.

    Raises:
        ArgumentError: a share outside (0, 1].
    """

    def __init__(
        self,
        share: float | None,
        training: float = 0.0,
        spent: float = 0.0,
        last: float = 0.0,
        now: Callable[[], float] = perf_counter,
    ):
        self.share = _checked(share)
        self.spent, self.last = spent, last
        self._training, self._now = training, now
        self._since: float | None = now()  # None while looking
        self._began = 0.0  # of the look under way

    @property
    def training(self) -> float:
        """Seconds of training so far, looks left out."""
        return self._training + (0.0 if self._since is None else self._now() - self._since)

    @property
    def under_way(self) -> float:
        """Seconds that the look under way has taken so far; 0 between looks."""
        return self._now() - self._began if self._since is None else 0.0

    def said(self) -> dict[str, float | None]:
        """All of it by column, the look under way included; no share before any training."""
        training, under_way = self.training, self.under_way
        spent = self.spent + under_way
        return {
            "seconds": training,
            "look_seconds": under_way,
            "spent_seconds": spent,
            "share_used": spent / training if training > 0 else None,
            "share_allowed": self.share,
        }

    def allows(self) -> bool:
        """Whether one more look stays within the share."""
        return self.share is None or self.spent + self.last <= self.share * self.training

    @contextmanager
    def looking(self) -> Iterator[None]:
        """The body is a look: its time is no training time."""
        self._training, self._since, self._began = self.training, None, self._now()
        try:
            yield
        finally:
            self.last = self.under_way
            self.spent += self.last
            self._since = self._now()


def _checked(share: float | None) -> float | None:
    if share is None:
        return None
    number = isinstance(share, int | float) and not isinstance(share, bool)
    if not number or not 0 < share <= 1 or math.isnan(share):
        raise ArgumentError(
            "share: expected a part of the training time, above 0 and at most 1, or None for no "
            f"limit, got {share!r}"
        )
    return float(share)
