"""Pictures as the page gets them: read as PNG within limits, painted anew, nothing else in them."""

import io

from PIL import Image, UnidentifiedImageError

from kinsight.errors import RunFolderError

_LARGEST_FILE = 32 << 20  # bytes
_LARGEST_SIDE = 4096  # pixels
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    MemoryError,
    EOFError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def repainted(content: object, where: str) -> bytes:
    """The pixels of a PNG as a new PNG.

    Size is looked at before any pixel is unpacked, so that a small file cannot fill the memory.

    Raises:
        RunFolderError: no PNG, larger than 4,096 pixels a side, or damaged.
    """
    if not isinstance(content, bytes) or len(content) > _LARGEST_FILE:
        raise RunFolderError(f"{where}: expected a PNG of at most {_LARGEST_FILE:,} bytes")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if max(image.size) > _LARGEST_SIDE:
                raise RunFolderError(
                    f"{where}: expected a picture of at most {_LARGEST_SIDE:,} pixels a side, got "
                    f"{image.size[0]:,}×{image.size[1]:,}"
                )
            return _pixels(image)
    except _UNREADABLE as error:
        raise RunFolderError(f"{where}: expected a PNG that can be read: {error}") from error


def _pixels(image: Image.Image) -> bytes:
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    mode = "L" if image.mode in ("1", "L") and not has_alpha else "RGBA" if has_alpha else "RGB"
    clean = Image.new(mode, image.size)  # without texts, profiles and frames of the original
    clean.paste(image.convert(mode))
    buffer = io.BytesIO()
    clean.save(buffer, "PNG")
    return buffer.getvalue()
