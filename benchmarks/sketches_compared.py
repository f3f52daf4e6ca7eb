"""Sketches beside the exact kernel: errors of similarities, recall of neighbours, densities."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import kinsight as ks

K, CANDIDATES, TAU = 10, 50, 0.5
COMPARED = 2000  # images whose pairs give the error


def spread(exact: Tensor) -> dict:
    """What there is to be told apart: similarities of pairs, soft densities of (Q, N)."""
    soft = exact.double().sum(1)
    count = min(COMPARED, len(exact))
    k = exact[:count, :count][pairs_of(count)]
    return {
        "queries": len(exact),
        "compared": count,
        "similarity_mean": float(k.mean()),
        "similarity_std": float(k.std()),
        "tenth_neighbour": float(exact.topk(K + 1).values[:, -1].mean()),
        "soft_mean": float(soft.mean()),
        "soft_std": float(soft.std()),
    }


def judged(store: ks.Store, exact: Tensor, truth: Tensor) -> dict:
    """A store against exact similarities (Q, N) of its first samples and their neighbours."""
    dim = store.head["sketch"]["dim"]
    count = min(COMPARED, len(exact))
    error = errors(store.similarity(range(count), range(count)), exact[:count, :count], dim)
    soft, theirs = exact.double().sum(1), ks.density(store, "soft").score[: len(exact)]
    off = theirs - soft
    return {
        "dim": dim,
        "bytes": sum(f.stat().st_size for f in Path(store.folder.path).rglob("*")) / len(store),
        **error,
        **found_again(store, truth),
        **counts(store, exact, TAU),
        "soft_shift": float(off.mean()),
        "soft_noise": float(off.std()),
        "soft_law": float((soft.mean() * len(store) / dim).sqrt()),
    }


def errors(sketched: Tensor, exact: Tensor, dim: int) -> dict:
    """k̂ − k over all pairs beside the law (1 − k²)/√S, which is the one of D = 1."""
    pairs = pairs_of(len(exact))
    k = exact.double()[pairs]
    off = sketched.double()[pairs] - k
    return {
        "dim": dim,
        "rms": rms(off),
        "law": rms(1 - k.square()) / dim**0.5,
        "bias": float(off.mean()),
        "largest": float(off.abs().max()),
    }


def found_again(source: ks.Source, truth: Tensor) -> dict:
    """Share of the true ten nearest among the ten best, and among 50: recall once re-ranked."""
    found = source.nearest(k=CANDIDATES).indices[: len(truth)]
    return {
        "recall": recall(found[:, :K], truth),
        "recall_reranked": recall(found, truth),
    }


def recall(found: Tensor, truth: Tensor) -> float:
    """Mean share of ``truth`` (Q, k) that is in ``found`` (Q, m)."""
    return float((truth[:, :, None] == found[:, None]).any(2).double().mean())


def counts(source: ks.Source, exact: Tensor, threshold: float) -> dict:
    """Correlations of soft density and hard count with the exact ones, plain and of ranks."""
    count = len(exact)
    soft = ks.density(source, "soft").score[:count], exact.double().sum(1)
    hard = ks.density(source, "hard", threshold=threshold).score[:count], (exact >= TAU).sum(1)
    return {
        "soft": correlation(*soft),
        "soft_rank": correlation(*map(ranks, soft)),
        "hard": correlation(*hard),
        "hard_rank": correlation(*map(ranks, hard)),
        "threshold": threshold,
    }


def like_share(source: ks.Source, exact: Tensor) -> float:
    """The threshold above which as many pairs lie as lie above τ in the exact kernel."""
    share = float((exact >= TAU).float().mean())
    some = torch.cat([b.values.flatten() for b in source.against(torch.arange(0, len(exact), 25))])
    return float(np.quantile(some.numpy(), 1 - share))


def differing(a: ks.Store, b: ks.Store) -> dict:
    """Float16 numbers of two stores: how many differ, the most, and what of similarities."""
    every = torch.arange(len(a))
    off = (a.take(every) - b.take(every)).abs()
    similarity = (a.similarity(every, every) - b.similarity(every, every)).abs()
    return {
        "numbers": off.numel(),
        "differ": int((off > 0).sum()),
        "most": float(off.max()),
        "similarity": float(similarity.max()),
    }


def pairs_of(count: int) -> tuple[Tensor, Tensor]:
    """Row and column of every pair once, none with itself."""
    row, column = torch.triu_indices(count, count, 1)
    return row, column


def rms(value: Tensor) -> float:
    """Root mean square."""
    return float(value.double().square().mean().sqrt())


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's."""
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


def ranks(score: Tensor) -> Tensor:
    """Ranks; ties share their mean."""
    _, place, count = score.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0).double() - (count - 1) / 2)[place]
