"""One row a sample: every column of a run or a store that is a number, a flag or a text."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.exports.material import Material

MOST_INPUTS = 256  # numbers of a row of a table that become columns
ADDED = ("sample", "map_x", "map_y", "decision", "new_label", "decided_at")
# Of a run the map is a table of its own; a column of that name is the person's.
_ELSEWHERE = ("sample", "output")
_OF_STORES = ("neighbours", "similarity", "map_x", "map_y")


def flat(material: Material, taken: Collection[str] = ()) -> tuple[pa.Table, list[str]]:
    """The table, and what of the columns could not be had as it is, in sentences.

    ``sample`` comes first, then the columns in their order, those of the inputs of a tabular run
    under ``input.NAME``, ``map_x``, ``map_y``; where something was decided ``decision``,
    ``new_label``, ``decided_at``. Times are UTC texts. ``taken``: names that the format adds; an
    own column of such a name gets " (own)" behind it.
    """
    found: dict[str, Any] = {"sample": pa.array(np.arange(material.count), pa.int64())}
    notes = []
    for name in _listed(material):
        if not _fits(material.view.columns.table.type(name)):
            notes.append(f"column {name!r}: its values are neither numbers nor texts")
            continue
        free = _free(name, {*found, *ADDED, *taken})
        if free != name:
            notes.append(f"column {name!r} is there as {free!r}: the format has its own {name!r}")
        found[free] = _values(material, name)
    wide, said = _inputs(material, {*found, *ADDED, *taken})
    found |= wide | _places(material) | _decided(material)
    return pa.table(found), [*notes, *said]


def _listed(material: Material) -> list[str]:
    skipped = _ELSEWHERE if material.is_run else (*_ELSEWHERE, *_OF_STORES)
    return [name for name in material.view.columns.table.names() if name not in skipped]


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += " (own)"
    return name


def _fits(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean,
        pa.types.is_string, pa.types.is_large_string, pa.types.is_temporal,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _values(material: Material, name: str) -> pa.ChunkedArray:
    columns = material.view.columns
    kind = columns.table.type(name)
    if pa.types.is_decimal(kind):
        return columns.table.read(name).cast(pa.float64())
    if pa.types.is_float16(kind):
        return columns.table.read(name).cast(pa.float32())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return columns.table.read(name)
    return columns.texts(name).cast(pa.string())


def _inputs(material: Material, taken: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Rows of a table as columns of numbers."""
    first = material.view.inputs(0) if material.count else None
    if first is None:
        return {}, []
    if len(first) > MOST_INPUTS:
        return {}, [f"inputs: {len(first):,} numbers a sample, more than {MOST_INPUTS} columns"]
    names: list[str] = []
    for name, _ in first:
        names.append(_free(f"input.{name}", {*taken, *names}))
    values = np.full((material.count, len(names)), np.nan)
    for sample, row in _rows_of_inputs(material):
        values[sample, : len(row)] = row
    return {name: pa.array(values[:, i]) for i, name in enumerate(names)}, []


def _rows_of_inputs(material: Material) -> Iterator[tuple[int, list[float]]]:
    for sample in range(material.count):
        row = material.view.inputs(sample) or []
        yield sample, [np.nan if value is None else value for _, value in row]


def _places(material: Material) -> dict[str, pa.Array]:
    if material.map is None:
        return {}
    points = material.map.points
    return {
        name: pa.array(points[:, axis], mask=~np.isfinite(points[:, axis]))
        for axis, name in enumerate(("map_x", "map_y"))
    }


def _decided(material: Material) -> dict[str, pa.Array]:
    if not material.decisions:
        return {}
    made = [material.decisions.get(sample) for sample in range(material.count)]
    fields = {"decision": "decision", "new_label": "label", "decided_at": "at"}
    return {
        name: pa.array([None if d is None else getattr(d, field) for d in made], pa.string())
        for name, field in fields.items()
    }
