"""Pictures of the samples as small PNG files, from arrays, tensors, PIL images or paths."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.subject.groups import write_groups
from kinsight.subject.only_tensor import only_tensor

LARGEST_SIDE = 96  # pixels of a thumbnail
_SHOWN_CHANNELS = (1, 3, 4)
_SAMPLED = 256  # pictures looked at for the common range of their values
_UNREADABLE = (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError)

Painter = Callable[[int], bytes]  # position -> PNG


def painter(pictures: Any, data: Any) -> Painter | None:
    """A function from a sample's position to its PNG; None where there is nothing to show.

    Values other than bytes are scaled by the range of all pictures together, so that they can be
    compared; 0 … 1 stays as it is. The range is read off pictures spread over the data.
    """
    if pictures is None:
        pictures = _pictures_in(data)
    if pictures is None:
        return None
    get = pictures if callable(pictures) else pictures.__getitem__
    low, high = (0.0, 1.0) if callable(pictures) else _value_range(pictures)

    def paint(position: int) -> bytes:
        try:
            return _png(_image(get(position), position, low, high))
        except SubjectError:
            raise
        except _UNREADABLE as error:  # files are decoded late, so it may come from anywhere above
            raise SubjectError(
                f"pictures: expected one that can be painted, got that of sample {position}, which "
                f"cannot be read ({type(error).__name__}: {error}); replace it, or leave pictures "
                "out"
            ) from error

    return paint


def _pictures_in(data: Any) -> Tensor | None:
    value = only_tensor(data)
    if value is not None and value.dim() == 4 and value.is_floating_point():
        channels, height, width = value.shape[1:]
        if channels in (1, 3) and min(height, width) >= 4:
            return value
    return None


def _value_range(pictures: Any) -> tuple[float, float]:
    step = max(1, len(pictures) // _SAMPLED)
    low, high = np.inf, -np.inf
    for position in range(0, len(pictures), step):
        values = _array(pictures[position])
        if values is None or values.dtype.kind != "f":
            return 0.0, 1.0
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low >= 0 and high <= 1 and high > 0.5:
        return 0.0, 1.0
    return (low, high) if low < high else (low - 1.0, low + 1.0) if np.isfinite(low) else (0.0, 1.0)


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, Tensor):
        return value.detach().cpu().float().numpy() if value.is_floating_point() else value.numpy()
    return value if isinstance(value, np.ndarray) else None


def _image(value: Any, position: int, low: float, high: float) -> Image.Image:
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, (str, Path)):
        return Image.open(value)
    array = _array(value)
    if array is None:
        raise SubjectError(
            "pictures: expected arrays, tensors, PIL images or paths, got "
            f"{type(value).__name__} for sample {position}"
        )
    array = _channels_last(array, position)
    if array.dtype != np.uint8:
        scaled = (np.nan_to_num(array.astype(np.float64)) - low) / (high - low)
        if array.dtype.kind in "iub":
            scaled = array.astype(np.float64) / (255 if array.max(initial=0) > 1 else 1)
        array = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _channels_last(array: np.ndarray, position: int) -> np.ndarray:
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3 and array.shape[2] in _SHOWN_CHANNELS and array.shape[0] not in (1, 3):
        return array
    if array.ndim == 3 and array.shape[0] in _SHOWN_CHANNELS:
        return array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] in _SHOWN_CHANNELS:
        return array
    raise SubjectError(
        f"pictures: expected (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels, got "
        f"{array.shape} for sample {position}"
    )


def _png(image: Image.Image) -> bytes:
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGB")
    if max(image.size) > LARGEST_SIDE:
        image = image.copy()
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # no metadata of the original goes along
    return buffer.getvalue()


def write_pictures(path: Path, count: int, paint: Painter) -> None:
    """media/pictures.parquet: ``sample`` and ``png``."""
    schema = pa.schema([("sample", pa.int64()), ("png", pa.binary())])
    write_groups(path, schema, lambda rows: {"png": [paint(i) for i in rows]}, count, "none")
