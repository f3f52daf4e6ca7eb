"""A Parquet file for Renumics Spotlight: pictures, waveforms, embeddings, all columns."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.exports import rows
from kinsight.exports.flat import flat
from kinsight.exports.material import Material

HOLDS = frozenset(
    {"map", "pictures", "signals", "text", "inputs", "decisions", "features", "output"}
)
PICTURE, WAVEFORM = "picture", "waveform"
MOST_CHANNELS = 16  # columns of waveforms


def check(_: Material) -> None:
    """Nothing is refused: a table needs no more than rows."""


def write(material: Material, path: Path, record: dict[str, Any]) -> list[str]:
    """``picture`` (PNG), ``waveform`` (one column a channel), ``output``, ``tangent_features``,
    all columns. What could not be had as it is, in sentences.
    """
    extras = _extras(material)
    table, notes = flat(material, [extra.name for extra in extras])
    rows.write_rows(path, material, table, extras, record)
    return [*notes, *_said_of_waveforms(material)]


def opens(material: Material, path: Path) -> str:
    """The line that opens it, with the types that cannot be guessed from the columns."""
    words = ["spotlight", str(path)]
    for extra in _extras(material):
        words += ["--dtype", f"{extra.name}={_kind(extra.name)}"]
    return shlex.join(words)


def _kind(name: str) -> str:
    if name == PICTURE:
        return "Image"
    return "Sequence1D" if name.startswith(WAVEFORM) else "Embedding"


def _extras(material: Material) -> list[rows.Extra]:
    there = material.present
    found = []
    if "pictures" in there:
        found.append(rows.pictures(material, PICTURE, pa.binary(), lambda png: png))
    if "signals" in there:
        found += [_waveform(material, channel) for channel in range(_channels(material))]
    if "output" in there and material.outputs is not None and material.outputs.shape[1] > 1:
        found.append(rows.outputs(material))
    if "features" in there:
        found.append(rows.features())
    return found


def _waveform(material: Material, channel: int) -> rows.Extra:
    def values(some: range, _: Any) -> list[list[float] | None]:
        found = (material.view.signal(row) for row in some)
        return [None if one is None else _numbers(one[0], channel) for one in found]

    name = WAVEFORM if _channels(material) == 1 else f"{WAVEFORM}_{channel}"
    return rows.Extra(name, pa.list_(pa.float32()), values)


def _numbers(channels: list[list[float | None]], channel: int) -> list[float] | None:
    if channel >= len(channels):
        return None
    return [np.nan if value is None else value for value in channels[channel]]


def _channels(material: Material) -> int:
    return min(_all_channels(material), MOST_CHANNELS)


def _all_channels(material: Material) -> int:
    first = material.view.signal(0) if material.count else None
    return 0 if first is None else len(first[0])


def _said_of_waveforms(material: Material) -> list[str]:
    first = material.view.signal(0) if material.count else None
    if first is None:
        return []
    said, (channels, length) = [], first
    if len(channels) > MOST_CHANNELS:
        said.append(f"waveforms: the first {MOST_CHANNELS} of {len(channels)} channels")
    kept = max(map(len, channels), default=0)
    if kept != length:
        said.append(
            f"waveforms: {kept:,} numbers a channel, least and largest of consecutive pieces of "
            f"{length:,}, as the run keeps them"
        )
    return said
