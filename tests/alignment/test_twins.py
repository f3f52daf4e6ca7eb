"""Two maps of the same buildings that differ by noise alone are cut and displaced alike."""

import numpy as np
import pytest
import torch

from alignment.cases import grey, square
from kinsight.alignment import Displacements, LabelNoise, Polygon
from kinsight.alignment.patches import cut
from kinsight.alignment.pyramid import Pyramid


def buildings() -> list[Polygon]:
    """Far enough apart that no two own the same pixels."""
    return [square(60 + 90 * i, 60 + 90 * j, 24) for i in range(4) for j in range(4)]


@pytest.mark.parametrize("scale", [1, 2])
def test_noise_does_not_change_the_known_displacements(scale) -> None:
    """Though it moves polygons into windows and out of them."""
    pyramid, true = Pyramid(grey(480, 480), (1, 2)), buildings()
    asked = Displacements(3.0, 0.0)
    sizes = []
    for seed in range(20):
        batches = [
            cut([pyramid], [LabelNoise(6.0).applied(true, 480, 480, draw).polygons],
                np.random.default_rng(seed), (scale,), 96, 4, asked)
            for draw in (1, 2)
        ]  # fmt: skip
        both = [
            {tuple(row.tolist()) for row in batch.displacement[i].flatten(1).T.unique(dim=0)}
            for batch in batches
            for i in range(4)
        ]
        for one, other in zip(both[:4], both[4:], strict=True):
            sizes.append((len((one & other) - {(0.0, 0.0)}), max(len(one), len(other)) - 1))
    common, least = np.array(sizes).T
    assert common.sum() > 0.7 * least.sum()  # the others are seen in one of the windows alone
    assert (common >= 1).mean() > 0.9


def test_classes_that_are_kept_are_those_drawn_anew() -> None:
    pyramids = [Pyramid(grey(480, 480), (1, 2, 4)), Pyramid(grey(60, 200), (1, 2, 4))]
    maps = [buildings()[:2], [square(20, 20, 30), Polygon(()), square(90, 10, 20)]]
    known: dict = {}
    for seed in range(20):
        found = [
            cut(pyramids, maps, np.random.default_rng(seed), (1, 2, 4), 96, 4, Displacements(), k)
            for k in (None, known)
        ]
        for name in vars(found[0]):
            assert torch.equal(getattr(found[0], name), getattr(found[1], name)), name
    assert len(known) == 6
