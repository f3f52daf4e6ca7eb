"""The agreement experiment: key words by hand, intervals that cover, tables from its numbers."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import kinsight as ks
from kinsight import baselines

PATH = Path(__file__).parents[2] / "experiments" / "agreement.py"
SPECIFICATION = importlib.util.spec_from_file_location("agreement", PATH)
agreement = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["agreement"] = agreement
SPECIFICATION.loader.exec_module(agreement)
agreement_page = sys.modules["agreement_page"]


def test_key_words_among_the_nearest_of_the_class_by_hand(monkeypatch) -> None:
    """Nearest of the class alone; samples with a word of their own are not asked."""
    monkeypatch.setattr(agreement, "NEIGHBOURS", 1)
    angles = torch.tensor([0.0, 0.1, 0.15, 1.0, 0.05])
    rows = torch.stack([angles.cos(), angles.sin()], 1)
    own = torch.tensor([True, True, True, True, False])  # the fourth is of another class
    words = ["jet", "jet", "biplane", "glider", "jet"]
    found = agreement.same_word(rows @ rows.T, own, words)
    # 0 finds 1 (jet); 1 finds 2 (biplane): the nearer one of another class does not count
    assert found["hits"].tolist() == [1.0, 0.0]
    assert found["chance"].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_random_similarities_find_key_words_by_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(600, 50, generator=generator)
    gram = baselines.Inputs().similarity(rows)
    words = [f"word{i}" for i in torch.randint(0, 8, (600,), generator=generator).tolist()]
    found = agreement.same_word(gram, torch.ones(600, dtype=torch.bool), words)
    chance = float(found["chance"].mean())
    said = agreement.interval(found["hits"])
    assert said["low"] < chance < said["high"]


def test_the_interval_is_that_of_a_mean() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).double()
    said = agreement.interval(values)
    error = 1.96 * float(values.std()) / 20
    assert said["high"] - said["mean"] == pytest.approx(error, rel=0.1)
    assert said["mean"] - said["low"] == pytest.approx(error, rel=0.1)


def test_probes_one_at_a_time_are_the_kernel_of_all() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 4))
    x = torch.randn(9, 5)
    both = ks.TangentKernel(
        model.eval(), output=ks.outputs.Probes(2), normalization="trace"
    ).similarity(x)
    torch.testing.assert_close(agreement.all_outputs(model, x), both)


def test_key_words_of_real_names() -> None:
    names = [agreement.word_of(name) for name in ("tabby_cat_s_000494.png", "a_s_b_s_000001.png")]
    assert names == ["tabby_cat", "a_s_b"]


def test_a_page_is_made_from_numbers_alone() -> None:
    def share(mean: float) -> dict:
        each = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        return {
            "agreement": {"shared": 0.2, "rank_correlation": 0.3, "cka": 0.4, "chance": 0.01},
            "classes": {"cat": {**each, "chance": 0.1, "samples": 7}},
            "all": each,
            "less_than_kernel": {"mean": 0.5 - mean, "low": 0.4 - mean, "high": 0.6 - mean},
        }

    report = {
        "environment": {
            "minutes": 1,
            "core_minutes": 1,
            "processor": "p",
            "threads": 1,
            "torch": "2",
        },
        "images": 10,
        "samples": 7,
        "chance": 0.1,
        "similarities": {"kernel": share(0.5), "good": share(0.8), "bad": share(0.05)},
    }
    page = agreement_page.page(report)
    assert "Better than the tangent kernel beyond the interval: good. Worse: bad." in page
    assert "Not above chance: bad." in page
    assert "**80.0 (70.0 to 90.0)**" in page
    assert "good" in agreement_page.text(report)
