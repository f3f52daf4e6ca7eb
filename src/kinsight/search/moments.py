"""First and second moments of rows, and every row's projection on them: sums without pairs.

Σ_j k_ij = ⟨φ_i, Σ φ_j⟩,  Σ_j k_ij² = φ_iᵀ (Σ φ_j φ_jᵀ) φ_i,  Σ_j k_ij a_j = ⟨φ_i, Σ φ_j a_jᵀ⟩.

Sums go over tiles that stay in a cache in float32, from there on in float64, shards in their
order: the same shards give the same bits, another cut of the same rows the same to 1e-6.
"""

import torch
from torch import Tensor

from kinsight.kernel.feature_source import unbiased_square
from kinsight.search.rows import Rows
from kinsight.search.tiles import CACHED, PRODUCT, one_thread, tiles

_DOUBLE = 1 << 22  # numbers of a tile that is made float64 for a product


def shard_moments(rows: Rows, shard: int) -> tuple[Tensor, Tensor]:
    """Σ φ and Σ φφᵀ of one shard: (S,) and (S, S), float64. Cost: n S² multiplications."""
    where = rows.shards[shard]
    return _first(rows, where), _second(rows, where)


def first(rows: Rows) -> Tensor:
    """Σ_j φ_j: (S,) float64. Cost: one reading."""
    total = torch.zeros(rows.dim, dtype=torch.float64)
    for where in rows.shards:
        total += _first(rows, where)
    return total


def second(rows: Rows) -> Tensor:
    """Σ_j φ_j φ_jᵀ: (S, S) float64. Cost: one reading, N S² multiplications in float32."""
    total = torch.zeros(rows.dim, rows.dim, dtype=torch.float64)
    for where in rows.shards:
        total += _second(rows, where)
    return total


def _first(rows: Rows, where: range) -> Tensor:
    total = torch.zeros(rows.dim, dtype=torch.float64)
    ones = torch.ones(max(1, CACHED // rows.dim))
    with one_thread():
        for _, tile in tiles(rows, CACHED, where.start, where.stop):
            total += torch.mv(tile.T, ones[: len(tile)])
    return total


def _second(rows: Rows, where: range) -> Tensor:
    total = torch.zeros(rows.dim, rows.dim, dtype=torch.float64)
    part = torch.empty(rows.dim, rows.dim)
    for _, tile in tiles(rows, PRODUCT, where.start, where.stop):
        total += torch.mm(tile.T, tile, out=part)
    return total


def soft(rows: Rows, moment: Tensor | None = None) -> Tensor:
    """Σ_j k_ij, itself included: (N,) float64.

    ``moment``: :func:`first`, where somebody has it already, or that of other rows.
    """
    total = (first(rows) if moment is None else moment).float()
    result = torch.empty(len(rows), dtype=torch.float64)
    with one_thread():
        for where, tile in tiles(rows, CACHED):
            result[where] = tile @ total
    return result


def square(
    rows: Rows,
    moment: Tensor | None = None,
    alive: Tensor | None = None,
    dim: float | None = None,
) -> Tensor:
    """Σ_j k_ij², itself included: (N,) float64.

    Args:
        moment: :func:`second`, where somebody has it already.
        alive: (N,) bool, the rows that are not zero. If given, the rows are sketches of S
            dimensions and the sum is corrected for that, as by ``FeatureSource(sketched=True)``.
        dim: S of that correction, where sketches are better than their law.

    Cost: N S² multiplications in float32, beside those of the moment.
    """
    matrix = (second(rows) if moment is None else moment).float()
    result = torch.empty(len(rows), dtype=torch.float64)
    for where, tile in tiles(rows, PRODUCT):
        result[where] = ((tile @ matrix) * tile).sum(1).double()
    return result if alive is None else unbiased_square(result, alive, dim or rows.dim)


def weighted(rows: Rows, values: Tensor) -> Tensor:
    """Σ_j k_ij a_j, itself included, for a of shape (N, A): (N, A) float64.

    Cost: two readings, 4 N S A operations.
    """
    values = values.double()
    total = torch.zeros(rows.dim, values.shape[1], dtype=torch.float64)
    for where, tile in tiles(rows, _DOUBLE):
        total += tile.double().T @ values[where]
    result = torch.empty(values.shape, dtype=torch.float64)
    for where, tile in tiles(rows, _DOUBLE):
        result[where] = tile.double() @ total
    return result
