"""How far of the way does a taught network go? Predicted from the labels' noise, and measured.

Labels scatter by σ on each axis around the truth, the known displacements of training by d. Of a
polygon that lies r beside its building, the label says d − ε with r = d − ε; the least squared
error is r d²/(d² + σ²). The rest of the way averages to nothing.
"""

from pathlib import Path

import numpy as np
from map_alignment_cells import ARMS, TEST_SEED, Sizes, region

from kinsight.alignment import Displacements, Passes, load_network
from kinsight.alignment.applying import displacements
from kinsight.alignment.pyramid import Pyramid

CALM, WILD = 0.3, 1.3  # a patch's displacements are between these times their deviation


def predicted(scale: int, noise: float, asked: Displacements) -> float:
    """d²/(d² + σ²) at one scale: the share of the way.

    >>> round(predicted(4, 8.0, Displacements()), 2)
    0.67
    """
    square = (WILD**3 - CALM**3) / (3 * (WILD - CALM))  # mean of the squared factor
    known = square * (asked.shift**2 + asked.field**2) * scale**2
    return known / (known + noise**2)


def measured(name: str, sizes: Sizes, folder: Path) -> dict:
    """Shares of the way of the first round's network, on unseen scenes with the same noise.

    The slope Σ f·r / Σ r·r of answers f over ways r to the truth, at each scale.

    Args:
        name: of a cell that is finished, arm and seed.
        folder: where its networks are.
    """
    arm, seed = name.rsplit(" ", 1)
    noise = ARMS[arm].noise
    network = load_network(folder / name / "round0.pt")
    other = region(sizes.held_out, TEST_SEED + int(seed), noise, sizes.side)
    rows = []
    for scale in (4, 2, 1):
        answers, ways = [], []
        for one, noisy in zip(other.scenes, other.noisy, strict=True):
            pyramid = Pyramid(one.image, (scale,))
            found, _ = displacements(network, pyramid, noisy.polygons, scale, Passes())
            real = np.flatnonzero(noisy.source >= 0)
            truth = [one.polygons[noisy.source[i]].outline[0] for i in real]
            ways += [t - noisy.polygons[i].outline[0] for i, t in zip(real, truth, strict=True)]
            answers += list(scale * found[0, real])
        f, r = np.array(answers), np.array(ways)  # (M, 2) each
        rows.append(
            {
                "scale": scale,
                "predicted": round(predicted(scale, noise.shift, Displacements()), 3),
                "measured": round(float((f * r).sum() / (r * r).sum()), 3),
                "correlation": round(float(np.corrcoef(f.ravel(), r.ravel())[0, 1]), 3),
            }
        )
    return {"way": rows}
