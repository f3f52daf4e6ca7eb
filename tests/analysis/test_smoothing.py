"""Smoothers against refits and closed forms in float64."""

import pytest
import torch

from kinsight import errors
from kinsight.analysis import smoothing
from kinsight.analysis.smoothing import choose_ridge, descent, leave_one_out, matched, ridge
from kinsight.analysis.spectrum import Spectrum

N, S = 23, 7


def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N, S, generator=generator, dtype=torch.float64)


def labels(columns: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, columns, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("centred", [False, True])
def test_gram_and_features_give_the_same_smoother(centred: bool) -> None:
    phi, y = features(), labels()
    one = ridge(Spectrum.of_gram(phi @ phi.T, centred), 0.3)
    other = ridge(Spectrum.of_features(phi, centred), 0.3)
    torch.testing.assert_close(one.smooth(y), other.smooth(y), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(one.leverage(), other.leverage(), rtol=1e-10, atol=1e-12)
    assert len(other.spectrum.eigenvalues) == S


@pytest.mark.parametrize("centred", [False, True])
def test_leave_one_out_is_a_refit_without_the_sample(centred: bool) -> None:
    phi, y, rho = features(), labels(), 0.3
    answer = leave_one_out(ridge(Spectrum.of_features(phi, centred), rho), y)
    for i in range(N):
        rest = torch.arange(N) != i
        x, target = phi[rest], y[rest]
        if centred:  # an intercept that is not penalised
            x, target = torch.cat([x, torch.ones(N - 1, 1).double()], 1), target
        penalty = rho * torch.eye(x.shape[1], dtype=torch.float64)
        if centred:
            penalty[-1, -1] = 0
        weights = torch.linalg.solve(x.T @ x + penalty, x.T @ target)
        own = torch.cat([phi[i], torch.ones(1).double()]) if centred else phi[i]
        torch.testing.assert_close(answer[i], own @ weights, rtol=1e-9, atol=1e-11)


def test_the_descent_filter_is_what_gradient_descent_does() -> None:
    phi, y = features(), labels(1)
    rate, steps = 1e-3, 4000
    weights = torch.zeros(S, 1, dtype=torch.float64)
    for _ in range(steps):
        weights -= rate * phi.T @ (phi @ weights - y) / N
    smooth = descent(Spectrum.of_features(phi), rate, steps).smooth(y)
    torch.testing.assert_close(smooth, phi @ weights, rtol=1e-3, atol=1e-4)


def test_the_time_of_training_is_read_off_its_residual() -> None:
    spectrum, y = Spectrum.of_features(features()), labels()
    trained = descent(spectrum, 1e-2, 500)
    residual = float((y - trained.smooth(y)).norm())
    found = matched(spectrum, y, residual)
    assert found.parameter == pytest.approx(trained.parameter, rel=1e-6)
    early, late = (matched(spectrum, y, share * residual) for share in (1.01, 0.999))
    assert early.noise_gain() < found.noise_gain() < late.noise_gain()


@pytest.mark.parametrize("centred", [False, True])
def test_noise_gain_is_the_share_of_noise_in_the_answers(centred: bool) -> None:
    smoother = ridge(Spectrum.of_features(features(), centred), 0.3)
    hat = smoother.smooth(torch.eye(N, dtype=torch.float64))
    assert smoother.noise_gain() == pytest.approx(float(hat.square().sum() / N) ** 0.5)
    torch.testing.assert_close(smoother.gains(), hat.norm(dim=1))
    torch.testing.assert_close(smoother.leverage(), hat.diagonal())


def test_the_noise_level_of_pure_noise_is_found() -> None:
    generator = torch.Generator().manual_seed(2)
    noise = 0.7 * torch.randn(N, 4000, generator=generator, dtype=torch.float64)
    smoother = ridge(Spectrum.of_features(features(), True), 0.3)
    level = smoother.noise_level(noise - smoother.smooth(noise))
    assert float(level.square().mean().sqrt()) == pytest.approx(0.7, rel=0.01)


def test_the_ridge_is_large_for_noise_and_small_for_signal() -> None:
    phi = features()
    spectrum = Spectrum.of_features(phi, True)
    signal = phi @ labels()[:S]
    small, curve = choose_ridge(spectrum, signal)
    large, _ = choose_ridge(spectrum, labels())
    assert small.parameter < 1e-3 * large.parameter
    assert bool(curve.isfinite().all())


@pytest.mark.parametrize("centred", [False, True])
def test_the_curve_is_the_error_of_every_ridge(centred: bool) -> None:
    spectrum, y = Spectrum.of_features(features(), centred), labels()
    best, curve = choose_ridge(spectrum, y)
    unit = float(spectrum.eigenvalues.sum()) / N
    for i in (0, 20, 40, 60):
        rho = float(smoothing.RIDGES[i]) * unit
        error = (leave_one_out(ridge(spectrum, rho), y) - y).square().mean()
        assert float(curve[i]) == pytest.approx(float(error), rel=1e-9)
    assert best.parameter == pytest.approx(float(smoothing.RIDGES[curve.argmin()]) * unit)


def test_wrong_input_is_refused() -> None:
    spectrum = Spectrum.of_features(features())
    for call in (
        lambda: Spectrum.of_gram(torch.zeros(2, 3)),
        lambda: Spectrum.of_gram(torch.full((2, 2), torch.nan)),
        lambda: Spectrum.of_features(torch.zeros(3)),
        lambda: ridge(spectrum, -1.0),
        lambda: descent(spectrum, 0.0, 10),
        lambda: ridge(spectrum, 1.0).smooth(torch.zeros(3)),
    ):
        with pytest.raises(errors.ArgumentError):
            call()
