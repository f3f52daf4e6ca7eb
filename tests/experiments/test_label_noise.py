"""Planted label noise: as much as was asked for, judged rightly, and found in clustered data."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import kinsight as ks

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def scores() -> ModuleType:
    spec = importlib.util.spec_from_file_location("label_scores", FOLDER / "label_scores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clustered(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Three clusters in the plane, and which cluster each point is of."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[4.0, 0.0], [-2.0, 3.5], [-2.0, -3.5]])
    return centres[labels] + 0.4 * torch.randn(count, 2, generator=generator), labels


@pytest.fixture
def evidence(scores: ModuleType):
    """What an untrained network sees of the clusters; label 7 is wrong."""
    points, labels = clustered()
    labels[7] = (labels[7] + 1) % 3
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
    kernel = ks.TangentKernel(model.eval(), output=ks.outputs.Probes(count=3), normalization=None)
    with torch.no_grad():
        hidden = model[:2](points)
        logits = model(points)
    return scores.Evidence(labels, logits, hidden, kernel.inner(points))


@pytest.mark.parametrize("kind", ["symmetric", "class-dependent"])
@pytest.mark.parametrize("rate", [0.1, 0.25])
def test_noise_has_the_stated_rate_and_never_keeps_the_label(
    scores: ModuleType, kind: str, rate: float
) -> None:
    labels = torch.arange(400) % 5
    similar = [1, 2, 3, 4, 0]
    noisy = scores.noisy_labels(labels, rate, kind, similar, torch.Generator().manual_seed(3))
    wrong = noisy != labels
    assert int(wrong.sum()) == round(400 * rate)
    assert set(noisy.tolist()) <= set(range(5))
    steps = ((noisy - labels) % 5)[wrong].unique().tolist()
    assert steps == ([1] if kind == "class-dependent" else [1, 2, 3, 4])


def test_the_measures_are_those_of_scikit_learn(scores: ModuleType) -> None:
    score = torch.tensor([0.9, 0.8, 0.7, 0.1, 0.6, 0.2])
    wrong = torch.tensor([True, False, True, False, True, False])
    found = scores.judged(score, wrong)
    assert found["AUROC"] == pytest.approx(roc_auc_score(wrong.tolist(), score.tolist()))
    assert found["average precision"] == pytest.approx(
        average_precision_score(wrong.tolist(), score.tolist())
    )
    assert found["precision at the noise rate"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("recipe", ["left out", "mixed", "neighbours"])
def test_a_planted_wrong_label_is_found_first(scores: ModuleType, evidence, recipe: str) -> None:
    labels, soft = evidence.labels, (evidence.logits.double() / scores.TEMPERATURE).softmax(1)
    answers = scores.left_out(evidence.spectra()[0], labels, 3)
    suspicion = {
        "left out": lambda: scores.margin(answers, labels),
        "mixed": lambda: scores.contrast(scores.mixed(answers, soft), labels),
        "neighbours": lambda: scores.neighbours(evidence.gram, labels),
    }[recipe]()
    assert suspicion.shape == (60,)
    assert int(suspicion.argmax()) == 7


def test_the_contrast_is_the_stated_formula(scores: ModuleType) -> None:
    answers = torch.tensor([[0.7, 0.2, -0.1], [0.1, 0.0, 0.5]], dtype=torch.float64)
    found = scores.contrast(answers, torch.tensor([0, 1]))
    assert found.tolist() == pytest.approx([(0.2 - 0.7) / 1.5, (0.5 - 0.0) / 1.1])
