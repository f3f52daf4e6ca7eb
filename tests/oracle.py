"""The slow, obvious truth: kernels from an explicit Jacobian, sample by sample, in float64.

Everything here is a plain function of J: (N, D, P) as :func:`jacobian` gives it. Nothing is shared
with the fast path but the network itself.
"""

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from kinsight.network.batches import Batch
from kinsight.network.function import NetworkFunction, OutputFunction
from kinsight.tangent.reference import jacobian_by_loop


class Twice(NetworkFunction):
    """f of a sample that stands twice in its batch.

    PyTorch 2.13 on CPU differentiates batch and instance norm wrongly in a batch of one whose
    gradient arrives transposed: strides of the first axis mislead it.
    """

    def __call__(self, batch: Batch) -> Tensor:
        double = tree_map(lambda t: torch.cat([t, t]) if isinstance(t, Tensor) else t, batch)
        return super().__call__(double)[:1]


def jacobian(model: nn.Module, batch: Batch, output: OutputFunction | None = None) -> Tensor:
    """J: (N, D, P), one backward pass for every output of every sample."""
    counts = any(getattr(module, "scale_grad_by_freq", False) for module in model.modules())
    function = NetworkFunction if counts else Twice  # twice would count tokens twice
    return jacobian_by_loop(function(model, output), batch)


def matrix(ours: Tensor, theirs: Tensor) -> Tensor:
    """K(x, y) = J(x) J(y)ᵀ: (N, M, D, D)."""
    return torch.einsum("ndp,mep->nmde", ours, theirs)


def inner(ours: Tensor, theirs: Tensor) -> Tensor:
    """Tr K(x, y): (N, M)."""
    return torch.einsum("ndp,mdp->nm", ours, theirs)


def norms(jacobian: Tensor) -> Tensor:
    """√Tr K(x, x): (N,)."""
    return jacobian.flatten(1).norm(dim=1)


def row_norms(jacobian: Tensor) -> Tensor:
    """√K(x, x)_dd: (N, D), the norm of every output's gradient."""
    return jacobian.norm(dim=2)


def spectra(jacobian: Tensor) -> Tensor:
    """Eigenvalues of K(x, x), ascending, those that count as zero set to zero: (N, D)."""
    return torch.stack([_spectrum(j @ j.T)[0] for j in jacobian])


def whitened(jacobian: Tensor) -> Tensor:
    """K(x, x)^{-1/2} J(x) by the pseudo-inverse: (N, D, P), its rows span what J's rows span."""
    return torch.stack([_inverse_root(j @ j.T) @ j for j in jacobian])


def normalized_matrix(ours: Tensor, theirs: Tensor) -> Tensor:
    """K(x,x)^{-1/2} K(x,y) K(y,y)^{-1/2}: (N, M, D, D)."""
    return matrix(whitened(ours), whitened(theirs))


def similarity(ours: Tensor, theirs: Tensor) -> Tensor:
    """Tr of the normalised matrix over √(r r'): (N, M); 0 where a gradient vanishes."""
    ranks = _ranks(ours)[:, None] * _ranks(theirs)
    return inner(whitened(ours), whitened(theirs)) / ranks.clamp_min(1).sqrt()


def trace_similarity(ours: Tensor, theirs: Tensor) -> Tensor:
    """Tr K(x, y) / √(Tr K(x, x) Tr K(y, y)): (N, M); 0 where a gradient vanishes."""
    scale = norms(ours)[:, None] * norms(theirs)
    return torch.where(scale > 0, inner(ours, theirs) / scale, 0.0)


def density(similarities: Tensor) -> Tensor:
    """Σ_j k(x, r_j) of similarities (N, M) to a reference: (N,)."""
    return similarities.sum(1)


def condition(jacobian: Tensor) -> float:
    """The largest λ_max/λ_min over the samples' K(x, x), of eigenvalues that are not zero."""
    values = spectra(jacobian)
    smallest = torch.where(values > 0, values, torch.inf).amin(1)
    finite = smallest.isfinite()
    return float((values.amax(1) / smallest)[finite].max()) if bool(finite.any()) else 1.0


def deviation(got: Tensor, want: Tensor, ours: Tensor, theirs: Tensor) -> float:
    """The largest |got − want| over the product of the norms, absolute where that is 0.

    ``ours``, ``theirs`` are :func:`norms` for (N, M), :func:`row_norms` for (N, M, D, D).
    """
    if got.shape != want.shape:
        raise AssertionError(f"expected shape {tuple(want.shape)}, got {tuple(got.shape)}")
    error = (got.double() - want).abs().nan_to_num(torch.inf)
    scale = ours[:, None] * theirs
    if got.dim() == 4:
        scale = ours[:, None, :, None] * theirs[None, :, None, :]
    return float(torch.where(scale > 0, error / scale, error).max())


def _spectrum(gram: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(gram)
    limit = len(values) * torch.finfo(gram.dtype).eps * values.max()
    return torch.where(values > limit, values, 0.0), vectors


def _inverse_root(gram: Tensor) -> Tensor:
    values, vectors = _spectrum(gram)
    roots = torch.where(values > 0, values.clamp_min(1e-300).rsqrt(), 0.0)
    return vectors @ roots.diag() @ vectors.T


def _ranks(jacobian: Tensor) -> Tensor:
    return (spectra(jacobian) > 0).sum(1).double()
