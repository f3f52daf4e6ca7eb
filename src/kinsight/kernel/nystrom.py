"""Features from similarities to landmarks: φ = C W^{-1/2} (Williams and Seeger 2001)."""

import torch
from torch import Tensor


def nystrom_features(values: Tensor, landmarks: Tensor) -> Tensor:
    """φ with ⟨φ_i, φ_j⟩ = c_i W⁺ c_j.

    Args:
        values: C, (N, S) similarities to the landmarks.
        landmarks: (S,) their positions among the N.

    Returns: (N, S), in the precision of ``values``. Eigenvalues of W below S·eps·λ_max count as
    zero. Cost: O(S³ + N S²).
    """
    among = values[landmarks].double()
    eigenvalues, vectors = torch.linalg.eigh((among + among.T) / 2)
    limit = len(landmarks) * torch.finfo(values.dtype).eps * float(eigenvalues.max())
    roots = torch.where(eigenvalues > limit, eigenvalues.clamp_min(limit).rsqrt(), 0.0)
    return values @ (vectors * roots).to(values.dtype)
