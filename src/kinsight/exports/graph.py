"""Nearest samples as a sparse matrix of distances, in the form that cleanlab's Datalab asks for."""

from pathlib import Path

import numpy as np

from kinsight.exports.material import Material

FILE = "knn_graph.npz"
FARTHEST = 2.0  # 1 − similarity of two that are opposite


def write_graph(folder: Path, material: Material, kept: np.ndarray | None) -> list[str]:
    """``knn_graph.npz`` as ``scipy.sparse.save_npz`` would write it: CSR, nearest first.

    Row i is sample ``kept[i]``, columns likewise, distances 1 − similarity; ``sample`` holds
    ``kept`` once more. Every row has the same number of entries, because Datalab asks for that: as
    many as every sample with any neighbour has among those kept. A sample with none gets itself
    at distance 2. Without ``kept`` the samples are those that have neighbours.

    What is not as it was, in sentences.
    """
    lists = material.lists
    if lists is None:
        return []
    if kept is None:
        kept = np.flatnonzero(np.diff(lists.offsets))
    other, similarity = _among(material, kept)
    counts = (other >= 0).sum(1)
    width = int(counts[counts > 0].min(initial=lists.most)) if counts.any() else 0
    if not width:
        return [f"{FILE}: left out, no sample has neighbours"]
    distances = np.maximum(1 - similarity[:, :width].astype(np.float64), 0)
    alone = counts == 0
    columns = np.where(alone[:, None], np.arange(len(kept))[:, None], other[:, :width])
    distances[alone] = FARTHEST
    np.savez_compressed(
        folder / FILE,
        format=np.array(b"csr"),
        shape=np.array([len(kept), len(kept)]),
        indptr=np.arange(len(kept) + 1) * width,
        indices=columns.reshape(-1),
        data=distances.reshape(-1),
        sample=kept,
    )
    if width == lists.most and not alone.any():
        return []
    return [f"{FILE}: {width} of {lists.most} neighbours each; {alone.sum():,} samples have none"]


def _among(material: Material, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours that are kept, by their place among those, and their similarity: (M, K) each.

    In front, nearest first; −1 behind.
    """
    lists = material.lists
    place = np.full(material.count, -1)
    place[kept] = np.arange(len(kept))
    most = 0 if lists is None else lists.most
    other = np.full((len(kept), most), -1)
    similarity = np.zeros((len(kept), most), np.float32)
    for row, near in enumerate(material.near(kept.tolist())):
        found = [(place[sample], value) for sample, value in near if place[sample] >= 0]
        for column, (there, value) in enumerate(found):
            other[row, column], similarity[row, column] = there, value
    return other, similarity
