"""Two views of the same samples: against plain formulas, and what must not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from torch import Tensor

import kinsight as ks
from kinsight.analysis.compare import average_ranks
from kinsight.errors import ArgumentError

COUNT = 25


def views(count: int = COUNT, noise: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return x, x + noise * torch.randn(count, 4, generator=generator, dtype=torch.float64)


def compare(x: Tensor, y: Tensor, **more) -> ks.Comparison:
    return ks.compare(ks.FeatureSource(x), ks.FeatureSource(y), **more)


def plain(first: Tensor, second: Tensor, k: int) -> np.ndarray:
    """Overlap, rank correlation and densities, sample by sample."""
    rows = []
    for i, (a, b) in enumerate(zip(first.numpy(), second.numpy(), strict=True)):
        rest = np.arange(len(a)) != i
        near = [set(np.argsort(-v[rest], kind="stable")[:k]) for v in (a, b)]
        rows.append([len(near[0] & near[1]) / k, spearmanr(a[rest], b[rest])[0], a.sum(), b.sum()])
    return np.array(rows)


def test_every_number_is_the_plain_formula() -> None:
    for budget in (None, 160 * COUNT * 4):
        sources = [ks.FeatureSource(each) for each in views()]
        grams = [source.gram() for source in sources]
        for source in sources:
            source.memory_budget = budget or source.memory_budget
        found = ks.compare(*sources, k=4)
        said = [
            found.overlap, found.rank_correlation, found.density_first, found.density_second
        ]  # fmt: skip
        np.testing.assert_allclose(torch.stack(said, 1), plain(*grams, 4), atol=1e-12)
        assert found.alignment == pytest.approx(ks.baselines.cka(*sources), abs=1e-12)
        assert found.alignment_unbiased == pytest.approx(
            ks.baselines.cka(*sources, unbiased=True), abs=1e-12
        )


def test_a_view_agrees_with_itself_and_with_whatever_keeps_the_order() -> None:
    x, _ = views()
    for other in (x, 7 * x @ torch.linalg.qr(torch.randn(4, 4).double()).Q):
        found = compare(x, other, k=5)
        assert found.alignment == pytest.approx(1)
        assert found.alignment_unbiased == pytest.approx(1)
        torch.testing.assert_close(found.overlap, torch.ones(COUNT).double())
        torch.testing.assert_close(found.rank_correlation, torch.ones(COUNT).double())
        torch.testing.assert_close(found.density_change, torch.zeros(COUNT).double())


def test_independent_views_agree_by_chance_alone() -> None:
    x, y = torch.randn(2, 400, 30, generator=torch.Generator().manual_seed(0))
    found = compare(x, y, k=20)
    assert abs(found.alignment_unbiased) < 0.01
    assert abs(float(found.rank_correlation.mean())) < 0.01
    assert found.chance == pytest.approx(20 / 399)
    assert float(found.overlap.mean()) == pytest.approx(found.chance, abs=0.01)


@given(st.integers(0, 999), st.floats(0, 3))
def test_order_of_views_and_of_samples_does_not_matter(seed: int, noise: float) -> None:
    x, y = views(noise=noise, seed=seed)
    found, turned = compare(x, y, k=3), compare(y, x, k=3)
    assert found.alignment == pytest.approx(turned.alignment, abs=1e-12)
    torch.testing.assert_close(found.overlap, turned.overlap)
    torch.testing.assert_close(found.rank_correlation, turned.rank_correlation)
    torch.testing.assert_close(found.density_change, -turned.density_change)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(seed))
    shuffled = compare(x[order], y[order], k=3)
    assert found.alignment == pytest.approx(shuffled.alignment, abs=1e-12)
    torch.testing.assert_close(found.overlap[order], shuffled.overlap)
    torch.testing.assert_close(found.rank_correlation[order], shuffled.rank_correlation)
    assert found.alignment == pytest.approx(min(max(found.alignment, 0), 1))


def test_samples_that_one_side_sets_apart_are_left_out_on_both() -> None:
    x, y = views()
    expected = compare(x[2:], y[2:], k=3)
    x[0, 1], y[1, 0] = torch.nan, torch.inf
    found = compare(x, y, k=3, labels=torch.arange(COUNT) % 2)
    assert found.alignment == pytest.approx(expected.alignment, abs=1e-12)
    for name in ("overlap", "rank_correlation", "density_first", "density_change"):
        value = getattr(found, name)
        assert value[:2].isnan().all()
        torch.testing.assert_close(value[2:], getattr(expected, name))
    assert found.chance == expected.chance
    assert not {0, 1} & set(found.changed(COUNT).tolist())
    assert all(np.isfinite(row["overlap"]) for row in found.by_class().to_pylist())


def test_the_samples_that_moved_are_named_first() -> None:
    x, _ = views(noise=0)
    y = x.clone()
    y[[3, 17]] = -y[[3, 17]]
    found = compare(x, y, k=5)
    assert set(found.changed(2).tolist()) == {3, 17}
    assert found.overlap[[3, 17]].max() < found.overlap[[0, 1, 2]].min()


def test_a_sample_like_all_others_has_no_neighbours_to_share() -> None:
    x, y = views()
    y[4] = 0  # similar to nobody
    found = compare(x, y, k=3)
    assert found.overlap.isnan().nonzero()[:, 0].tolist() == [4]
    assert found.rank_correlation.isnan().nonzero()[:, 0].tolist() == [4]
    assert found.density_second[4] == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_equal_numbers_share_their_rank(numbers: list[int]) -> None:
    values = torch.tensor([numbers, numbers[::-1]]).double()
    expected = np.stack([rankdata(row) - 1 for row in values.numpy()])
    np.testing.assert_array_equal(average_ranks(values), expected)


def test_the_exact_kernel_of_two_networks_beside_a_baseline() -> None:
    x = torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(0))
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(
            torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        )
    kernels = [ks.TangentKernel(model) for model in models]
    found = ks.compare(*(kernel.on(x) for kernel in kernels), k=3)
    grams = [kernel.similarity(x) for kernel in kernels]
    expected = plain(*grams, 3)
    np.testing.assert_allclose(found.overlap, expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(found.rank_correlation, expected[:, 1], atol=1e-4)
    with_baseline = ks.compare(kernels[0].on(x), ks.baselines.LastLayer(models[0]).on(x))
    assert 0 < with_baseline.alignment < 1


def test_a_store_is_compared_with_the_kernel_it_was_made_from(tmp_path) -> None:
    x = torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(0))
    kernel = ks.TangentKernel(torch.nn.Linear(5, 1))
    store = ks.sketch(kernel, x, tmp_path / "run", dim=2048, progress=False)
    found = ks.compare(kernel.on(x), store, k=5)
    assert found.alignment > 0.99
    assert float(found.rank_correlation.mean()) > 0.97
    assert float(found.overlap.mean()) > 0.8


def test_means_by_class_table_summary_and_figure() -> None:
    x, y = views()
    labels = torch.arange(COUNT) % 3 - 1  # −1: missing
    found = compare(x, y, k=4, labels=labels)
    rows = found.by_class().to_pylist()
    assert [row["class"] for row in rows] == [0, 1]
    for row in rows:
        own = labels == row["class"]
        assert row["samples"] == int(own.sum())
        for name in ("overlap", "rank_correlation", "density_change"):
            assert row[name] == pytest.approx(float(getattr(found, name)[own].mean()))
    table = found.table()
    assert table.num_rows == COUNT
    assert "overlap" in table.column_names
    assert f"{found.alignment:.3f}" in found.summary()
    assert len(found.figure().axes) == 3
    with pytest.raises(ArgumentError, match="labels"):
        compare(x, y).by_class()


def test_what_cannot_be_compared_is_refused() -> None:
    x, y = views()
    with pytest.raises(ArgumentError, match="same samples, got 25 and 24"):
        compare(x, y[1:])
    with pytest.raises(ArgumentError, match="at most 24"):
        compare(x, y, k=25)
    with pytest.raises(ArgumentError, match="got TangentKernel"):
        ks.compare(ks.TangentKernel(torch.nn.Linear(4, 1)), ks.FeatureSource(x))
    with pytest.raises(ArgumentError, match="classes"):
        compare(x, y, labels=torch.rand(COUNT))
    with pytest.raises(ArgumentError, match="whole number"):
        compare(x, y).changed(0)
