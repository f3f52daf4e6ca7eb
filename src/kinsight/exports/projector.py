"""A folder for TensorBoard's projector: tensors, metadata, a sheet of pictures, its settings."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinsight.errors import ArgumentError
from kinsight.exports.flat import flat
from kinsight.exports.left_out import some
from kinsight.exports.material import Material
from kinsight.exports.sprite import Sheet, write_sheet
from kinsight.files import harmless

MOST = 100_000  # points that the page asks for
LEAST = 3  # numbers a row: with fewer the page finds no third axis and draws nothing
HOLDS = frozenset({"map", "pictures", "text", "inputs", "decisions", "features", "output"})
SETTINGS, METADATA, SHEET = "projector_config.pbtxt", "metadata.tsv", "sprite.png"
_BREAKS = str.maketrans(dict.fromkeys("\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
_READABLE = 64  # numbers a row up to which a tensor is written as text
_LOOKED_AT = 1 << 16  # bytes


def check(material: Material) -> None:
    """Refuse samples without any numbers to place them by.

    Raises:
        ArgumentError.
    """
    if not any(True for _ in _tensors(material)):
        raise ArgumentError(
            f"tensorboard: expected samples with tangent features, map or outputs, got "
            f"{material.view.facts.path_name} without; name a store of the same samples with "
            "--features"
        )


def write(material: Material, folder: Path, record: dict[str, Any]) -> list[str]:
    """Tensors ``tangent_features`` (S numbers), ``outputs`` (D), ``map`` (2), as far as they are
    there, with zeros behind up to three numbers; ``metadata.tsv`` with all columns;
    ``sprite.png``.

    What could not be had as it is, in sentences.
    """
    table, notes = flat(material)
    (folder / METADATA).write_text(metadata(table.select(_order(table))), encoding="utf-8")
    sheet, said = write_sheet(folder / SHEET, material)
    settings = []
    for name, width, blocks in _tensors(material):
        width = max(width, LEAST)
        path, filled = _tensor(folder, name, width, blocks)
        settings.append(_entry(name, path.name, material.count, width, sheet))
        if filled:
            notes.append(f"{name}: at zero, without numbers, {some(filled, material.count)}")
    (folder / SETTINGS).write_text("".join(settings), encoding="utf-8")
    if material.count > MOST:
        notes.append(f"the page shows the first {some(MOST, material.count)}")
    return [*notes, *said]


def opens(material: Material, path: Path) -> str:
    """The line that opens it."""
    return f"{shlex.join(['tensorboard', '--logdir', str(path)])}   (then the page Projector)"


def metadata(table: pa.Table) -> str:
    """Names, then one line a sample; tabs and line breaks in texts become spaces.

    A text that begins with = + - @ gets an apostrophe in front, as in CSV.
    """
    lines = ["\t".join(_cell(name) for name in table.column_names)]
    columns = [column.to_pylist() for column in table.columns]
    lines += ["\t".join(map(_cell, row)) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def _order(table: pa.Table) -> list[str]:
    """Labels and texts in front, flags behind: the page names points by the first of the texts."""

    def place(name: str) -> int:
        kind = table.schema.field(name).type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        return 0 if name == "label" else 1 if text else 3 if pa.types.is_boolean(kind) else 2

    return sorted(table.column_names, key=place)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(harmless(value)).translate(_BREAKS)


def _tensors(material: Material) -> Iterator[tuple[str, int, Iterator[np.ndarray]]]:
    """Name, numbers a row, and the rows, some at a time."""
    if material.store is not None:
        found = (block for _, block in material.blocks() if block is not None)
        yield "tangent_features", material.store.rows.dim, found
    if material.outputs is not None:
        yield "outputs", material.outputs.shape[1], iter([material.outputs])
    if material.map is not None:
        yield "map", 2, iter([material.map.points])


def _tensor(folder: Path, name: str, width: int, blocks: Iterator[np.ndarray]) -> tuple[Path, int]:
    """The file of a tensor, and how many rows have no numbers and are zeros instead."""
    empty = 0
    path = folder / f"{name}.{'tsv' if width <= _READABLE else 'bytes'}"
    with open(path, "wb") as file:
        for block in blocks:
            there = np.isfinite(block).all(axis=1) & np.any(block, axis=1)
            empty += int((~there).sum())
            block = np.where(there[:, None], block, 0).astype("<f4")
            block = np.pad(block, ((0, 0), (0, width - block.shape[1])))
            if path.suffix == ".tsv":
                np.savetxt(file, block, fmt="%.9g", delimiter="\t")
            else:
                file.write(block.tobytes())
    if path.suffix == ".bytes" and _passes_for_text(path):
        path = _as_text(path, width)
    return path, empty


def _passes_for_text(path: Path) -> bool:
    """Whether the projector, which tries text first, would take the numbers for some and fail."""
    with open(path, "rb") as file:
        line = file.read(_LOOKED_AT).split(b"\n", 1)[0]
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_text(path: Path, width: int) -> Path:
    values = np.fromfile(path, "<f4").reshape(-1, width)
    np.savetxt(path.with_suffix(".tsv"), values, fmt="%.9g", delimiter="\t")
    path.unlink()
    return path.with_suffix(".tsv")


def _entry(name: str, file: str, count: int, width: int, sheet: Sheet | None) -> str:
    lines = [
        f'tensor_name: "{name}"',
        f'tensor_path: "{file}"',
        f"tensor_shape: {count}",
        f"tensor_shape: {width}",
        f'metadata_path: "{METADATA}"',
    ]
    if sheet is not None:
        lines += [
            "sprite {",
            f'  image_path: "{SHEET}"',
            f"  single_image_dim: {sheet.side}",
            f"  single_image_dim: {sheet.side}",
            "}",
        ]
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
