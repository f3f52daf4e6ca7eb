"""Leave-one-out answers from features that stream by are those of the features held at once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import kinsight as ks
from kinsight.analysis.answers import answer
from kinsight.analysis.feature_spectrum import FeatureSpectrum
from kinsight.analysis.smoothing import choose_ridge, leave_one_out, ridge
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.targets import read_targets
from kinsight.kernel.feature_source import FeatureSource

COUNT, WIDTH = 60, 7


class Streamed(FeatureSource):
    """Features of which only pieces are handed out."""

    step = COUNT

    def features(self, rank: int = 2048, seed: int = 0) -> torch.Tensor:
        """Refused: nothing here may hold them all."""
        raise AssertionError("all features at once")

    def feature_blocks(self, rank: int = 2048, seed: int = 0):
        """Pieces of ``step`` samples."""
        whole = super().features(rank, seed)
        return [(slice(i, i + self.step), whole[i : i + self.step])
                for i in range(0, len(whole), self.step)]  # fmt: skip


def made_up(seed: int, common: float) -> torch.Tensor:
    """Features in float64; ``common`` is how much all have alike."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(COUNT, WIDTH, generator=generator, dtype=torch.float64) + common


def held(source: ks.FeatureSource, labels: torch.Tensor, rho: float | None):
    """The N×r way: eigenvectors of all labelled samples, then the predictions of the rest."""
    phi, targets = FeatureSource.features(source), read_targets(labels, COUNT, varied=False)
    fit = source.norms().isfinite() & (source.norms() > 0)
    known, asked = fit & targets.present, fit & ~targets.present
    spectrum, y = Spectrum.of_features(phi[known], centred=True), targets.values[known]
    unit = float(spectrum.eigenvalues.sum()) / len(spectrum)
    smoother = choose_ridge(spectrum, y)[0] if rho is None else ridge(spectrum, rho * unit)
    result = torch.full_like(targets.values, torch.nan)
    result[known] = leave_one_out(smoother, y)
    centred, mean = phi[known] - phi[known].mean(0), y.mean(0)
    system = centred.T @ centred + smoother.parameter * torch.eye(WIDTH).double()
    weights = torch.linalg.solve(system, centred.T @ (y - mean))
    result[asked] = (phi[asked] - phi[known].mean(0)) @ weights + mean
    return result, smoother.parameter / unit


@given(
    st.integers(0, 1000), st.integers(1, COUNT), st.sampled_from([None, 1e-3, 0.5]),
    st.sampled_from([0.0, 3.0]), st.booleans(),
)  # fmt: skip
def test_streamed_answers_are_those_of_features_held_at_once(
    seed, step, rho, common, classes
) -> None:
    phi = made_up(seed, common)
    phi[3], phi[8, 0] = 0, torch.nan  # without gradient, and set apart
    source = Streamed(phi)
    source.step = step
    labels = torch.arange(COUNT) % 3 if classes else phi[:, 1].nan_to_num() + torch.arange(COUNT)
    labels[[5, 11]] = -1 if classes else torch.nan
    found = answer(source, read_targets(labels, COUNT, varied=False), rho, WIDTH)
    expected, parameter = held(source, labels, rho)
    assert_close(found.left_out, expected, rtol=1e-8, atol=1e-8, equal_nan=True)
    assert found.ridge == pytest.approx(parameter, rel=1e-8)
    assert found.rank == WIDTH
    assert found.left_out[[3, 8]].isnan().all()


def test_features_that_have_nearly_all_in_common_lose_no_digits() -> None:
    """Their mean is 1e6 times as long as what tells them apart."""
    phi = made_up(0, 0.0)
    labels = torch.randn(COUNT, 2, dtype=torch.float64)
    known = torch.ones(COUNT, dtype=torch.bool)
    near = FeatureSpectrum.of([(slice(0, COUNT), phi)], labels, known)
    far = FeatureSpectrum.of([(slice(0, COUNT), phi + 1e6)], labels, known)
    assert_close(far.eigenvalues, near.eigenvalues, rtol=1e-8, atol=0)


def test_suspects_without_evidence_look_at_no_pairs() -> None:
    class Unpaired(Streamed):
        def blocks(self, first: int = 0):
            raise AssertionError("pairs")

    phi, labels = made_up(1, 0.0) / 3, torch.arange(COUNT) % 2
    phi[:, 0] += 4 * labels
    labels[7] = 1 - labels[7]
    found = ks.suspects(Unpaired(phi), labels, neighbours=0, rank=WIDTH)
    with_them = ks.suspects(FeatureSource(phi), labels, neighbours=3, rank=WIDTH)
    assert found.rank[7] == 0
    assert torch.equal(found.score, with_them.score)
    assert found.neighbours.shape == found.similarity.shape == (COUNT, 0)
    with pytest.raises(ks.errors.ArgumentError, match="neighbours"):
        ks.suspects(FeatureSource(phi), labels, neighbours=0, method="neighbours")
