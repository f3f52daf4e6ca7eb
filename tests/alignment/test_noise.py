"""Noise and fields have the size they say, and the errors of vertices are those put in."""

import numpy as np
import pytest

from alignment.cases import square
from kinsight.alignment import LabelNoise, Polygon, vertex_errors, within
from kinsight.alignment.fields import SmoothField
from kinsight.errors import ArgumentError

MANY = [square(20 * (i % 30), 20 * (i // 30), 10) for i in range(600)]


def moves(noise: LabelNoise, seed: int = 0) -> np.ndarray:
    """How far each polygon was moved: (M, 2)."""
    found = noise.applied(MANY, 400, 600, seed)
    pairs = zip(found.polygons, found.source, strict=True)
    return np.array([p.outline[0] - MANY[i].outline[0] for p, i in pairs if i >= 0])


def test_a_field_has_its_deviation_and_its_covariance() -> None:
    points = np.array([[0.0, 0.0], [30.0, 40.0], [400.0, 0.0]])
    fields = [SmoothField(3.0, 50.0, np.random.default_rng(seed)) for seed in range(3000)]
    values = np.array([field.at(points) for field in fields])
    covariance = np.einsum("sva,swa->vw", values, values) / (2 * len(values))
    squares = np.square(points[:, None] - points[None]).sum(2)
    wanted = 9 * np.exp(-squares / 5000)
    np.testing.assert_allclose(covariance, wanted, atol=0.6)
    crossed = (values[..., 0] * values[..., 1]).mean()
    assert abs(crossed) < 0.3


def test_shifts_have_their_size_and_bias_their_mean() -> None:
    found = moves(LabelNoise(8.0, bias=(5.0, 0.0)))
    np.testing.assert_allclose(found.std(0), 8, rtol=0.1)
    np.testing.assert_allclose(found.mean(0), (5, 0), atol=1.2)
    distances = np.linalg.norm(moves(LabelNoise(8.0)), axis=1)
    assert np.median(distances) == pytest.approx(LabelNoise(8.0).median, rel=0.08)


def test_a_field_moves_neighbours_alike_and_shifts_do_not() -> None:
    def alike(noise: LabelNoise) -> float:
        found = np.concatenate([moves(noise, seed) for seed in range(10)])
        return float((found[:-1] * found[1:]).mean() / (found**2).mean())

    assert alike(LabelNoise(0.0, field=4.0, length=200.0)) > 0.8
    assert abs(alike(LabelNoise(4.0))) < 0.1


def test_missing_and_invented_polygons_have_their_shares() -> None:
    found = LabelNoise(0.0, missing=0.2, invented=0.1).applied(MANY, 400, 600, 1)
    assert (found.source >= 0).sum() == pytest.approx(480, abs=35)
    assert (found.source < 0).sum() == 60
    assert len(found.polygons) == len(found.source)


def test_the_same_seed_gives_the_same_noise_and_another_another() -> None:
    np.testing.assert_array_equal(moves(LabelNoise(2.0), 3), moves(LabelNoise(2.0), 3))
    assert not np.array_equal(moves(LabelNoise(2.0), 3), moves(LabelNoise(2.0), 4))


def test_errors_of_vertices_leave_out_what_has_no_truth() -> None:
    truth = [square(), square(60)]
    noisy = [truth[1].shifted([3, 4]), truth[0], square(5, 5)]
    errors = vertex_errors(noisy, np.array([1, 0, -1]), truth)
    assert errors.tolist() == [5.0] * 4 + [0.0] * 4
    assert within(errors, np.array([0, 4.9, 5])).tolist() == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    "wrong", [{"shift": -1.0}, {"missing": 1.5}, {"length": 0.0}, {"field": float("inf")}]
)
def test_noise_without_meaning_is_refused(wrong) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        LabelNoise(**wrong)


def test_empty_polygons_and_empty_maps_go_through() -> None:
    assert LabelNoise(4.0, field=2.0, invented=1.0).applied([], 10, 10, 0).polygons == []
    assert LabelNoise(4.0, field=2.0).applied([Polygon(())], 10, 10, 0).polygons[0].is_empty
