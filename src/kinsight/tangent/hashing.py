"""A count sketch whose signs and buckets come from a seed and a parameter's name: nothing stored.

A parameter is seen as a matrix of R rows, its first dimension, and C columns, all the others.
Entry (o, i) goes to one of S buckets with one sign,

    bucket(o, i) = (r_o + c_i) mod S,    sign(o, i) = s_o t_i,

with s, t random signs, r a random order of the S places, and c_i = i mod S, shifted at random for
every S columns. Rows are laid over each other at random offsets, all of them different: entries
of one column never meet, so that rows which are alike do not add up as if they were one. Beyond S
rows offsets come again, with other signs t for every S rows. A sketch Π then has
E⟨Πx, Πy⟩ = ⟨x, y⟩ and the variance of independent buckets or less, (‖x‖²‖y‖² + ⟨x,y⟩²)/S.

Of an outer product δ ⊗ a this sketch is the circular convolution of the sketches of δ and a, so
that one FFT replaces the R·C entries (Pham and Pagh, "Fast and scalable polynomial kernels via
explicit feature maps", KDD 2013); whichever way is cheaper, the result is the same.

Source of the plain form: Charikar, Chen, Farach-Colton, "Finding frequent items in data
streams", 2002.
"""

import hashlib
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

_ENTRIES = 1 << 18  # entries scattered at a time: their buckets stay in the cache
_NUMBERS = 1 << 22  # of spectra held at a time
_TIMES_ON_GPU = 64  # as many of both: no cache to stay in, and every call must be worth making


@dataclass(frozen=True)
class Hash:
    """Π for one parameter: R·C entries to S numbers."""

    dim: int  # S
    row: Tensor  # (R,) r_o
    row_sign: Tensor  # (R,) ±1, float32
    column: Tensor  # (C,) c_i
    column_sign: Tensor  # (⌈R/S⌉, C) ±1, float32: t for every S rows
    turn: Tensor  # (R,) which of them is a row's

    @classmethod
    def of(cls, name: str, shape: tuple[int, ...], dim: int, seed: int) -> "Hash":
        """The hash of the parameter ``name``: the same in every process, version and machine."""
        rows = shape[0] if len(shape) > 1 else 1
        columns = prod(shape) // max(rows, 1)
        turns = -(-rows // dim)
        orders = [
            torch.from_numpy(_raw(f"{seed}/{name}/order/{turn}", dim).argsort(kind="stable"))
            for turn in range(turns)
        ]
        signs = [_signs(f"{seed}/{name}/columns/{turn}", columns) for turn in range(turns)]
        shift = _places(f"{seed}/{name}/shifts", -(-columns // dim), dim)
        shift[:1] = 0  # the rows are at random places already
        place = torch.arange(columns)
        return cls(
            dim,
            torch.cat(orders)[:rows],
            _signs(f"{seed}/{name}/rows", rows),
            (place + shift[place // dim]) % dim,
            torch.stack(signs),
            torch.arange(rows) // dim,
        )

    def to(self, like: Tensor) -> "Hash":
        """On the device of ``like``, signs in its precision."""
        return Hash(
            self.dim,
            self.row.to(like.device),
            self.row_sign.to(like),
            self.column.to(like.device),
            self.column_sign.to(like),
            self.turn.to(like.device),
        )

    def of_rows(self, start: int, stop: int) -> "Hash":
        """The same of some rows alone."""
        part = slice(start, stop)
        return replace(self, row=self.row[part], row_sign=self.row_sign[part], turn=self.turn[part])

    def of_columns(self, order: Tensor) -> "Hash":
        """The same of some columns, in another order."""
        return replace(self, column=self.column[order], column_sign=self.column_sign[:, order])

    def scatter(self, value: Tensor, total: Tensor) -> None:
        """Add Π of every row of entries, (B, D, R·C), to ``total``.

        ``total``, (B, D, 2S), has twice the buckets in place of a product with the signs: the
        second half is what :func:`folded` takes from the first.
        """
        flat, sums = value.flatten(0, 1), total.view(-1, total.shape[2])
        columns = len(self.column)
        step = max(1, _at_once(_ENTRIES, value) // max(columns, 1))
        for o in range(0, len(self.row), step):
            rows = slice(o, o + step)
            bucket = (self.row[rows, None] + self.column) % self.dim
            negative = self.row_sign[rows, None] * self.column_sign[self.turn[rows]] < 0
            where = (bucket + negative * self.dim).flatten()
            part = flat[:, o * columns : (o + step) * columns]
            sums.scatter_add_(1, where.expand_as(part), part)

    def convolve(self, rows: Tensor, columns: Tensor, total: Tensor) -> None:
        """Add Π of Σ_t rows_t ⊗ columns_t, (B, D, T, R) and (B, E, T, C), to ``total``.

        One of D and E is 1, or they are equal. Cost: T·(D + E) FFTs of length S a sample, as
        often as there are S rows.
        """
        numbers = max(rows.shape[1], columns.shape[1]) * rows.shape[2] * self.dim
        step = max(1, _at_once(_NUMBERS, rows) // numbers)
        for turn in self.turn.unique().tolist():
            mine = self.turn == turn
            place, sign = self.row[mine], self.row_sign[mine]
            for b in range(0, len(rows), step):
                part = slice(b, b + step)
                left = torch.fft.rfft(_spread(rows[part][..., mine], place, sign, self.dim))
                right = torch.fft.rfft(
                    _spread(columns[part], self.column, self.column_sign[turn], self.dim)
                )
                total[part, :, : self.dim] += torch.fft.irfft((left * right).sum(2), n=self.dim)

    def pick(self, index: Tensor, value: Tensor, total: Tensor) -> None:
        """Add Π of Σ_t e_{index_t} ⊗ value_t, (B, T) and (B, D, T, C), to ``total``."""
        bucket = (self.row[index][..., None] + self.column) % self.dim  # (B, T, C)
        sign = self.row_sign[index][..., None] * self.column_sign[self.turn[index]]
        signed = (value * sign[:, None]).flatten(2)
        total.scatter_add_(2, bucket.flatten(1)[:, None].expand_as(signed), signed)


def folded(total: Tensor) -> Tensor:
    """What was added up with double buckets: (…, 2S) -> (…, S)."""
    half = total.shape[-1] // 2
    return total[..., :half] - total[..., half:]


def _at_once(count: int, like: Tensor) -> int:
    return count * _TIMES_ON_GPU if like.is_cuda else count


def _spread(value: Tensor, place: Tensor, sign: Tensor, dim: int) -> Tensor:
    """Entries to their places with their signs: (…, n) -> (…, S)."""
    flat = (value * sign).flatten(0, -2)
    spread = flat.new_zeros(len(flat), dim).scatter_add_(1, place.expand_as(flat), flat)
    return spread.unflatten(0, value.shape[:-1])


def _places(key: str, count: int, dim: int) -> Tensor:
    """``count`` random places below ``dim``."""
    high = _raw(key, count) >> np.uint64(32)
    return torch.from_numpy(((high * np.uint64(dim)) >> np.uint64(32)).astype(np.int64))


def _signs(key: str, count: int) -> Tensor:
    """``count`` random signs."""
    return torch.from_numpy(1 - 2 * (_raw(key, count) & np.uint64(1)).astype(np.int64)).float()


def _raw(key: str, count: int) -> np.ndarray:
    """64-bit numbers of a counter-based generator keyed by a text.

    Raw numbers of Philox are the same in all versions of numpy.
    """
    words = np.frombuffer(hashlib.sha256(key.encode()).digest()[:16], dtype="<u8")
    return np.random.Philox(key=words).random_raw(count)
