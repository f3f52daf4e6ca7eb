"""The gradient written out: one parameter's, or several side by side."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.tangent.blocks.base import Block, largest


@dataclass(frozen=True)
class Dense(Block):
    """The gradient itself, where that is the cheapest: biases, scales, small weights."""

    value: Tensor  # (B, D, P)

    @property
    def bytes(self) -> int:
        return self.value.nbytes

    def dense(self) -> Tensor:
        return self.value

    def mix(self, weights: Tensor) -> Block:
        if self.value.shape[1] == weights.shape[1] == 1:
            return Dense(self.value * weights.to(self.value.dtype))
        return Dense(weights.to(self.value.dtype) @ self.value)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        mixing = weights.to(self.value.dtype).transpose(0, 1).flatten(1)  # (D', B·D)
        return mixing @ self.value.flatten(0, 1)

    def rounded(self, dtype: torch.dtype) -> Block:
        return replace(self, value=self.value.to(dtype))

    def peak(self) -> Tensor:
        return largest(self.value)

    def keep(self, samples: Tensor) -> Block:
        return Dense(self.value[samples])

    def clean(self, bad: Tensor) -> Block:
        return Dense(self.value.masked_fill(bad[:, None, None], 0.0))


@dataclass(frozen=True)
class Joined(Dense):
    """Several parameters' gradients side by side, so that one matrix product serves them all."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, blocks: dict[str, Dense]) -> "Joined":
        """The given blocks in one, in their order."""
        values = [block.value for block in blocks.values()]
        value = values[0] if len(values) == 1 else torch.cat(values, 2)
        return cls(value, tuple(blocks), tuple(v.shape[2] for v in values))

    def parts(self) -> dict[str, Block]:
        """One block per parameter again, without a copy."""
        pieces = self.value.split(self.sizes, 2)
        return {name: Dense(piece) for name, piece in zip(self.names, pieces, strict=True)}

    def mix(self, weights: Tensor) -> Block:
        return replace(self, value=super().mix(weights).dense())

    def keep(self, samples: Tensor) -> Block:
        return replace(self, value=super().keep(samples).dense())

    def clean(self, bad: Tensor) -> Block:
        return replace(self, value=super().clean(bad).dense())
