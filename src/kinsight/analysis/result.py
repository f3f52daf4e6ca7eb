"""What every analysis returns: tensors with one entry a sample, as a table and as a figure."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.figure import Figure


class Result(ABC):
    """A frozen dataclass whose tensors have N entries, in the order of the data."""

    def table(self) -> "pyarrow.Table":
        """One row a sample: a column for every tensor, lists of numbers where it has several."""
        import pyarrow

        return pyarrow.table({name: as_column(v) for name, v in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, those that were not computed left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}

    @abstractmethod
    def figure(self) -> "Figure":
        """The result as a person looks at it."""


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


def new_figure(panels: int = 1, width: float = 6.0, height: float = 4.0) -> tuple["Figure", list]:
    """An empty figure in the house style, and its axes. No global state of matplotlib is used."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width * panels, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(1, panels, i + 1) for i in range(panels)]
    for each in axes:
        each.grid(True, color="0.9", linewidth=0.8)
        each.set_axisbelow(True)
    return figure, axes


def histogram(axes: Any, values: Tensor, name: str) -> None:
    """Samples by value, the median marked."""
    finite = values[values.isfinite()].numpy()
    axes.set_xlabel(name)
    axes.set_ylabel("samples")
    if not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    if high - low < 1e-9 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    axes.hist(finite, bins=min(60, max(8, int(len(finite) ** 0.5))), range=(low, high), rwidth=0.9)
    axes.axvline(float(np.median(finite)), color="0.2", linewidth=1, linestyle="--")
