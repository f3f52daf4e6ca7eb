"""Looks as TensorBoard shows them: scalars, the kernel matrix and the map of fit as pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kinsight.drawing.style import house_style
from kinsight.search.extras import optional
from kinsight.training.look import Look
from kinsight.training.pictures import kernel_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_SCALARS = ("look", "step", "eigenvalues", "share_allowed")
_EIGENVALUES = 3  # of the largest, as curves
_PREFIX = "kinsight"


def require() -> Any:
    """The module of torch that writes event files.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    return optional("torch.utils.tensorboard", "tensorboard", "tensorboard=True")


class Events:
    """Event files in a folder.

    Args:
        folder: of the event files.
        after: step after which earlier events are void, where a run goes on.
    """

    def __init__(self, folder: Path, after: int):
        self._writer = require().SummaryWriter(str(folder), purge_step=after + 1)

    def write(self, row: dict[str, Any], look: Look, classes: Tensor | None, began: float) -> None:
        """One look: every number of its row, and its pictures."""
        step = row["step"]
        scalars = {n: v for n, v in row.items() if n not in _NO_SCALARS and v is not None}
        for place, value in enumerate((row["eigenvalues"] or [])[:_EIGENVALUES]):
            scalars[f"eigenvalue_{place + 1}"] = value
        for name, value in scalars.items():
            self._writer.add_scalar(f"{_PREFIX}/{name}", value, step, walltime=began)
        pictures = {"kernel": kernel_matrix(look.similarity, classes)}
        if look.fit is not None:
            pictures["fit"] = look.fit.figure()
        for name, figure in pictures.items():
            self._writer.add_image(
                f"{_PREFIX}/{name}", pixels(figure), step, walltime=began, dataformats="HWC"
            )
        self._writer.flush()

    def close(self) -> None:
        """Write out what is buffered."""
        self._writer.close()


def pixels(figure: "Figure") -> np.ndarray:
    """The figure as (H, W, 3) bytes."""
    with house_style():
        figure.canvas.draw()
    canvas: Any = figure.canvas
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
