"""Density, fit and uncertainty against a dense float64 computation, on both kinds of source."""

import pytest
import torch
from torch import Tensor

import kinsight as ks
import oracle
from analysis.cases import COUNT, SOURCES, exact, features, inputs, network
from kinsight.analysis.density import ESTIMATORS
from kinsight.errors import ArgumentError

LOOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize("make", SOURCES)
def test_every_estimator_is_its_formula(make) -> None:
    source, k = make()
    others = k.clone().fill_diagonal_(-2).sort(1, descending=True).values
    expected = {
        "soft": k.sum(1),
        "hard": (k >= 0.7).sum(1).double(),
        "power": k.clamp_min(0).pow(3).sum(1),
        "square": k.square().sum(1),
        "radius": others[:, 3].arccos(),
    }
    for estimator, want in expected.items():
        found = ks.density(source, estimator, threshold=0.7, power=3.0, k=4)
        torch.testing.assert_close(found.score.double(), want, **LOOSE)
        assert found.error is None


def test_the_integral_of_hard_counts_is_the_power_of_one() -> None:
    source, _ = features()
    levels = (torch.arange(2000) + 0.5) / 2000
    hard = torch.stack([ks.density(source, "hard", threshold=float(t)).score for t in levels])
    soft = ks.density(source, "power", power=1.0).score
    torch.testing.assert_close(hard.mean(0), soft, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("estimator", ["hard", "power"])
def test_a_sampled_reference_comes_with_honest_errors(estimator: str) -> None:
    source, _ = features(count=400)
    asked = {"threshold": 0.5, "power": 1.0}
    true = ks.density(source, estimator, **asked).score
    off = []
    for seed in range(5):
        found = ks.density(source, estimator, **asked, sample=100, seed=seed)
        assert found.error is not None
        off.append(((found.score - true) / found.error.clamp_min(1e-9))[found.error > 0])
    spread = float(torch.cat(off).square().mean().sqrt())
    assert 0.7 < spread < 1.4


def test_sketches_are_corrected_in_the_square() -> None:
    generator = torch.Generator().manual_seed(0)
    phi = torch.randn(100, 300, generator=generator).double()
    phi[:, :5] *= 5
    true = float(ks.FeatureSource(phi).moments(2).sum())
    plain, corrected = [], []
    for _ in range(20):
        sketch = phi @ torch.randn(300, 64, generator=generator).double()
        plain.append(float(ks.FeatureSource(sketch).moments(2).sum()) / true)
        corrected.append(float(ks.FeatureSource(sketch, sketched=True).moments(2).sum()) / true)
    assert sum(plain) / 20 > 1.05
    assert sum(corrected) / 20 == pytest.approx(1.0, abs=0.01)


def spread_by_hand(k: Tensor, values: Tensor, present: Tensor, power: float):
    weights = k.clamp_min(0).pow(power).fill_diagonal_(0) * present
    expected = weights @ values / weights.sum(1, keepdim=True)
    off = (values[None] - expected[:, None]).square().sum(2)
    known = values[present]
    total = (known - known.mean(0)).square().sum(1).mean()
    return weights.sum(1), (weights * off).sum(1) / weights.sum(1) / total, expected


@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_fit_is_count_and_spread(make, kind: str) -> None:
    source, k = make()
    labels = torch.arange(COUNT) % 3 if kind == "classes" else torch.linspace(-1, 1, COUNT)
    labels[5] = -1 if kind == "classes" else torch.nan
    present = torch.arange(COUNT) != 5
    values = (
        torch.nn.functional.one_hot(labels.clamp_min(0), 3).double()
        if kind == "classes"
        else labels.nan_to_num().double()[:, None]
    )
    count, spread, expected = spread_by_hand(k, values * present[:, None], present, 2.0)
    found = ks.fit(source, labels, power=2.0, few=float(count.median()), mixed=0.9)
    torch.testing.assert_close(found.count, count, **LOOSE)
    torch.testing.assert_close(found.spread, spread, **LOOSE)
    torch.testing.assert_close(found.expected, expected, **LOOSE)
    names = found.named()
    for i in range(COUNT):
        alone, apart = bool(found.count[i] < found.few), bool(found.spread[i] > 0.9)
        wanted = {(False, False): "well supported", (True, False): "over-fitted"}
        wanted |= {(False, True): "under-fitted", (True, True): "ambiguous"}
        assert names[i] == wanted[alone, apart]


@pytest.mark.parametrize("outputs", [1, 3])
def test_uncertainty_is_one_over_the_influences(outputs: int) -> None:
    source, _ = exact(outputs=outputs)
    queries = inputs(45)[-5:]
    found = ks.uncertainty(source, queries).score
    ours = oracle.jacobian(network(outputs).double(), queries.double())
    theirs = oracle.jacobian(network(outputs).double(), inputs().double())
    for q in range(5):
        inverse = torch.linalg.pinv(ours[q] @ ours[q].T)
        total = sum(
            torch.linalg.matrix_norm(theirs[j] @ ours[q].T @ inverse, 2) for j in range(COUNT)
        )
        assert float(found[q] * total) == pytest.approx(1.0, abs=1e-4)
    assert len(ks.uncertainty(source).score) == COUNT


def test_a_query_that_is_far_from_everything_is_uncertain() -> None:
    source = ks.FeatureSource(torch.eye(3)[:2])
    far = ks.uncertainty(source, ks.FeatureSource(torch.eye(3)[[0, 2]])).score
    assert far.tolist() == [1.0, float("inf")]


@pytest.mark.parametrize("make", SOURCES)
def test_moments_and_weighted_sums_of_both_sources(make) -> None:
    source, k = make()
    values = torch.randn(COUNT, 3).double()
    torch.testing.assert_close(source.moments(1).double(), k.sum(1), **LOOSE)
    torch.testing.assert_close(source.moments(2).double(), k.square().sum(1), **LOOSE)
    torch.testing.assert_close(source.weighted(values), k @ values, **LOOSE)
    torch.testing.assert_close(source.gram().double(), k, **LOOSE)
    phi = source.features(COUNT).double()
    torch.testing.assert_close(phi @ phi.T, k, **LOOSE)
    assert source.features(7, seed=1).shape == (COUNT, 7)


def test_results_are_tables_and_figures() -> None:
    source, _ = features(outputs=torch.randn(COUNT))
    labels = torch.linspace(0, 1, COUNT)
    for result in (
        *(ks.density(source, estimator) for estimator in ESTIMATORS),
        ks.density(source, "hard", sample=10),
        ks.fit(source, labels),
        ks.uncertainty(source),
        ks.suspects(source, labels),
        ks.denoise(source, labels),
    ):
        assert result.table().num_rows == COUNT
        figure = result.figure()
        assert all(axes.get_xlabel() for axes in figure.axes)


def test_a_sample_that_is_set_apart_stays_apart_everywhere() -> None:
    phi = torch.randn(12, 4)
    phi[5, 0] = torch.nan
    source = ks.FeatureSource(phi, outputs=torch.randn(12))
    labels = torch.randn(12)
    scores = [ks.density(source, e, k=3).score for e in ESTIMATORS]
    scores += [ks.density(source, "power", sample=6).score, ks.uncertainty(source).score]
    scores += [ks.suspects(source, labels).score, ks.denoise(source, labels).factor]
    for score in scores:
        assert score.isnan().nonzero().flatten().tolist() == [5]
    assert ks.fit(source, labels).regime[5] == -1
    assert source.features().isnan().any(1).nonzero().flatten().tolist() == [5]


def test_wrong_arguments_are_refused() -> None:
    source, labels = features()[0], torch.arange(COUNT) % 2
    for call in (
        lambda: ks.density(source, "soggy"),
        lambda: ks.density(source, "hard", threshold=2.0),
        lambda: ks.density(source, "power", power=-1.0),
        lambda: ks.density(source, "radius", k=COUNT),
        lambda: ks.fit(source, labels, power=0.0),
        lambda: ks.fit(source, labels, few=-1.0),
        lambda: ks.uncertainty(source, torch.randn(2, 7)),
        lambda: ks.uncertainty(source, ks.FeatureSource(torch.randn(2, 3))),
        lambda: ks.FeatureSource(torch.randn(3)),
        lambda: ks.FeatureSource(torch.randn(3, 2), norms=torch.ones(2)),
        lambda: source.outputs(),
        lambda: source.weighted(torch.ones(3, 1)),
    ):
        with pytest.raises(ArgumentError, match=r"expected|pass"):
            call()
