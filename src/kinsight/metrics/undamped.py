"""A root of F⁺ whose rank does not depend on how the network is written.

Which eigenvalues of F count as zero would change with the units of the parameters: a layer times
5 and the next divided by it spread them by 5⁴. So every neuron's own block is made the identity
first, which no re-scaling and no weight norm survives, and the rank is decided after that.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kinsight.metrics.damping import inverse_root

_AMPLIFIED = 100.0  # dividing by the block of a neuron makes rounding larger


def undamped(mean: Tensor, neurons: Sequence[Tensor], noise: float) -> tuple[Tensor, int]:
    """B with B Bᵀ = F⁻, for blocks F of shape (R, W, W): (R, W, W), and W·R less their ranks.

    F⁻ is an inverse on the range of F (F F⁻ F = F), so J F⁻ Jᵀ is what it would be with F⁺ for
    all gradients that F has seen. ``neurons``: of a block of a whole layer or network (R = 1) the
    entries that belong to one neuron, (rows, width) for each layer.
    """
    if not neurons:
        return whitening(mean, noise)
    whole = mean[0]
    first = torch.zeros_like(whole)
    for entries in neurons:  # (rows, width)
        rows, columns = entries[:, :, None], entries[:, None]
        first[rows, columns] = whitening(whole[rows, columns], noise)[0]
    second, missing = whitening((first.mT @ whole @ first)[None], noise * _AMPLIFIED)
    return first @ second, missing


def whitening(matrix: Tensor, noise: float) -> tuple[Tensor, int]:
    """D^-½ C^-½ with D the diagonal and C = D^-½ F D^-½: (R, W, W), and the directions missing.

    Eigenvalues of C up to ``noise`` times the largest count as zero.
    """
    scale = inverse_root(matrix.diagonal(dim1=1, dim2=2).clamp_min(0), 0.0)  # (R, W)
    scaled = matrix * scale[:, :, None] * scale[:, None]
    values, vectors = torch.linalg.eigh((scaled + scaled.mT) / 2)
    inverse = inverse_root(values, noise * values[:, -1:])
    root = scale[:, :, None] * (vectors * inverse[:, None]) @ vectors.mT
    return root, int((inverse == 0).sum())
