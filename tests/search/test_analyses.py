"""Analyses of rows on disk are those of the same features in memory."""

import pytest
import torch
from torch.testing import assert_close

import kinsight as ks
from kinsight.search.source import RowsSource
from search.rows import MemoryRows, unit

COUNT = 60
CLOSE = {"atol": 5e-3, "rtol": 5e-3, "equal_nan": True}


@pytest.fixture(scope="module")
def sources() -> tuple[RowsSource, ks.FeatureSource]:
    rows = MemoryRows(unit(COUNT, 16, zero=(5,)), [20, 1, 39])
    norms = torch.rand(COUNT, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    norms[5], norms[9] = 0, torch.nan
    more = {"norms": norms, "outputs": torch.linspace(0, 1, COUNT), "sketched": True}
    return RowsSource(rows, **more), ks.FeatureSource(rows.values.float(), **more)


@pytest.mark.parametrize(
    ("estimator", "more"),
    [
        ("soft", {}),
        ("square", {}),
        ("centred", {}),
        ("radius", {"k": 3}),
        ("hard", {"threshold": 0.31}),
        ("power", {"power": 4.0}),
        ("hard", {"threshold": 0.31, "sample": 25, "seed": 3}),
        ("power", {"power": 2.0, "sample": 25, "seed": 3}),
    ],
)
def test_density(sources, estimator, more) -> None:
    ours, theirs = (ks.density(source, estimator, **more) for source in sources)
    assert_close(ours.score, theirs.score, **CLOSE)
    if theirs.error is not None:
        assert_close(ours.error, theirs.error, **CLOSE)


def test_fit_uncertainty_denoising_and_suspects(sources) -> None:
    ours, theirs = sources
    classes, numbers = torch.arange(COUNT) % 2, torch.linspace(0, 1, COUNT).sqrt()
    mine, other = ks.fit(ours, classes), ks.fit(theirs, classes)
    for name in ("count", "expected"):
        assert_close(getattr(mine, name), getattr(other, name), **CLOSE)
    assert_close(ks.uncertainty(ours).score, ks.uncertainty(theirs).score, **CLOSE)
    mine, other = ks.denoise(ours, numbers, ridge=0.1), ks.denoise(theirs, numbers, ridge=0.1)
    for name in ("factor", "neighbourhood", "left_out"):
        assert_close(getattr(mine, name), getattr(other, name), **CLOSE)
    for rank in (None, 16):
        mine, other = (ks.suspects(s, classes, neighbours=4, rank=rank) for s in sources)
        assert_close(mine.score, other.score, **CLOSE)
        assert_close(mine.similarity, other.similarity, **CLOSE)
    assert_close(mine.score, ks.suspects(ours, classes, neighbours=0, rank=16).score, **CLOSE)
