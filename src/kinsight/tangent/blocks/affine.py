"""A linear layer's weight and bias in one, where a sample uses each once: [a, 1] ⊗ δ.

The inner product of two samples is (a·a' + 1)(δ·δ'), so the bias costs one more entry of a in
place of a second product of all δ. Most of an MLP's inner products with many outputs are δ·δ'.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.tangent.blocks.base import Block
from kinsight.tangent.blocks.dense import Dense
from kinsight.tangent.blocks.outer import Outer


@dataclass(frozen=True)
class Affine(Outer):
    """The weight's outer product, its left side with a one behind: (B, 1, 1, I + 1)."""

    names: tuple[str, str] = ("", "")  # of the weight and of the bias

    @classmethod
    def of(cls, weight: Block, bias: Block, names: tuple[str, str]) -> "Affine | None":
        """Both in one; None unless the bias has the very output-gradients of the weight."""
        if type(weight) is not Outer or type(bias) is not Dense:
            return None
        groups, positions = weight.left.shape[1:3]
        if (groups, positions) != (1, 1) or not _same(weight.right[:, :, 0, 0], bias.value):
            return None
        left = torch.nn.functional.pad(weight.left, (0, 1), value=1.0)
        return cls(left, weight.right, weight.flipped, names=names)

    def parts(self) -> dict[str, Block]:
        """One block per parameter again."""
        scale = self.left[:, 0, 0, -1, None, None]  # one, or zero where a sample was set apart
        weight, bias = self.names
        return {
            weight: Outer(self.left[..., :-1], self.right, self.flipped),
            bias: Dense(self.right[:, :, 0, 0] * scale),
        }


def _same(ours: Tensor, theirs: Tensor) -> bool:
    """Equal numbers; no look at them where both are the same memory."""
    seen = [(t.data_ptr(), t.shape, t.stride(), t.dtype) for t in (ours, theirs)]
    return seen[0] == seen[1] or torch.equal(ours, theirs)


def with_biases(blocks: dict[str, Block]) -> dict[str, Block]:
    """Weights that stand beside their bias, by name, joined with it."""
    result = dict(blocks)
    for name, block in blocks.items():
        if not isinstance(block, Outer):
            continue
        stem = name.rpartition(".")[0]
        for other, bias in blocks.items():
            if other == name or other not in result or other.rpartition(".")[0] != stem:
                continue
            joined = Affine.of(block, bias, (name, other))
            if joined is not None:
                result[name] = joined
                del result[other]
                break
    return result
