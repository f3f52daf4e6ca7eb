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
    with pytest.raises(StoreError, match="model"):
        store.nearest([1], 3, rerank=kernel(2).on(DATA))
    with pytest.raises(StoreError, match="other samples than data= has"):
        store.nearest([1], 3, rerank=kernel(), data=images(200, seed=9))
    with pytest.raises(ArgumentError, match="rerank=kernel beside it"):
        store.nearest([1], 3, data=DATA)
    with pytest.raises(ArgumentError, match="0 to 199"):
        store.nearest([-1], 3)
    with pytest.raises(ArgumentError, match="numbers of stored samples"):
        ks.uncertainty(store, torch.randn(2, store.rows.dim))
    with pytest.raises(ArgumentError, match="0 to 199"):
        store.similarity([True, False], 0)
    with pytest.raises(ArgumentError, match=r"kinsight\.Store"):
        ks.survey("folder")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="TangentKernel"):
        ks.sketch(kernel().function.model, DATA, tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="at most 199"):
        store.nearest([1], 200)
    with pytest.raises(ArgumentError, match="0 to 199"):
        store.similarity(0, 200)
    with pytest.raises(StoreError):
        ks.Store(tmp_path / "nothing")


def test_inputs_that_are_whole_numbers_are_inputs_where_a_kernel_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(20, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    ours, tokens = ks.TangentKernel(model.eval()), torch.arange(20).repeat(3)
    store = ks.sketch(ours, tokens, tmp_path / "run", dim=512)
    found = store.nearest(torch.tensor([7, 8]), 3, kernel=ours)
    assert [set(row) for row in found.indices.tolist()] == [{7, 27, 47}, {8, 28, 48}]


def test_an_index_of_the_store_and_what_it_belongs_to(tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="optional: pip install 'kinsight[faiss]'")
    store = ks.sketch(kernel(), DATA, tmp_path / "run", dim=256)
    assert store.build_index(recall=0.9).recall >= 0.9
    exact, found = store.nearest([3, 5], 5), store.nearest([3, 5], 5, index=True)
    assert (found.indices == exact.indices).float().mean() > 0.7
    ranked = store.nearest([3], 5, index=True, rerank=kernel(), data=DATA)
    assert ranked.indices[0, 0] == store.nearest([3], 5, rerank=kernel(), data=DATA).indices[0, 0]
    with pytest.raises(ArgumentError, match="0 to 199"):
        store.nearest([-1], 5, index=True)
    ks.sketch(kernel(), images(20, seed=4), tmp_path / "run", append=True)
    with pytest.raises(StoreError, match="open it anew"):
        store.build_index()
    with pytest.raises(StoreError, match="another store"):
        ks.Store(tmp_path / "run").nearest([3], 5, index=True)


def test_squares_of_sketches_that_are_nearly_exact_are_not_corrected_too_much(
    tmp_path: Path,
) -> None:
    ours = ks.TangentKernel(torch.nn.Linear(30, 1))
    data = torch.randn(1000, 30, generator=torch.Generator().manual_seed(0))
    store = ks.sketch(ours, data, tmp_path / "run", dim=2048)
    exact = ks.density(ours.on(data), "square").score
    assert (ks.density(store, "square").score - exact).abs().mean() < 0.02 * exact.mean()


def test_places_in_the_plane(store: ks.Store) -> None:
    places = store.map()
    assert places.shape == (200, 2)
    kinds = torch.arange(200) % 5  # five kinds of images: nearer to their own than to others
    means = torch.stack([places[kinds == c].mean(0) for c in range(5)])
    spread = torch.stack([places[kinds == c].std(0) for c in range(5)]).mean()
    assert torch.pdist(means).mean() > spread
