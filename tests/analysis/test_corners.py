"""Corners in which an analysis could say something wrong without a word."""

import pytest
import torch
from torch import nn

import kinsight as ks
from analysis.cases import COUNT, exact, features, inputs
from kinsight.analysis.answers import answer
from kinsight.analysis.targets import read_targets
from kinsight.errors import ArgumentError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_rows_of_any_size_and_zero_rows(dtype: torch.dtype, scale: float) -> None:
    phi = torch.tensor([[1.0, 0], [1, 1], [0, 0], [0, 2]], dtype=dtype) * scale
    source = ks.FeatureSource(phi)
    half = 0.5**0.5
    expected = torch.tensor([1 + half, 1 + 2 * half, 0, 1 + half]).double()
    torch.testing.assert_close(ks.density(source).score, expected, rtol=1e-6, atol=1e-6)
    assert ks.suspects(source, [0, 1, 0, 1]).score.isnan().tolist() == [False, False, True, False]
    norms = torch.tensor([1, 2**0.5, 0, 2]).double() * scale
    torch.testing.assert_close(source.norms(), norms, rtol=1e-6, atol=0)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_the_spread_of_labels_does_not_depend_on_where_zero_is(offset: float) -> None:
    source, _ = features()
    labels = torch.randn(COUNT, generator=torch.Generator().manual_seed(1)).double()
    plain, moved = ks.fit(source, labels), ks.fit(source, labels + offset)
    torch.testing.assert_close(moved.spread, plain.spread, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moved.expected - offset, plain.expected, rtol=1e-4, atol=1e-4)


def test_values_that_are_no_similarities_are_refused_and_never_cut() -> None:
    source = exact(normalization=None)[0]
    raw = ks.TangentKernel(source.engine.function.model).inner(inputs())
    torch.testing.assert_close(source.gram(), raw, rtol=1e-5, atol=1e-4)
    labels = torch.arange(COUNT) % 2
    for call in (
        lambda: ks.density(source),
        lambda: ks.density(source, "hard"),
        lambda: ks.fit(source, labels),
        lambda: ks.suspects(source, labels),
        lambda: ks.denoise(source, torch.randn(COUNT, 2)),
    ):
        with pytest.raises(ArgumentError, match="normalization="):
            call()


def test_a_kernel_is_no_source() -> None:
    with pytest.raises(ArgumentError, match=r"kernel\.on\(data\)"):
        ks.density(ks.TangentKernel(nn.Linear(2, 1)))  # type: ignore[arg-type]


def test_an_answer_of_zero_is_an_answer() -> None:
    source = ks.FeatureSource(torch.ones(20, 3) + 0.01 * torch.randn(20, 3))
    labels = torch.zeros(20)
    labels[0], labels[1] = 5.0, 4.0
    found = ks.suspects(source, labels, method="neighbours", neighbours=3)
    assert bool(found.score.isfinite().all())


@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")
def test_a_sample_without_a_gradient_has_no_average_and_no_answer() -> None:
    x = inputs().double()
    x[3] = 0
    source = ks.TangentKernel(nn.Linear(6, 1, bias=False).double()).on(x)
    found = ks.denoise(source, torch.randn(COUNT))
    suspected = ks.suspects(source, torch.randn(COUNT))
    uncertain = ks.uncertainty(source).score
    for value in (found.factor, found.effective, found.shift[:, 0], suspected.score):
        assert value.isnan().nonzero().flatten().tolist() == [3]
    assert uncertain[3] == torch.inf
    for sample in (None, 10):
        assert float(ks.density(source, "power", sample=sample).score[3]) == 0


def test_a_weight_of_zero_is_as_no_label() -> None:
    source = ks.TangentKernel(nn.Linear(6, 1).double()).on(inputs().double())
    labels, weights = torch.randn(COUNT), torch.ones(COUNT)
    weights[4] = 0
    missing = labels.clone()
    missing[4] = torch.nan
    wild = labels.clone()
    wild[4] = 1000
    one = ks.denoise(source, wild, loss_weights=weights)
    other = ks.denoise(source, missing)
    for name in ("neighbourhood", "left_out", "residual"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))
    with pytest.raises(ArgumentError, match="above 0"):
        ks.denoise(source, labels, loss_weights=torch.zeros(COUNT))


def test_a_weighted_loss_is_a_mean_over_all_labels() -> None:
    """With most weights zero, gradient descent on (w·l).mean() is slower, and so is the filter."""
    x, weights = inputs().double(), torch.zeros(COUNT).double()
    weights[:10] = 1
    source = ks.TangentKernel(nn.Linear(6, 1, bias=False).double()).on(x)
    found = ks.denoise(
        source, torch.randn(COUNT), loss_weights=weights, training=ks.Descent.of(0.1, 50)
    )
    values, vectors = torch.linalg.eigh(x[:10] @ x[:10].T)
    hat = (vectors * (1 - (1 - 0.1 * values / COUNT) ** 50)) @ vectors.T
    assert found.noise_gain == pytest.approx(float(hat.square().sum() / 10) ** 0.5, rel=0.05)


