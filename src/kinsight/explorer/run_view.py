"""A finished run of analyze as a view: everything was computed, it is looked up."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from kinsight.errors import RunFolderError
from kinsight.explorer.columns import Columns
from kinsight.explorer.described import is_ours
from kinsight.explorer.files import File
from kinsight.explorer.kept import Kept
from kinsight.explorer.lists import Lists, padded
from kinsight.explorer.summing_up import MEDIA, sentences_of
from kinsight.explorer.view import NETWORK, Facts, Map, finite, told
from kinsight.run.folder import RunFolder

compute: Any = pyarrow.compute  # its functions are made at run time
_LISTED = ("sample", "neighbour", "similarity")
_BESIDE = ("last layer", "input")


class SamplesTable:
    """The columns of samples.parquet."""

    def __init__(self, file: File):
        self._file = file

    def names(self) -> list[str]:
        """Names of all columns."""
        return self._file.schema.names

    def type(self, name: str) -> pa.DataType:
        """Type of a column."""
        return self._file.schema.field(name).type

    def read(self, name: str) -> pa.ChunkedArray:
        """A column of all rows."""
        return self._file.read([name])[name]

    def ours(self, name: str) -> bool:
        """Whether analyze computed the column."""
        return is_ours(name)


class RunView:
    """The folder of a run, finished. Memory: columns and neighbours that were asked for.

    Raises:
        RunFolderError: the run is not finished, or a table is not as run.json says.
    """

    def __init__(self, run: RunFolder):
        self.run = run
        self.folder: Path | None = run.path
        samples = File(run, "samples")
        self._check(samples)
        self.columns = Columns(SamplesTable(samples), len(samples))
        self._kept = Kept()
        self.facts = _facts(run)

    def __len__(self) -> int:
        return self.run.record["samples"]

    @property
    def similarities(self) -> list[str]:
        """``network``, then what others would call near, as far as it was computed."""
        found = self._beside() if self.run.has("beside") else {}
        return [NETWORK, *(name for name in _BESIDE if name in found)]

    @property
    def most(self) -> int:
        """K: neighbours of a sample that analyze kept."""
        return self._lists(NETWORK).most

    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        labels = self.run.record.get("labels")
        names = labels.get("classes") if isinstance(labels, dict) else None
        return [told(name) for name in names] if isinstance(names, list) else []

    def sentences(self) -> list[str]:
        """The findings of the report."""
        return self._kept.get("sentences", lambda: sentences_of(self.run))

    def neighbours(self, by: str, sample: int, k: int) -> list[tuple[int, float]]:
        """The first of the K that were kept."""
        return self._lists(by)[sample][:k]

    def lists(self) -> Lists | None:
        """All neighbours that were kept."""
        return self._lists(NETWORK)

    def map_kind(self) -> tuple[str, list[float] | None] | None:
        """Of map.parquet; in an older run of f(x), if that has two numbers or more."""
        if not self.run.has("map"):
            return ("outputs", None) if self._outputs_width() >= 2 else None
        said = self.run.record.get("map")
        said = said if isinstance(said, dict) else {}
        kind = "umap" if said.get("kind") == "umap" else "principal"
        return kind, _shares(said.get("explained"))

    def map(self) -> Map | None:
        """Places of the samples. Cost in an older run: O(N D²)."""
        return self._kept.get("map", self._made_map)

    def has(self, what: str) -> bool:
        """Whether the run has such a table."""
        return what in MEDIA and self.run.has(what)

    def picture(self, sample: int) -> bytes | None:
        """The PNG of a sample."""
        row = self._row("pictures", sample)
        return None if row is None else row.get("png")

    def signal(self, sample: int) -> tuple[list[list[float | None]], int] | None:
        """A waveform and its true length."""
        row = self._row("signals", sample)
        if row is None or not isinstance(row.get("channels"), list):
            return None
        said = self.run.record.get("signals")
        length = said.get("length") if isinstance(said, dict) else None
        channels = [finite(channel or ()) for channel in row["channels"]]
        return channels, length if isinstance(length, int) else max(map(len, channels), default=0)

    def inputs(self, sample: int) -> list[tuple[str, float | None]] | None:
        """The row of a table."""
        row = self._row("inputs", sample)
        if row is None or not isinstance(row.get("values"), list):
            return None
        values = finite(row["values"])
        names = self.run.record.get("features")
        if not isinstance(names, list) or len(names) != len(values):
            names = [f"input {i}" for i in range(len(values))]
        return [(told(name, 80), value) for name, value in zip(names, values, strict=True)]

    def explanation(self, sample: int, other: int) -> dict[str, Any] | None:
        """A row of explanations.parquet, of the pair in either order."""
        if not self.run.has("explanations"):
            return None
        place = self._kept.get("explained", self._explained)
        for pair in ((sample, other), (other, sample)):
            if pair in place:
                row = self._file("explanations").row(place[pair])
                return row | {"turned": pair != (sample, other)}
        return None

    def _lists(self, by: str) -> Lists:
        if by != NETWORK:
            return self._beside()[by]
        return self._kept.get("neighbours", self._read_neighbours)

    def _beside(self) -> dict[str, Lists]:
        return self._kept.get("beside", self._read_beside)

    def _read_beside(self) -> dict[str, Lists]:
        file = self._file("beside")
        table = file.read(["by", *_LISTED])
        found = {}
        for name in _BESIDE:
            part = table.filter(compute.equal(table["by"].cast(pa.string()), name))
            if len(part):
                found[name] = Lists.of_table(part, len(self), f"{file.path}, {name}")
        return found

    def _read_neighbours(self) -> Lists:
        file = self._file("neighbours")
        return Lists.of_table(file.read(_LISTED), len(self), f"{file.path}")

    def _made_map(self) -> Map | None:
        kind = self.map_kind()
        if kind is None:
            return None
        if kind[0] == "outputs":
            points, shares = principal(padded(self.columns.table.read("output"), np.float64))
            return Map(points, "outputs", shares)
        table = self._file("map").read(["sample", "x", "y"])
        points = np.full((len(self), 2), np.nan, np.float32)
        place = _places(table["sample"], len(self), "map.parquet")
        for axis, name in enumerate(("x", "y")):
            points[place, axis] = table[name].to_numpy().astype(np.float32)
        return Map(points, *kind)

    def _explained(self) -> dict[tuple[int, int], int]:
        table = self._file("explanations").read(["sample", "other"])
        pairs = zip(table["sample"].to_pylist(), table["other"].to_pylist(), strict=True)
        return {pair: row for row, pair in enumerate(pairs)}

    def _row(self, table: str, sample: int) -> dict[str, Any] | None:
        if not self.run.has(table):
            return None
        file = self._file(table)
        row = file.row(sample) if sample < len(file) else None
        return row if row is not None and row.get("sample") == sample else None

    def _file(self, table: str) -> File:
        return self._kept.get(("file", table), lambda: File(self.run, table))

    def _outputs_width(self) -> int:
        if not self.columns.has("output"):
            return 0
        kind = self.columns.table.type("output")
        return kind.list_size if pa.types.is_fixed_size_list(kind) else 0

    def _check(self, samples: File) -> None:
        if len(samples) != len(self) or "density" not in samples.schema.names:
            raise RunFolderError(
                f"{samples.path}: expected {len(self):,} rows with a density, got "
                f"{len(samples):,} with {', '.join(samples.schema.names):.200}; the folder was "
                "changed, run it again with --fresh"
            )


def principal(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Rows along their two directions of most variance: (N, 2) float32, and the shares of both.

    NaN for rows that are not finite. The largest entry of each direction is positive.
    """
    finite = np.isfinite(values).all(1)
    points = np.full((len(values), 2), np.nan, np.float32)
    if not finite.any():
        return points, [0.0, 0.0]
    centred = values[finite] - values[finite].mean(0)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    chosen = directions[:, :-3:-1]
    largest = np.abs(chosen).argmax(0)
    chosen = chosen * np.where(chosen[largest, [0, 1]] < 0, -1.0, 1.0)
    points[finite] = centred @ chosen
    total = max(float(variances.sum()), 1e-300)
    return points, [max(float(v), 0.0) / total for v in variances[:-3:-1]]


