"""Waveforms of the samples, reduced to what a screen can show: the ends of successive pieces."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from kinsight.errors import SubjectError
from kinsight.subject.groups import write_groups
from kinsight.subject.only_tensor import only_tensor

MOST = 512  # numbers that are kept of a channel
_MOST_CHANNELS = 256
_FOUND_CHANNELS, _FOUND_LENGTH = 8, 64  # data of at most, at least so many are taken for waveforms
_UNREADABLE = (IndexError, KeyError, OSError, TypeError, ValueError)


@dataclass(frozen=True)
class Signals:
    """N waveforms of C channels and T numbers each."""

    get: Callable[[int], Any]
    channels: int
    length: int

    @property
    def pieces(self) -> int:
        """T where all numbers are kept, else the pieces of which two numbers are kept each."""
        return self.length if self.length <= MOST else MOST // 2

    @property
    def record(self) -> dict[str, int]:
        """What run.json says of them."""
        return {"length": self.length, "channels": self.channels, "pieces": self.pieces}

    def kept(self, position: int) -> np.ndarray:
        """(C, T), or (C, 2·pieces): least and largest number of each piece in turn; float32.

        Piece p of P holds the numbers from ⌊p T/P⌋ to before ⌊(p+1) T/P⌋; those that are not a
        number do not count, unless a piece has no others.

        Raises:
            SubjectError: the waveform has another shape than the first, or is none.
        """
        wave = _wave(self.get, position)
        if wave.shape != (self.channels, self.length):
            raise SubjectError(
                f"signals: expected ({self.channels}, {self.length}) numbers as for sample 0, got "
                f"{wave.shape} for sample {position}; cut or pad them to one length"
            )
        if self.length <= MOST:
            return wave
        starts = np.arange(self.pieces) * self.length // self.pieces
        ends = [np.fmin.reduceat(wave, starts, axis=1), np.fmax.reduceat(wave, starts, axis=1)]
        return np.stack(ends, axis=2).reshape(self.channels, -1)

    def write(self, path: Path, count: int) -> None:
        """media/signals.parquet: ``sample`` and ``channels``, a list of C lists."""
        kind = pa.list_(pa.list_(pa.float32()))
        schema = pa.schema([("sample", pa.int64()), ("channels", kind)])

        def rows(positions: range) -> dict[str, Any]:
            return {"channels": [list(self.kept(i)) for i in positions]}

        write_groups(path, schema, rows, count)


def read_signals(given: Any, data: Any) -> Signals | None:
    """Waveforms that were given, or the data where they look like some; None where they do not.

    Raises:
        SubjectError: the first one is no waveform.
    """
    if given is None:
        given = _signals_in(data)
    if given is None:
        return None
    get = given if callable(given) else given.__getitem__
    channels, length = _wave(get, 0).shape
    return Signals(get, channels, length)


def _signals_in(data: Any) -> Tensor | None:
    value = only_tensor(data)
    if value is None or value.dim() != 3 or not value.is_floating_point():
        return None
    fits = 0 < value.shape[1] <= _FOUND_CHANNELS and value.shape[2] >= _FOUND_LENGTH
    return value if fits else None


def _wave(get: Callable[[int], Any], position: int) -> np.ndarray:
    """The waveform of a sample as (C, T) float32."""
    try:
        value = get(position)
        value = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except _UNREADABLE as error:
        raise SubjectError(
            f"signals: expected a waveform for sample {position}, got {type(error).__name__}: "
            f"{error}; replace it, or leave signals out"
        ) from error
    shape = value.shape
    value = value[None] if value.ndim == 1 else value
    if value.ndim != 2 or value.dtype.kind not in "fiub" or 0 in value.shape:
        raise SubjectError(
            f"signals: expected real numbers of shape (T,) or (C, T), got {value.dtype} of shape "
            f"{shape} for sample {position}"
        )
    if len(value) > _MOST_CHANNELS:
        raise SubjectError(
            f"signals: expected (C, T) with at most {_MOST_CHANNELS} channels, got {shape} for "
            f"sample {position}; channels come first, so transpose it"
        )
    return value.astype(np.float32)
