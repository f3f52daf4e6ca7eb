"""How long a network was trained by gradient descent: all that the training filter needs."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Union

from kinsight.checks import above_zero
from kinsight.errors import ArgumentError

Training = Union["Descent", Literal["residual"], None]

_RATES = ("lr", "learning_rate", "rate")


@dataclass(frozen=True)
class Descent:
    """(Stochastic) gradient descent on the mean over samples of ½‖ŷ − y‖².

    ``time`` is the sum of the step sizes, η T at a constant rate, divided by 1 − μ with momentum
    μ. A loss with another factor scales it: torch's MSELoss of one output is twice ½(ŷ − y)²,
    so that its time is 2 η T.
    """

    time: float

    @classmethod
    def of(cls, rate: float, steps: int, momentum: float = 0.0) -> "Descent":
        """A constant rate for so many steps."""
        if not 0 <= momentum < 1:
            raise ArgumentError(f"momentum: expected 0 ≤ μ < 1, got {momentum!r}")
        return cls(above_zero("rate", rate) * above_zero("steps", steps) / (1 - momentum))

    @classmethod
    def from_log(cls, path: str | Path, momentum: float = 0.0) -> "Descent":
        """The sum of the rates in a log with one row a step: CSV, or one JSON object a line.

        The column is named lr, learning_rate or rate.

        Raises:
            ArgumentError: no such column, or an entry that is no number.
        """
        rows = _rows(Path(path))
        name = next((n for n in _RATES if rows and n in rows[0]), None)
        if name is None:
            raise ArgumentError(
                f"{path}: expected rows with one of {', '.join(_RATES)}, one row a step; got "
                f"{', '.join(map(str, rows[0])) if rows else 'no rows'}"
            )
        try:
            total = sum(float(row[name]) for row in rows)
        except (TypeError, ValueError, KeyError) as error:
            raise ArgumentError(f"{path}: {name} is not a number in every row: {error}") from error
        return cls.of(total, 1, momentum)


def check_training(training: Training) -> None:
    """Refuse what says nothing of a training."""
    if training is not None and training != "residual" and not isinstance(training, Descent):
        raise ArgumentError(
            f"training: expected None, 'residual' or ks.Descent.of(rate, steps), got {training!r}"
        )


def _rows(path: Path) -> list[dict]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: expected a log of training steps: {error}") from error
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise ArgumentError(f"{path}: expected one JSON object a line: {error}") from error
    return list(csv.DictReader(text.splitlines()))