def _facts(run: RunFolder) -> Facts:
    record, identity = run.record, run.record["identity"]
    outputs = record.get("outputs")
    metric = identity.get("metric")
    return Facts(
        title=told(record.get("title") or record.get("target") or run.path.resolve().name),
        path_name=told(run.path.resolve().name),
        kind="run",
        status=record["status"],
        output=told(identity.get("output")),
        outputs=outputs if isinstance(outputs, int) else 0,
        normalization=told(identity.get("normalization")),
        metric=None if metric is None else told(metric),
        begun=told(record["begun"]) if isinstance(record.get("begun"), str) else None,
        data=told(identity.get("data")),
    )


def _shares(value: Any) -> list[float] | None:
    fits = isinstance(value, list) and len(value) == 2
    if not fits or not all(isinstance(v, int | float) for v in value):
        return None
    return [float(v) for v in value]


def _places(column: pa.ChunkedArray, count: int, where: str) -> np.ndarray:
    """Numbers of samples.

    Raises:
        RunFolderError: numbers that are none of a sample.
    """
    numbers = column.to_numpy()
    if numbers.dtype.kind not in "iu" or (
        len(numbers) and (numbers.min() < 0 or numbers.max() >= count)
    ):
        raise RunFolderError(
            f"{where}: expected numbers of samples from 0 to {count - 1:,}; the folder was "
            "changed, run it again with --fresh"
        )
    return numbers.astype(np.int64)
