"""Random probes: Tr K of very many outputs, estimated from a few backward passes."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.network.columns import Batch
from kinsight.network.function import OutputFunction
from kinsight.network.outputs.reading import check_inner, rows_of


@dataclass(frozen=True)
class Probes:
    """Random combinations of the outputs, the same for all samples: V f / √count, (B, count).

    Rademacher signs V from ``seed``. Tr K of the probed outputs is an unbiased estimate of
    Tr K(x, x') from ``count`` backward passes whatever D is. Its variance is
    (2/count)(‖S‖_F² − Σ S_ii²), S the symmetric part of K(x, x'): at most
    (2/count) Tr K(x,x) Tr K(x',x'), and relative to the square of Tr K(x,x) at most 2/count.
    Only for ``normalization="trace"`` or ``None``: whitening needs all D outputs. ``of``: another
    output that is probed in place of the network's, such as all positions of a dense one.
    """

    count: int = 8
    seed: int = 0
    of: OutputFunction | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ArgumentError(f"count: expected at least one probe, got {self.count}")
        check_inner(self.of)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        values = rows_of(self.of, outputs, batch)
        generator = torch.Generator().manual_seed(self.seed)
        signs = torch.randint(0, 2, (values.shape[1], self.count), generator=generator) * 2 - 1
        return values @ (signs.to(values) / self.count**0.5)


def probed(output: Any) -> bool:
    """Whether random probes are among what is asked, at whatever depth."""
    return isinstance(output, Probes) or (
        output is not None and probed(getattr(output, "of", None))
    )
