"""What every analysis returns: tensors with one entry a sample, as a table and as a figure."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kinsight.drawing import marks
from kinsight.drawing.notebook import Shown

if TYPE_CHECKING:
    import pyarrow


class Result(Shown):
    """A frozen dataclass whose tensors have N entries, in the order of the data.

    A notebook shows its fields in a few words, and its figure.
    """

    def table(self) -> "pyarrow.Table":
        """One row a sample: a column for every tensor, lists of numbers where it has several."""
        import pyarrow

        return pyarrow.table({name: as_column(v) for name, v in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, those that were not computed left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}

    def _numbers(self) -> list[tuple[str, str]]:
        found = ((field.name, getattr(self, field.name)) for field in fields(self))  # type: ignore
        return [(name, _said(value)) for name, value in found if value is not None]


def as_column(value: Tensor) -> Any:
    """(N,) as a column of numbers, (N, K) or (N, K, L) as one of lists of K or K·L numbers."""
    import pyarrow

    value = value.detach().cpu()
    if value.dim() > 1 and value[0].numel() == 1:
        value = value.reshape(-1)
    if value.dim() == 1:
        return pyarrow.array(value.numpy())
    flat = pyarrow.array(np.ascontiguousarray(value.numpy()).reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, value[0].numel())


def histogram(axes: Any, values: Tensor, name: str, marked: Any = None, said: str = "") -> None:
    """Samples by value, the median marked; ``marked`` (N,) bool in another colour."""
    marks.histogram(axes, values.numpy(), name, None if marked is None else marked.numpy(), said)


def _said(value: Any) -> str:
    """A field in a few words: of a tensor its shape, its median and its range."""
    if not isinstance(value, Tensor):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    shape = "×".join(f"{n:,}" for n in value.shape)
    finite = value.detach().double()
    finite = finite[finite.isfinite()]
    if not finite.numel():
        return f"{shape}, none finite" if value.numel() else f"{shape}, empty"
    if value.dtype == torch.bool:
        return f"{shape}, {int(finite.sum()):,} true"
    # numpy: quantiles of torch stop at 16 million entries
    middle = float(np.median(finite.cpu().numpy()))
    low, high = float(finite.min()), float(finite.max())
    apart = value.numel() - finite.numel()
    more = f", {apart:,} not finite" if apart else ""
    return f"{shape}, median {middle:.4g}, from {low:.4g} to {high:.4g}{more}"
