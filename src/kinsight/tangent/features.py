"""The tangent features of a batch: J in blocks by parameter, with f(x)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from kinsight.tangent.blocks import Block


@dataclass(frozen=True)
class Features:
    """J for a batch, (B, D, P) in blocks by parameter, with f(x) and which samples are unfit."""

    values: Tensor  # (B, D)
    blocks: dict[str, Block]
    bad: Tensor  # (B,) bool: output not finite

    def __len__(self) -> int:
        return len(self.values)

    @property
    def bytes(self) -> int:
        """Memory held by the blocks."""
        return sum(block.bytes for block in self.blocks.values())

    def mapped(self, change: Callable[[Block], Block]) -> "Features":
        """The same with every block changed."""
        return replace(self, blocks={name: change(block) for name, block in self.blocks.items()})
