"""Samples as the report shows them: picture or text, label, neighbours with similarity."""

import base64
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinsight.errors import RunFolderError
from kinsight.report.rows import HEIGHT, WIDTH, Rows, wave_path
from kinsight.run.folder import RunFolder

_LONGEST_TEXT = 240


@dataclass(frozen=True)
class Wave:
    """A waveform as the path of an ``<svg>``."""

    path: str
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """One sample on the page."""

    position: int
    name: str
    label: str | None
    predicted: str | None
    picture: str | None  # base64 of a PNG
    text: str | None
    wave: Wave | None = None
    entries: tuple[tuple[str, str], ...] = ()  # of a row of a table


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
        self.run = run
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
        self._signals = run.table("signals")["channels"] if run.has("signals") else None
        self._rows = Rows(run) if run.has("inputs") else None

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Sample and neighbour, nearest first: two arrays of one entry a pair."""
        return self._sample, self._neighbour

    @property
    def kept(self) -> int:
        """The largest number of neighbours of a sample."""
        return int(np.bincount(self._sample).max()) if len(self._sample) else 0

    @property
    def drawn(self) -> bool:
        """Whether samples are seen: as pictures or as waveforms."""
        return self._pictures is not None or self._signals is not None

    def views(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What others would have called near: by name, pairs as in ``pairs``."""
        table = self.run.table("beside")
        by = np.array(table["by"].to_pylist(), dtype=object)
        sample, neighbour = (self._places(table, n) for n in ("sample", "neighbour"))
        names = list(dict.fromkeys(by.tolist()))
        return {str(n): (sample[by == n], neighbour[by == n]) for n in names}

    def by_sample(self, table: str, names: tuple[str, ...]) -> np.ndarray:
        """Columns of another table, brought to the order of the samples: (N, C), NaN = none."""
        found = self.run.table(table)
        values = np.full((self.count, len(names)), np.nan)
        place = self._places(found, "sample")
        for i, name in enumerate(names):
            values[place, i] = np.array(found[name].to_pylist(), dtype=float)
        return values

    def column(self, name: str) -> list[Any]:
        """A column, None everywhere where there is no such column."""
        return self.columns.get(name, [None] * self.count)

    def agreeing(self, position: int, label: str | None) -> float | None:
        """The share of the labelled neighbours that have this label; None without any."""
        labels = self.column("label")
        near = [labels[i] for i in self._near_to(position)[0] if labels[i] is not None]
        return near.count(label) / len(near) if near and label is not None else None

    def value(self, column: str, position: int) -> Any:
        """One entry of a column; None where there is no such column."""
        return self.columns[column][position] if column in self.columns else None

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers, NaN where missing or where there is no such column."""
        return np.array(self.columns.get(column, [None] * self.count), dtype=float)

    def shown(self, position: int, like: int | None = None) -> Shown:
        """A sample as the page shows it; a row of a table by what is unusual of ``like``."""
        text = self.value("text", position)
        name = self.value("name", position)
        label = self.value("label", position)
        return Shown(
            position=position,
            name=clean(name) if name else f"sample {position:,}",
            label=None if label is None else clean(short(label)),
            predicted=_maybe(self.value("predicted", position)),
            picture=self._picture(position),
            text=None if text is None else clean(text, _LONGEST_TEXT),
            wave=self._wave(position),
            entries=self._entries(position, position if like is None else like),
        )

    def card(self, position: int, neighbours: int, doubted: bool = False) -> Card:
        """A sample with its nearest ones, which agree with its label or, doubted, the proposed."""
        mine = self.shown(position)
        proposed = _maybe(self.value("proposed_label", position))
        expected = proposed if doubted else mine.label
        places, values = self._near_to(position)
        near = [
            self._near(expected, int(place), float(value), position)
            for place, value in zip(places[:neighbours], values[:neighbours], strict=True)
        ]
        return Card(
            mine,
            near,
            float(self.density[position]),
            proposed,
            self.value("suspect_score", position),
            _maybe(self.value("planted_label", position)),
        )

    def png(self, position: int) -> bytes | None:
        """The picture of a sample, if there are any."""
        return None if self._pictures is None else self._pictures[position].as_py()

    def _near_to(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Its neighbours, and how similar they are."""
        start, stop = np.searchsorted(self._sample, [position, position + 1])
        return self._neighbour[start:stop], self._similarity[start:stop]

    def _places(self, table: Any, name: str) -> np.ndarray:
        """Positions of samples, checked."""
        found = table[name].to_numpy()
        if len(found) and not 0 <= found.min() <= found.max() < self.count:
            raise RunFolderError(
                f"{self.run.path}: expected positions from 0 to {self.count - 1} in {name!r}, got "
                f"{found.min()} to {found.max()}; run it again with --fresh"
            )
        return found

    def _near(
        self, expected: str | None, position: int, similarity: float, query: int
    ) -> Neighbour:
        other = self.shown(position, query)
        known = self.classes and expected is not None and other.label is not None
        return Neighbour(other, similarity, expected == other.label if known else None)

    def _picture(self, position: int) -> str | None:
        png = self.png(position)
        return None if png is None else base64.b64encode(png).decode("ascii")

    def _wave(self, position: int) -> Wave | None:
        if self._signals is None or self._pictures is not None:
            return None
        path, channels = wave_path(self._signals[position].as_py() or [])
        return Wave(path, WIDTH, HEIGHT * channels)

    def _entries(self, position: int, like: int) -> tuple[tuple[str, str], ...]:
        if self._rows is None or self.drawn:
            return ()
        found = self._rows.entries(position, self._rows.unusual(like))
        return tuple((clean(name), value) for name, value in found)


def clean(value: Any, longest: int = 60) -> str:
    """Text from the data without control and direction-changing characters, cut to a length.

    Escaping is the template's job; this keeps a name from rewriting what stands around it.
    """
    text = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in str(value)
    ).strip()
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _maybe(value: Any) -> str | None:
    return None if value is None else clean(short(value))


def short(value: Any) -> str:
    """A label as text: four digits of a number."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def natural(label: str) -> tuple[int, float, str]:
    """Key that sorts numbers by value, then names."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)
