"""Streamed alignment against the dense formulas in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kinsight as ks
from baselines.cases import network, pictures
from kinsight import baselines
from kinsight.baselines.pairs import Sides
from kinsight.errors import ArgumentError


def views(count: int, first: int, second: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, first, generator=generator, dtype=torch.float64)
    mixing = torch.randn(first, second, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, second, generator=generator, dtype=torch.float64)
    return x, x @ mixing + noise + 1


def dense(gram: torch.Tensor, other: torch.Tensor) -> float:
    """Tr(K H L H) by the letter."""
    centring = torch.eye(len(gram), dtype=torch.float64) - 1 / len(gram)
    k, l = centring @ gram.double() @ centring, centring @ other.double() @ centring  # noqa: E741
    return float((k * l).sum() / (k.norm() * l.norm()))


def dense_unbiased(gram: torch.Tensor, other: torch.Tensor) -> float:
    """Song et al. 2012, equation 5, by the letter."""

    def hsic(k: torch.Tensor, l: torch.Tensor) -> torch.Tensor:  # noqa: E741
        k, l = (each.double() - each.double().diagonal().diag() for each in (k, l))  # noqa: E741
        n, one = len(k), torch.ones(len(k), dtype=torch.float64)
        middle = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
        return ((k @ l).trace() + middle - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))

    return float(hsic(gram, other) / (hsic(gram, gram) * hsic(other, other)).sqrt())


@given(st.integers(6, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_alignment_of_features_is_linear_cka(count: int, first: int, second: int, seed: int):
    x, y = views(count, first, second, seed)
    a, b = x - x.mean(0), y - y.mean(0)
    expected = (a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert baselines.cka(x, y) == pytest.approx(float(expected), abs=1e-12)
    assert baselines.cka(y, x) == pytest.approx(float(expected), abs=1e-12)
    order = torch.randperm(count)
    assert baselines.cka(x[order], y[order]) == pytest.approx(float(expected), abs=1e-12)
    assert baselines.cka(3 * x - 2, x) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("budget", [None, 160 * 30 * 4])
def test_alignment_of_sources_is_that_of_their_grams(budget: int | None, monkeypatch) -> None:
    """In one range of rows or in ranges of four."""
    x, y = views(30, 5, 4, 0)
    sources = [ks.FeatureSource(x), baselines.RBF(width=2.0).on(y)]
    for source in sources:
        if budget is not None:
            source.memory_budget = budget
    assert len(list(Sides(*sources).rows())) == (1 if budget is None else 8)
    grams = (
        [source.gram() for source in sources]
        if budget is None
        else [ks.FeatureSource(x).gram(), baselines.RBF(width=2.0).on(y).gram()]
    )
    assert baselines.cka(*sources) == pytest.approx(dense(*grams), abs=1e-12)
    assert baselines.cka(*sources, unbiased=True) == pytest.approx(
        dense_unbiased(*grams), abs=1e-12
    )


def test_the_exact_kernel_is_compared_with_a_layer() -> None:
    kernel = ks.TangentKernel(network())
    last = baselines.LastLayer(network())
    expected = dense(kernel.similarity(pictures()), last.similarity(pictures()))
    assert baselines.cka(kernel.on(pictures()), last.on(pictures())) == pytest.approx(
        expected, abs=1e-6
    )
    mixed = baselines.cka(kernel.on(pictures()), last.features(pictures()))
    features = last.features(pictures()).double()
    assert mixed == pytest.approx(
        dense(kernel.similarity(pictures()), features @ features.T), abs=1e-6
    )


def test_independent_views_have_no_alignment_but_for_the_diagonal() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 60, 300, generator=generator)
    assert baselines.cka(x, y) > 0.8  # many features, few samples: the diagonal alone
    assert abs(baselines.cka(x, y, unbiased=True)) < 0.05
    assert baselines.cka(x, x, unbiased=True) == pytest.approx(1)


def test_samples_that_one_side_sets_apart_are_left_out_on_both() -> None:
    x, y = views(20, 3, 3, 1)
    expected = baselines.cka(x[2:], y[2:])
    x[0], y[1, 0] = torch.nan, torch.inf
    assert baselines.cka(x, y) == pytest.approx(expected, abs=1e-12)
    sources = [ks.FeatureSource(x), ks.FeatureSource(y)]
    assert baselines.cka(*sources) == pytest.approx(
        dense(*(s.gram()[2:, 2:] for s in sources)), abs=1e-12
    )


def test_constant_views_have_no_alignment() -> None:
    assert torch.tensor(baselines.cka(torch.ones(9, 2), torch.randn(9, 2))).isnan()
    assert torch.tensor(baselines.cka(torch.zeros(9, 2), torch.randn(9, 2))).isnan()


def test_what_cannot_be_compared_is_refused() -> None:
    x = torch.randn(5, 2)
    with pytest.raises(ArgumentError, match="same samples, got 5 and 4"):
        baselines.cka(x, x[:4])
    with pytest.raises(ArgumentError, match=r"shape \(5,\)"):
        baselines.cka(x, x[:, 0])
    with pytest.raises(ArgumentError, match="got TangentKernel"):
        baselines.cka(x, ks.TangentKernel(torch.nn.Linear(2, 1)))
    raw = ks.TangentKernel(torch.nn.Linear(2, 1), normalization=None).on(x)
    with pytest.raises(ArgumentError, match="normalization=None"):
        baselines.cka(raw, x)
    with pytest.raises(ArgumentError, match="at least 4"):
        baselines.cka(x[:3], x[:3], unbiased=True)
