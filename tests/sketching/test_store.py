"""A store, opened: neighbours by number or by input, ordered exactly, refused with reasons."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import kinsight as ks
from kinsight.errors import ArgumentError, StoreError
from sketching.cases import images, kernel

DATA = images(200)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ks.Store:
    out = tmp_path_factory.mktemp("store") / "run"
    return ks.sketch(kernel(), DATA, out, dim=2048, shard_rows=64)


def test_candidates_in_exact_order_are_the_exact_neighbours(store: ks.Store) -> None:
    ours = kernel()
    exact = ours.on(DATA).nearest(k=5)
    found = store.nearest(range(200), 5, rerank=ours, data=DATA, candidates=80)
    same = (found.indices[:, :, None] == exact.indices[:, None]).any(2).float().mean()
    assert same > 0.995
    agree = found.indices == exact.indices
    assert_close(found.values[agree], exact.values[agree], atol=1e-5, rtol=0)
    everything = store.nearest(k=5, rerank=ours.on(DATA), candidates=199)
    assert_close(everything.values, exact.values, atol=1e-5, rtol=0)
    some = store.nearest([3, 150], 5, rerank=ours, data=DATA, candidates=199)
    assert torch.equal(some.indices, exact.indices[[3, 150]])


def test_new_inputs_are_sketched_by_the_same_hash(store: ks.Store) -> None:
    ours, new = kernel(), images(10, seed=5)
    found = store.nearest(new, 5, kernel=ours)
    exact = ours.similarity(new, DATA)
    assert (found.values - exact.gather(1, found.indices)).abs().max() < 0.25
    ranked = store.nearest(new, 5, rerank=ours, data=DATA, candidates=200)
    assert_close(ranked.values, exact.topk(5, 1).values, atol=1e-5, rtol=0)
    copies = store.nearest(DATA[:3].clone(), 1, kernel=ours)
    assert copies.indices[:, 0].tolist() == [0, 1, 2]  # an equal separate copy is a neighbour


def test_a_sample_is_not_its_own_neighbour(store: ks.Store) -> None:
    found = store.nearest([7, 8], 20).indices
    assert 7 not in found[0].tolist()
    assert 8 not in found[1].tolist()


def test_analyses_run_on_the_store(store: ks.Store) -> None:
    ours = kernel().on(DATA)
    for estimator in ("soft", "hard", "power", "square", "centred", "radius"):
        options = {"threshold": 0.5} if estimator == "hard" else {}
        sketched = ks.density(store, estimator, **options).score
        exact = ks.density(ours, estimator, **options).score
        assert torch.corrcoef(torch.stack([sketched.double(), exact.double()]))[0, 1] > 0.8, (
            estimator
        )
    labels = torch.arange(200) % 5
    wrong = labels.clone()
    wrong[[3, 90]] = (wrong[[3, 90]] + 1) % 5
    assert set(ks.suspects(store, wrong).order()[:2].tolist()) == {3, 90}


def test_what_is_refused(store: ks.Store, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="kernel="):
        store.nearest(DATA[:2], 3)
    with pytest.raises(ArgumentError, match="stored data"):
        store.nearest([1], 3, rerank=kernel())
    with pytest.raises(ArgumentError, match="200 samples"):
        store.nearest([1], 3, rerank=kernel(), data=DATA[:50])
    with pytest.raises(StoreError, match="model"):
        store.nearest(DATA[:2], 3, kernel=kernel(2))
    with pytest.raises(ArgumentError, match="at most 199"):
        store.nearest([1], 200)
    with pytest.raises(ArgumentError, match="0 to 199"):
        store.similarity(0, 200)
    with pytest.raises(StoreError):
        ks.Store(tmp_path / "nothing")
