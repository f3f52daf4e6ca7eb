"""Centred kernel alignment: how much two networks, layers or similarities agree on all pairs.

Example:
    >>> import torch, kinsight as ks
    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    >>> round(ks.baselines.cka(x, 3 * x @ turn + 1), 6)
    1.0
"""

from typing import Any

import torch
from torch import Tensor

from kinsight.baselines.pairs import Rows, Sides
from kinsight.errors import ArgumentError


def cka(first: Any, second: Any, *, unbiased: bool = False) -> float:
    """CKA = HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) of two views of the same N samples.

    HSIC(K, L) = Tr(K H L H), H = I − 11ᵀ/N takes the mean out. In [0, 1]: 1 when the Gram
    matrices are the same up to a factor and an offset; NaN where one of them is constant. Of
    matrices X, Y of features it is ‖XᵀHY‖² / (‖XᵀHX‖ ‖YᵀHY‖), linear CKA.

    Many features on few samples make everything agree, by the diagonal of K alone.
    ``unbiased=True`` leaves the diagonal out and corrects the means: about 0 on the average for
    independent views (so that it may be negative), NaN where one view has no more structure than
    chance gives. It needs 4 samples.

    Args:
        first, second: each a source (``kernel.on(data)``, ``baseline.on(data)``, a store), whose
            similarities are compared, or features (N, S), compared by inner products. Samples
            that either side sets apart are left out.

    Cost: all pairs of both, by ranges of rows within the memory budget; nothing of N×N is kept.

    Raises:
        ArgumentError: different numbers of samples, or too few.

    Sources: Kornblith et al., "Similarity of neural network representations revisited", ICML
    2019; unbiased: Song et al., JMLR 2012; Nguyen, Raghu, Kornblith, ICLR 2021.
    """
    sides = Sides(first, second)
    least = 4 if unbiased else 2
    if len(sides.fit) < least:
        raise ArgumentError(
            f"expected at least {least} samples that no side sets apart, got {len(sides.fit)}"
        )
    alignment = Alignment(len(sides.fit))
    for rows in sides.rows():
        alignment.add(rows)
    return alignment.unbiased() if unbiased else alignment.value()


class Alignment:
    """Sums over n×n pairs from which CKA follows, taken in range by range of rows."""

    def __init__(self, count: int):
        self._sums = torch.zeros(2, count, dtype=torch.float64)  # of rows
        self._own = torch.zeros(2, count, dtype=torch.float64)  # diagonals
        self._products = torch.zeros(2, 2, dtype=torch.float64)  # Σ_ij K_ij L_ij

    def add(self, rows: Rows) -> None:
        """Take in some rows of both."""
        sides = [rows.first.double(), rows.second.double()]
        place = torch.arange(len(rows.own))
        for i, value in enumerate(sides):
            self._sums[i, rows.own] = value.sum(1)
            self._own[i, rows.own] = value[place, rows.own]
            for j in range(i, 2):
                self._products[i, j] += torch.dot(value.flatten(), sides[j].flatten())

    def value(self) -> float:
        """CKA in [0, 1]; NaN where a Gram matrix is constant."""
        n = self._sums.shape[1]
        sums = self._sums
        # Tr(K H L H) = Σ K L − 2/n Σ_i r_i s_i + 1/n² Σ r Σ s
        centred = (
            self._symmetric() - 2 / n * sums @ sums.T + torch.outer(sums.sum(1), sums.sum(1)) / n**2
        )
        return _ratio(centred, self._symmetric())

    def unbiased(self) -> float:
        """The same without diagonals: at most 1, around 0 for independent views."""
        n = self._sums.shape[1]
        if n < 4:
            return float("nan")
        sums = self._sums - self._own
        products = self._symmetric() - self._own @ self._own.T
        total = torch.outer(sums.sum(1), sums.sum(1)) / ((n - 1) * (n - 2))
        return _ratio(products + total - 2 / (n - 2) * sums @ sums.T, products)

    def _symmetric(self) -> Tensor:
        return self._products + self._products.triu(1).T


def _ratio(value: Tensor, scale: Tensor) -> float:
    """K·L / √(K·K L·L); NaN where nothing is left of K·K or L·L but rounding."""
    own = value.diagonal()
    if bool((own <= 1e-14 * scale.diagonal()).any()):
        return float("nan")
    return min(float(value[0, 1] / (own[0] * own[1]).sqrt()), 1.0)
