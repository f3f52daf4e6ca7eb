"""Kernel-weighted averages of labels and answers, matrix-valued: E_k[a], and how they weigh."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.kernel.source import Source


@dataclass(frozen=True)
class Averages:
    """With W_ij = (Σ_j c_j K_ij)⁺ c_j K_ij. N samples, D outputs, float64."""

    of: Tensor  # (N, D, A) Σ_j W_ij a_j
    covariance: Tensor  # (N, D, D) Σ_j W_ij W_ijᵀ
    inverse: Tensor  # (N, D, D) (Σ_j c_j K_ij)⁺
    negative: Tensor  # (N,) share of the weight that is negative, of Tr K_ij, in [0, ½] mostly
    condition: Tensor  # (N,) of Σ_j c_j K_ij; infinite where singular
    gram: Tensor | None  # (N·D, N·D) all K_ij, where asked for
    precision: torch.dtype  # that K_ij were computed in


def averages(
    source: Source, values: Tensor, weights: Tensor, present: Tensor, keep_gram: bool = False
) -> Averages:
    """Averages over the samples that are ``present``, the sample itself included.

    Args:
        values: (N, D, A), A quantities of D numbers to average.
        weights: (N,) c_j, the weight of each sample in the loss.

    Cost: all pairs, D² products each; memory O(N D (D + A)) and, if kept, the Gram matrix.
    """
    count, d, a = values.shape
    inside = (present & source.norms().isfinite()).double() * weights
    total = torch.zeros(count, d, d, dtype=torch.float64)
    square = torch.zeros_like(total)
    sums = torch.zeros(count, d, a, dtype=torch.float64)
    traces = torch.zeros(count, 2, dtype=torch.float64)
    gram = torch.zeros(count, d, count, d, dtype=torch.float64) if keep_gram else None
    precision = torch.float64
    for block in source.products():
        rows, columns, precision = block.rows, block.columns, block.values.dtype
        kernel = block.values.double().nan_to_num()  # (B, C, D, D)
        if gram is not None:
            gram[rows, :, columns] = kernel.transpose(1, 2)
        kernel = kernel * inside[columns, None, None]
        total[rows] += kernel.sum(1)
        square[rows] += torch.einsum("bcde,bcfe->bdf", kernel, kernel)
        sums[rows] += torch.einsum("bcde,cea->bda", kernel, values[columns])
        trace = kernel.diagonal(dim1=2, dim2=3).sum(2)
        traces[rows, 0] += trace.clamp_max(0).abs().sum(1)
        traces[rows, 1] += trace.abs().sum(1)
    inverse, condition = _inverted(total)
    return Averages(
        inverse @ sums,
        inverse @ square @ inverse.mT,
        inverse,
        traces[:, 0] / traces[:, 1].clamp_min(1e-300),
        condition,
        None if gram is None else gram.reshape(count * d, count * d),
        precision,
    )


def _inverted(total: Tensor) -> tuple[Tensor, Tensor]:
    """Pseudo-inverses and condition numbers of (N, D, D)."""
    sizes = torch.linalg.svdvals(total)  # (N, D)
    smallest = sizes[:, -1]
    limit = total.shape[1] * torch.finfo(torch.float32).eps * sizes[:, 0]
    condition = torch.where(smallest > limit, sizes[:, 0] / smallest, torch.inf)
    rtol = total.shape[1] * torch.finfo(torch.float32).eps
    return torch.linalg.pinv(total, rtol=rtol), condition
