"""How far a kernel moved: relative change, alignment and centred alignment of two Gram matrices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.baselines.cka import Alignment
from kinsight.baselines.pairs import Rows


@dataclass(frozen=True)
class Drift:
    """From K₀ to K, over the samples that neither sets apart; NaN where nothing can be said.

    A lazy network keeps its kernel: change near 0, alignments near 1. Alignment alone does not
    see a kernel that only grows; change does.
    """

    change: float  # ‖K − K₀‖_F / ‖K₀‖_F, from 0
    alignment: float  # ⟨K, K₀⟩_F / (‖K‖_F ‖K₀‖_F), 1 = the same up to a factor
    centred: float  # the same after the mean was taken out (CKA), in [0, 1]


def drift(now: Tensor, before: Tensor) -> Drift:
    """Of two Gram matrices of the same samples, (N, N), rows of NaN for samples set apart.

    Cost: O(N²) in float64.

    Sources: Cristianini et al. 2001 (alignment); Kornblith et al. 2019 (CKA); used on tangent
    kernels by Fort et al. 2020 and Baratin et al. 2021.

    Example:
        >>> import torch
        >>> round(drift(3 * torch.eye(2), torch.eye(2)).change, 6)
        2.0
        >>> round(drift(3 * torch.eye(2), torch.eye(2)).alignment, 6)
        1.0
    """
    both = (finite_rows(now) & finite_rows(before)).nonzero()[:, 0]
    if len(both) < 2:
        return Drift(torch.nan, torch.nan, torch.nan)
    ours, theirs = (gram.double()[both][:, both] for gram in (now, before))
    old, new = theirs.norm(), ours.norm()
    change = (ours - theirs).norm() / old
    cosine = (ours * theirs).sum() / (old * new)  # 0/0 where a kernel vanished
    return Drift(float(change), min(float(cosine), 1.0), centred_alignment(ours, theirs))


def centred_alignment(first: Tensor, second: Tensor) -> float:
    """CKA of two finite Gram matrices, (n, n); NaN where one of them is constant."""
    alignment = Alignment(len(first))
    places = torch.arange(len(first))
    alignment.add(Rows(places, places, first, second))
    return alignment.value()


def finite_rows(gram: Tensor) -> Tensor:
    """Samples that are not set apart: (N,) bool. Those that are have NaN on the diagonal."""
    return gram.diagonal().isfinite()