def test_weight_decay_counts_the_labelled_samples() -> None:
    x, decay = inputs().double(), 0.1
    y = torch.randn(COUNT, 1).double()
    n = COUNT // 2
    known = torch.arange(COUNT) < n
    model = nn.Linear(6, 1, bias=False).double()
    gram = x[known].T @ x[known] + n * decay * torch.eye(6)
    with torch.no_grad():
        model.weight.copy_(torch.linalg.solve(gram, x[known].T @ y[known]).T)
    labels = torch.where(known[:, None], y, torch.nan)
    found = ks.denoise(ks.TangentKernel(model).on(x), labels, weight_decay=decay)
    torch.testing.assert_close(found.decay, found.residual, rtol=1e-6, atol=1e-8)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ArgumentError, match="weight_decay"):
            ks.denoise(ks.TangentKernel(model).on(x), labels, weight_decay=wrong)


def test_where_all_is_fitted_no_noise_level_is_told() -> None:
    phi = torch.randn(12, 30).double()
    labels = torch.randn(12).double()
    source = ks.FeatureSource(phi, outputs=labels + 0.01 * torch.randn(12))
    found = ks.denoise(source, labels, training=ks.Descent.of(1.0, 10**9))
    assert found.noise_level != found.noise_level
    assert "not to be told" in found.summary()


def test_a_network_that_fits_nothing_tells_no_time_of_training() -> None:
    source = ks.TangentKernel(nn.Linear(6, 1).double()).on(inputs().double())
    with pytest.raises(ArgumentError, match="fits a part of its labels"):
        ks.denoise(source, torch.randn(COUNT) * 1e-3, training="residual")
    for wrong in (0.1, "adam"):
        with pytest.raises(ArgumentError, match="training"):
            ks.denoise(source, torch.randn(COUNT), training=wrong)  # type: ignore[arg-type]


def test_no_smoother_is_not_that_of_training() -> None:
    source = ks.TangentKernel(nn.Linear(6, 3).double()).on(inputs().double())
    found = ks.denoise(source, torch.randn(COUNT, 3), rank=5, training=ks.Descent(1.0))
    assert not found.assumptions[-1].holds


def test_rounding_of_float32_is_no_rank() -> None:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    source = ks.TangentKernel(nn.Linear(4, 1)).on(x)
    assert ks.denoise(source, torch.randn(60)).rank == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ridge", [None, 1e-3])
def test_samples_that_are_all_alike_answer_with_the_mean_of_the_others(dtype, ridge) -> None:
    x = 1 + torch.rand(COUNT, 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    source = ks.TangentKernel(nn.Linear(1, 1, bias=False).to(dtype)).on(x)
    labels = torch.randn(COUNT).double()
    others = (labels.sum() - labels) / (COUNT - 1)
    found = answer(source, read_targets(labels, COUNT), ridge, None).left_out[:, 0]
    torch.testing.assert_close(found, others, rtol=1e-6, atol=1e-6)


def test_what_a_sample_of_pairs_did_not_see_is_not_certain() -> None:
    source, _ = features(count=400)
    found = ks.density(source, "hard", threshold=0.8, sample=50)
    assert found.error is not None
    assert float(found.error.min()) > 0
    with pytest.raises(ArgumentError, match="at least 2"):
        ks.density(source, "hard", sample=1)


def test_features_are_cut_to_the_rank_that_was_asked_for() -> None:
    source, k = features()
    targets = read_targets(torch.arange(COUNT) % 2, COUNT)
    assert answer(source, targets, None, 3).rank == 3
    low = source.features(3).double()
    values = torch.linalg.eigvalsh(k)
    off = float((low @ low.T - k).square().sum())
    assert off == pytest.approx(float(values[:-3].square().sum()), rel=1e-6)  # the best of rank 3


def test_outputs_that_are_not_finite_set_their_samples_apart() -> None:
    outputs = torch.randn(COUNT)
    outputs[2] = torch.nan
    found = ks.denoise(features(outputs=outputs)[0], torch.randn(COUNT))
    assert found.factor.isnan().nonzero().flatten().tolist() == [2]


def test_a_ridge_too_small_to_be_exact_and_negative_norms_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 1e-10"):
        ks.suspects(features()[0], torch.arange(COUNT) % 2, ridge=1e-12)
    with pytest.raises(ArgumentError, match="negative"):
        ks.FeatureSource(torch.ones(3, 2), norms=-torch.ones(3))
    assert ks.fit(features()[0], (torch.arange(COUNT) % 2).to(torch.uint16)).count.shape == (COUNT,)
