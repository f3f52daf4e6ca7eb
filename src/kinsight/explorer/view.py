"""What the routes ask of a folder: the same of a run of analyze and of a store of sketches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kinsight.explorer.columns import Columns
from kinsight.explorer.lists import Lists

NETWORK = "network"  # the similarity of this library, among those that can be asked for
MOST_NEIGHBOURS = 200
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Facts:
    """What a view is, in words that run.json says; nothing of it is trusted."""

    title: str
    path_name: str  # the last part of the path, for people
    kind: str  # "run" or "store"
    status: str
    output: str
    outputs: int
    normalization: str
    metric: str | None
    begun: str | None
    data: str  # digest of the data that decisions belong to


@dataclass(frozen=True)
class Map:
    """Places of the samples in a plane."""

    points: np.ndarray  # (N, 2) float32, NaN where a sample has none
    kind: str  # "principal", "umap", or "outputs": by f(x), where nothing better is there
    explained: list[float] | None  # share of the variance along x and y


class View(Protocol):
    """N samples that can be looked at. Methods are called from several threads."""

    facts: Facts
    columns: Columns
    folder: Path | None  # where decisions are kept; None where that is no folder of this machine

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def similarities(self) -> list[str]:
        """By what neighbours can be asked for, ``network`` first."""
        ...

    @property
    def most(self) -> int:
        """How many neighbours of a sample can be asked for."""
        ...

    def classes(self) -> list[str]:
        """Names of the network's classes in the order of its outputs, as far as they are known."""
        ...

    def sentences(self) -> list[str]:
        """What was found, in sentences."""
        ...

    def neighbours(self, by: str, sample: int, k: int) -> list[tuple[int, float]]:
        """The k most similar samples, most similar first; ``by`` is one of the similarities."""
        ...

    def lists(self) -> Lists | None:
        """Nearest samples of all, where they were computed."""
        ...

    def map_kind(self) -> tuple[str, list[float] | None] | None:
        """What kind of map there is, known without computing it; None for none."""
        ...

    def map(self) -> Map | None:
        """Places of the samples."""
        ...

    def has(self, what: str) -> bool:
        """Whether there are ``pictures``, ``signals``, ``inputs`` or ``explanations``."""
        ...

    def picture(self, sample: int) -> bytes | None:
        """A PNG as it is stored, not to be trusted."""
        ...

    def signal(self, sample: int) -> tuple[list[list[float | None]], int] | None:
        """A waveform, minimum and maximum of consecutive pieces a channel, and its true length."""
        ...

    def inputs(self, sample: int) -> list[tuple[str, float | None]] | None:
        """A row of a table: names and numbers."""
        ...

    def explanation(self, sample: int, other: int) -> dict[str, Any] | None:
        """Why two samples are alike, where that was computed: a row of explanations.parquet."""
        ...


def told(value: Any, longest: int = _LONGEST_TITLE) -> str:
    """A text of run.json, whatever is there instead: on one line and of bounded length."""
    text = " ".join("".join(c if c.isprintable() else " " for c in f"{value}"[:10_000]).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def finite(values: Iterable[Any]) -> list[float | None]:
    """Numbers for JSON, which has no NaN and no infinity: None instead, and for what is none."""
    return [float(v) if isinstance(v, int | float) and math.isfinite(v) else None for v in values]
