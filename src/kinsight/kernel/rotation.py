"""Similarity up to a rotation of the outputs: the best trace over all rotations, D = 1, 2, any."""

import torch
from torch import Tensor


def best_trace(matrices: Tensor) -> Tensor:
    """max over rotations R of Tr(M R), for M of shape (…, D, D): (…).

    D = 1: M itself. D = 2: √((M₁₁ + M₂₂)² + (M₁₂ − M₂₁)²), which is √(‖M‖_F² + 2 det M) without
    its cancellation where det M < 0. Any D: σ₁ + … + σ_{D−1} + sign(det M) σ_D, singular values
    in falling order. At least 0 for D ≥ 2. NaN where an entry is not finite.

    Cost: O(D³) a matrix.

    Source: Kabsch, "A solution for the best rotation to relate two sets of vectors", Acta
    Crystallographica A 32 (1976).

    Example:
        A quarter turn is a rotation, a mirror is not.

        >>> turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> mirror = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
        >>> best_trace(torch.stack([turn, mirror]))
        tensor([2., 0.])
    """
    d = matrices.shape[-1]
    if d == 1:
        return matrices[..., 0, 0]
    if d == 2:
        along = matrices[..., 0, 0] + matrices[..., 1, 1]
        across = matrices[..., 0, 1] - matrices[..., 1, 0]
        return torch.hypot(along, across)
    fit = matrices.isfinite().flatten(-2).all(-1)
    values = torch.where(fit[..., None, None], matrices, 0.0)
    singular = torch.linalg.svdvals(values)  # (…, D), falling
    sign = torch.linalg.slogdet(values).sign  # no underflow, whatever D
    best = singular[..., :-1].sum(-1) + sign * singular[..., -1]
    return best.masked_fill(~fit, torch.nan)
