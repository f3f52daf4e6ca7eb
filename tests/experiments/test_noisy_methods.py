"""Methods for noisy labels: losses against their definitions, fair training, a page of it all."""

import importlib
import json
import math
import statistics
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

pytest.importorskip("cleanlab", reason="the experiments' own dependency")
pytest.importorskip("scipy", reason="the experiments' own dependency")
sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
# In the order in which they import each other.
label_scores, training, losses, arms, numbers, page, noisy_methods = (
    importlib.import_module(name)
    for name in (
        "label_scores", "noisy_methods_training", "noisy_methods_losses", "noisy_methods_arms",
        "noisy_methods_numbers", "noisy_methods_page", "noisy_methods",
    )
)  # fmt: skip
SIMILAR = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def scores_and_matrix(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Class scores (4, 10), and a matrix of transitions (10, 10) that has an inverse."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(10, 10, generator=generator, dtype=torch.float64)
    matrix = 0.6 * torch.eye(10) + 0.4 * random / random.sum(1, keepdim=True)
    return 3 * torch.randn(4, 10, generator=generator, dtype=torch.float64), matrix


def patches(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 12, 12) that a small network can tell apart, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    shapes = torch.randn(10, 1, 12, 12, generator=torch.Generator().manual_seed(9))
    return shapes[labels] + 0.3 * torch.randn(count, 1, 12, 12, generator=generator), labels


def frequencies(true: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
    """How often each class became which, counted: (10, 10)."""
    counts = torch.zeros(10, 10).index_put((true, noisy), torch.ones(()), accumulate=True)
    return counts / counts.sum(1, keepdim=True)


@pytest.mark.parametrize("kind", ["symmetric", "class-dependent"])
@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_the_true_matrix_is_how_often_labels_turn_into_which(kind: str, rate: float) -> None:
    labels = torch.arange(100_000) % 10
    generator = torch.Generator().manual_seed(0)
    noisy = label_scores.noisy_labels(labels, rate, kind, SIMILAR, generator)
    matrix = losses.true_matrix(rate, kind, SIMILAR).float()
    torch.testing.assert_close(frequencies(labels, noisy), matrix, atol=0.02, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), true=st.integers(0, 9))
def test_backward_correction_is_the_loss_on_true_labels_in_the_mean(seed: int, true: int) -> None:
    scores, matrix = scores_and_matrix(seed)
    mean = sum(
        matrix[true, given] * losses.backward(torch.full((4,), given), matrix)(scores, rows)
        for given, rows in ((given, torch.arange(4)) for given in range(10))
    )
    expected = cross_entropy(scores, torch.full((4,), true))
    torch.testing.assert_close(mean, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_forward_correction_is_the_likelihood_of_the_noisy_label(seed: int) -> None:
    scores, matrix = scores_and_matrix(seed)
    labels, rows = torch.tensor([3, 1, 4, 1]), torch.tensor([2, 0, 1, 3])
    found = losses.forward(labels, matrix)(scores.float(), rows)
    chances = scores.softmax(1)
    each = [
        -math.log(sum(float(chances[row, c] * matrix[c, labels[place]]) for c in range(10)))
        for row, place in enumerate(rows.tolist())
    ]
    assert float(found) == pytest.approx(statistics.mean(each), rel=1e-5)


def test_a_sample_of_weight_zero_is_left_out() -> None:
    scores, labels = scores_and_matrix(0)[0], torch.tensor([3, 1, 4, 1])
    kept = torch.tensor([True, False, True, True])
    found = losses.weighted(one_hot(labels, 10), kept)(scores, torch.arange(4))
    torch.testing.assert_close(found, cross_entropy(scores[kept], labels[kept]))


def test_anchor_points_and_counts_find_the_matrix_of_a_network_that_knows_it() -> None:
    true = torch.arange(4000) % 10
    matrix = losses.true_matrix(0.3, "class-dependent", SIMILAR)
    generator = torch.Generator().manual_seed(0)
    noisy = label_scores.noisy_labels(true, 0.3, "class-dependent", SIMILAR, generator)
    answers = matrix[true]
    torch.testing.assert_close(losses.anchored(answers), matrix)
    torch.testing.assert_close(losses.counted(noisy, answers), matrix, atol=0.05, rtol=0)
    wrong = losses.issues(noisy, answers)
    assert torch.equal(wrong, noisy != true)


def test_the_noise_layer_finds_the_planted_noise_behind_a_network_that_knows_the_classes() -> None:
    true = torch.arange(2000) % 10
    generator = torch.Generator().manual_seed(0)
    noisy = label_scores.noisy_labels(true, 0.4, "class-dependent", SIMILAR, generator)
    layer, rows = losses.NoiseLayer(), torch.arange(2000)
    assert layer().diagonal().tolist() == pytest.approx([0.858] * 10, abs=0.001)
    optimiser = torch.optim.SGD(layer.parameters(), lr=10.0)
    for _ in range(300):
        optimiser.zero_grad()
        layer.loss(noisy)(30.0 * one_hot(true, 10), rows).backward()
        optimiser.step()
    torch.testing.assert_close(layer().detach(), frequencies(true, noisy), atol=0.01, rtol=0)


def test_parameters_beside_the_network_learn_along() -> None:
    images, labels = patches(128)
    layer = losses.NoiseLayer()
    start = layer().detach()
    training.Training(images, 4, 0).run(layer.loss(labels), beside=layer)
    assert not torch.equal(layer().detach(), start)


def test_seeds_fix_initialisation_and_batches_whatever_the_loss() -> None:
    images, labels = patches(150)
    job, seen = training.Training(images, 4, 3), []

    def spied(scale: float):
        def loss(scores, rows):
            seen[-1].append((rows, scores.detach()))
            return scale * cross_entropy(scores, labels[rows])

        seen.append([])
        return loss

    first, again, other = (job.run(spied(scale)) for scale in (1.0, 1.0, 0.1))
    ends = [model[-1].weight for model in (first, again, other)]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    rows = [[step[0].tolist() for step in each] for each in seen]
    assert rows[0] == rows[2]
    assert torch.equal(seen[0][0][1], seen[2][0][1])  # the same network before the first step


def test_the_network_that_judges_a_half_has_not_seen_its_labels() -> None:
    images, labels = patches(200)
    job = training.Training(images, 8, 0)
    scores, answers, _ = arms.cross_fitted(job, labels)
    half = torch.randperm(200, generator=torch.Generator().manual_seed(0)).chunk(2)[0]
    changed = labels.clone()
    changed[half[0]] = (labels[half[0]] + 1) % 10
    other_scores, other_answers, _ = arms.cross_fitted(job, changed)
    same = torch.zeros(200, dtype=torch.bool).index_fill(0, half, True)
    assert torch.equal(scores[same], other_scores[same])
    assert not torch.equal(scores[~same], other_scores[~same])
    # leave-one-out: the sample's own label says nothing, its neighbours' do
    torch.testing.assert_close(answers[half[0]], other_answers[half[0]], atol=5e-3, rtol=0)
    assert not torch.equal(answers[half[1:]], other_answers[half[1:]])


def test_student_interval_decides_what_is_clear() -> None:
    clear, unclear = numbers.Mean([0.03, 0.02, 0.01]), numbers.Mean([0.03, 0.02, -0.01])
    assert clear.error == pytest.approx(0.01 / 3**0.5)
    assert not clear.clear  # 0.02 against 4.30 × 0.0058
    assert numbers.Mean([0.03, 0.02, 0.02]).clear
    assert not unclear.clear
    assert unclear.points() == "+1.3 ± 1.2"
    assert numbers.Mean([0.03, 0.02, 0.02]).points() == "**+2.3 ± 0.3**"


def test_a_tiny_run_measures_every_arm_and_writes_the_page(tmp_path: Path) -> None:
    images, true = patches(330)
    generator = torch.Generator().manual_seed(0)
    noisy = label_scores.noisy_labels(true[:300], 0.2, "symmetric", SIMILAR, generator)
    matrix = losses.true_matrix(0.2, "symmetric", SIMILAR)
    problem = arms.Problem(
        training.Training(images[:300], 6, 0), true[:300], noisy, matrix, images[300:], true[300:]
    )
    found = json.loads(json.dumps({**arms.measured(problem), "seconds": 1.0}))
    assert set(found["accuracy"]) == set(arms.ARMS)
    assert found["labels"]["plain"] == pytest.approx(0.8)
    names = [cell.name for cell in noisy_methods.all_cells(noisy_methods.QUICK)]
    report = {
        "environment": {"processor": "p", "threads": 1, "torch": "t", "python": "3"},
        "sizes": {"test": 30, "samples": 300, "steps": 6},
        "cells": dict.fromkeys(names, found),
    }
    page.write_page(report, tmp_path / "page.md", tmp_path / "page.png")
    text = (tmp_path / "page.md").read_text()
    assert all(arm.text in text for arm in arms.ARMS.values())
    assert f"| {arms.ARMS['plain'].text} |  | 1 T | {100 * found['accuracy']['plain']:.1f}" in text
    assert (tmp_path / "page.png").stat().st_size > 10_000
