"""Samples as the report shows them: picture or text, label, neighbours with similarity."""

import base64
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinsight.run.folder import RunFolder

_LONGEST_TEXT = 240


@dataclass(frozen=True)
class Shown:
    """One sample on the page."""

    position: int
    name: str
    label: str | None
    predicted: str | None
    picture: str | None  # base64 of a PNG
    text: str | None


@dataclass(frozen=True)
class Neighbour:
    """A sample near another one."""

    sample: Shown
    similarity: float
    agrees: bool | None  # whether it has the label expected there; None without labels


@dataclass(frozen=True)
class Card:
    """A sample with its neighbours and what is said about it."""

    sample: Shown
    neighbours: list[Neighbour] = field(default_factory=list)
    density: float = 0.0
    proposed: str | None = None
    score: float | None = None
    planted: str | None = None  # the right label, if this one was changed on purpose


class Samples:
    """The tables of a run, asked sample by sample."""

    def __init__(self, run: RunFolder):
        self.columns: dict[str, Any] = {}
        table = run.table("samples")
        for name in table.column_names:
            if name != "output":
                self.columns[name] = table[name].to_pylist()
        self.count = table.num_rows
        self.density = np.array(self.columns["density"], dtype=float)
        labels = self.columns.get("label", [])
        self.classes = all(isinstance(v, str) for v in labels if v is not None)
        nearest = run.table("neighbours")
        self._sample = nearest["sample"].to_numpy()  # ascending
        self._neighbour = nearest["neighbour"].to_numpy()
        self._similarity = nearest["similarity"].to_numpy()
        self._pictures = run.table("pictures")["png"] if run.has("pictures") else None

    def value(self, column: str, position: int) -> Any:
        """One entry of a column; None where there is no such column."""
        return self.columns[column][position] if column in self.columns else None

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers, NaN where missing or where there is no such column."""
        return np.array(self.columns.get(column, [None] * self.count), dtype=float)

    def shown(self, position: int) -> Shown:
        """A sample as the page shows it."""
        text = self.value("text", position)
        name = self.value("name", position)
        label = self.value("label", position)
        return Shown(
            position=position,
            name=clean(name) if name else f"sample {position:,}",
            label=None if label is None else clean(_short(label)),
            predicted=_maybe(self.value("predicted", position)),
            picture=self._picture(position),
            text=None if text is None else clean(text, _LONGEST_TEXT),
        )

    def card(self, position: int, neighbours: int, doubted: bool = False) -> Card:
        """A sample with its nearest ones, which agree with its label or, doubted, the proposed."""
        mine = self.shown(position)
        proposed = _maybe(self.value("proposed_label", position))
        expected = proposed if doubted else mine.label
        start, stop = np.searchsorted(self._sample, [position, position + 1])
        stop = min(int(stop), int(start) + neighbours)
        near = [
            self._near(expected, int(self._neighbour[i]), float(self._similarity[i]))
            for i in range(int(start), stop)
        ]
        return Card(
            mine,
            near,
            float(self.density[position]),
            proposed,
            self.value("suspect_score", position),
            _maybe(self.value("planted_label", position)),
        )

    def _near(self, expected: str | None, position: int, similarity: float) -> Neighbour:
        other = self.shown(position)
        known = self.classes and expected is not None and other.label is not None
        return Neighbour(other, similarity, expected == other.label if known else None)

    def _picture(self, position: int) -> str | None:
        if self._pictures is None:
            return None
        return base64.b64encode(self._pictures[position].as_py()).decode("ascii")


def clean(value: Any, longest: int = 60) -> str:
    """Text from the data without control and direction-changing characters, cut to a length.

    Escaping is the template's job; this keeps a name from rewriting what stands around it.
    """
    text = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in str(value)
    ).strip()
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _maybe(value: Any) -> str | None:
    return None if value is None else clean(_short(value))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
