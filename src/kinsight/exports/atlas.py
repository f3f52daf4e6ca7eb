"""A Parquet file for Embedding Atlas: places, nearest samples, pictures, all columns."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.errors import ArgumentError
from kinsight.exports import rows
from kinsight.exports.flat import flat
from kinsight.exports.left_out import some
from kinsight.exports.material import Material

HOLDS = frozenset(
    {"map", "neighbours", "pictures", "text", "inputs", "decisions", "features", "output"}
)
PICTURE, NEIGHBOURS = "picture", "neighbors"
_PICTURES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as Hugging Face has them
_NEAREST = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))])


def check(material: Material) -> None:
    """Refuse samples without places.

    Raises:
        ArgumentError.
    """
    if material.map is None:
        raise ArgumentError(
            f"embedding-atlas: expected samples with places, got {material.view.facts.path_name}, "
            "an older run without a map; the same `kinsight analyze` adds it"
        )


def write(material: Material, path: Path, record: dict[str, Any]) -> list[str]:
    """``map_x``, ``map_y``, ``neighbors`` (rows and 1 − similarity), ``picture``, all columns.

    What could not be had as it is, in sentences.
    """
    extras = [extra for extra in _extras(material) if extra is not None]
    table, notes = flat(material, [extra.name for extra in extras])
    rows.write_rows(path, material, table, extras, record)
    return [*notes, *_unplaced(material)]


def opens(material: Material, path: Path) -> str:
    """The line that opens it."""
    words = ["embedding-atlas", str(path), "--x", "map_x", "--y", "map_y"]
    for option, name, there in (
        ("--neighbors", NEIGHBOURS, "neighbours"),
        ("--image", PICTURE, "pictures"),
        ("--text", "text", "text"),
    ):
        words += [option, name] if there in material.present else []
    return shlex.join(words)


def _extras(material: Material) -> list[rows.Extra | None]:
    there = material.present
    return [
        rows.Extra(NEIGHBOURS, _NEAREST, _nearest(material)) if "neighbours" in there else None,
        rows.pictures(material, PICTURE, _PICTURES, _dressed) if "pictures" in there else None,
        rows.outputs(material) if "output" in there else None,
        rows.features() if "features" in there else None,
    ]


def _dressed(png: bytes) -> dict[str, Any]:
    return {"bytes": png, "path": None}


def _nearest(material: Material) -> rows.Values:
    """Lists of one length, as the tool's own measures of the graph ask: where a sample has fewer
    neighbours, the sample itself at distance 0 stands in front.
    """
    most = 0 if material.lists is None else material.lists.most

    def values(some: range, _: Any) -> list[dict[str, list[Any]]]:
        return [
            {
                "ids": [row] * (most - len(near)) + [other for other, _ in near],
                "distances": [0.0] * (most - len(near)) + [max(1 - k, 0.0) for _, k in near],
            }
            for row, near in zip(some, material.near(some), strict=True)
        ]

    return values


def _unplaced(material: Material) -> list[str]:
    points = material.map.points if material.map is not None else np.empty((0, 2))
    count = int((~np.isfinite(points).all(1)).sum())
    return [f"not on the map: {some(count, material.count)}"] if count else []
