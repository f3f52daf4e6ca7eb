"""All pictures on one sheet, in rows and columns, as TensorBoard's projector reads it."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kinsight.exports.material import Material

MOST_SIDE = 8192  # pixels: what browsers hold as a texture
LARGEST, SMALLEST = 96, 8  # pixels of a picture
_LOOKED_AT = 64  # pictures that decide the size


@dataclass(frozen=True)
class Sheet:
    """Squares of ``side`` pixels, ``across`` in a row, row by row in the order of the samples."""

    side: int
    across: int


def write_sheet(path: Path, material: Material) -> tuple[Sheet | None, list[str]]:
    """The sheet as PNG, and what was done to the pictures, in sentences; None without pictures.

    A picture keeps its proportions in its square. Memory: the sheet, at most 8,192² pixels.
    """
    if "pictures" not in material.present:
        return None, []
    across = math.ceil(math.sqrt(material.count))
    room, own = MOST_SIDE // across, _own_side(material)
    side = min(own, room)
    if side < min(SMALLEST, own):
        return None, [
            f"pictures: {material.count:,} of them do not fit on one sheet of {MOST_SIDE:,} pixels"
        ]
    sheet = Image.new("RGBA", (side * across, side * math.ceil(material.count / across)))
    for sample in range(material.count):
        png = material.picture(sample)
        if png is not None:
            row, column = divmod(sample, across)
            _paste(sheet, png, (column * side, row * side), side)
    sheet.save(path, "PNG")
    reduced = f"pictures: reduced to {side} pixels a side, so that all fit on one sheet"
    return Sheet(side, across), [reduced] if side < own else []


def _own_side(material: Material) -> int:
    """The longest side of some pictures."""
    step = max(1, material.count // _LOOKED_AT)
    found = [SMALLEST]
    for sample in range(0, material.count, step):
        png = material.picture(sample)
        if png is not None:
            found.append(max(Image.open(io.BytesIO(png)).size))
    return min(max(found), LARGEST)


def _paste(sheet: Image.Image, png: bytes, corner: tuple[int, int], side: int) -> None:
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGBA")
    if max(picture.size) > side:
        picture.thumbnail((side, side))
    left, top = ((side - length) // 2 for length in picture.size)
    sheet.paste(picture, (corner[0] + left, corner[1] + top))
