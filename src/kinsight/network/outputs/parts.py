"""Parts and linear maps of what the network, or another output, gives."""

from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError, OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction
from kinsight.network.outputs.reading import check_inner, rows_of


@dataclass(frozen=True)
class Select:
    """Some of the outputs by number, (B, len(indices)); of the network, or of what ``of`` gives."""

    indices: tuple[int, ...]
    of: OutputFunction | None = None

    def __post_init__(self) -> None:
        try:
            numbers = tuple(index(i) for i in self.indices)
        except TypeError as error:
            raise ArgumentError(
                f"indices: expected whole numbers in a tuple, got {self.indices!r:.60}"
            ) from error
        if not numbers or len(set(numbers)) < len(numbers):
            raise ArgumentError(f"indices: expected different numbers, got {self.indices!r:.60}")
        check_inner(self.of)
        object.__setattr__(self, "indices", numbers)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        rows = rows_of(self.of, outputs, batch)
        if not all(-rows.shape[1] <= i < rows.shape[1] for i in self.indices):
            raise OutputError(
                f"expected indices among {rows.shape[1]} outputs, got {list(self.indices)}"
            )
        chosen = [i % rows.shape[1] for i in self.indices]
        if len(set(chosen)) < len(chosen):
            raise OutputError(
                f"expected different outputs, got {list(self.indices)} of {rows.shape[1]}, which "
                "name one twice"
            )
        return torch.stack([rows[:, i] for i in chosen], 1)


@dataclass(frozen=True)
class Linear:
    """A linear map of the outputs: M f, M of shape (D', D), given as rows; (B, D').

    One row is a direction; differences of classes, means over groups, a change of units.
    """

    matrix: tuple[tuple[float, ...], ...]
    of: OutputFunction | None = None

    def __post_init__(self) -> None:
        try:
            matrix = torch.as_tensor(self.matrix, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(
                f"matrix: expected rows of numbers of one length, got {self.matrix!r:.60}"
            ) from error
        if matrix.dim() != 2 or not matrix.numel() or not bool(matrix.isfinite().all()):
            raise ArgumentError(
                f"matrix: expected finite rows of one length, got shape {tuple(matrix.shape)}"
            )
        check_inner(self.of)
        object.__setattr__(self, "matrix", tuple(map(tuple, matrix.tolist())))

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        rows = rows_of(self.of, outputs, batch)
        matrix = torch.tensor(self.matrix, dtype=rows.dtype, device=rows.device)
        if matrix.shape[1] != rows.shape[1]:
            raise OutputError(
                f"expected a matrix with {rows.shape[1]} columns, one an output, got "
                f"{matrix.shape[1]}"
            )
        return rows @ matrix.T
