"""The examples on real data: a ResNet-20 others trained and a small Transformer on text."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

import kinsight as ks
from kinsight.run import Settings, analyze, doctor
from kinsight.subject.subject import as_subject
from kinsight.tangent.reference import jacobian_by_loop

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(data: Path, monkeypatch):
    """Load an example as ``kinsight analyze`` would."""

    def load(name: str) -> ModuleType:
        monkeypatch.setenv("KINSIGHT_DATA", str(data))
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def similarity_by_loop(kernel: ks.TangentKernel, x: torch.Tensor) -> torch.Tensor:
    gradient = jacobian_by_loop(kernel.function, x)[:, 0]
    return torch.nn.functional.normalize(gradient, dim=1) @ (
        torch.nn.functional.normalize(gradient, dim=1).T
    )


def test_resnet20_agrees_with_autograd_on_real_images(example) -> None:
    subject = as_subject(example("resnet20_cifar10").thousand())
    x = subject.data[:12]
    exact = ks.TangentKernel(subject.model, output=subject.output, dtype=torch.float64)
    expected = similarity_by_loop(exact, x.double())
    found = exact.similarity(x)
    assert float((found - expected).abs().max()) <= 1e-10
    single = ks.TangentKernel(subject.model, output=subject.output)
    assert float((single.similarity(x).double() - expected).abs().max()) <= 1e-5
    density = exact.density(x)
    torch.testing.assert_close(density, expected.sum(1), rtol=1e-10, atol=1e-10)


def test_resnet20_through_the_doctor_and_a_run(example, tmp_path: Path) -> None:
    module = example("resnet20_cifar10")
    subject = as_subject(module._test_images(120))
    found = doctor(subject)
    assert not found.coverage.fallback
    assert not found.coverage.unused
    assert found.sound
    assert found.batch.distance < 1e-4
    assert found.loop is not None
    assert found.loop.distance < 1e-4
    run = analyze(subject, tmp_path)
    nearest = run.table("neighbours")
    label = run.table("samples")["label"].to_pylist()
    first = [(s, n) for s, n, r in zip(*(nearest[c].to_pylist() for c in ("sample", "neighbour", "rank")), strict=True) if r == 0]  # fmt: skip # noqa: E501
    agree = sum(label[s] == label[n] for s, n in first) / len(first)
    assert agree > 0.6  # ten classes: chance is one in ten
    assert run.record["labels"]["classes"] == module.CLASSES


def test_a_transformer_on_text_through_the_doctor_and_a_run(
    example, tmp_path: Path, monkeypatch
) -> None:
    module = example("text_transformer")
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "SHOWN", 150)
    subject = as_subject(module.trained())
    found = doctor(subject)
    assert not found.coverage.fallback
    assert found.loop is not None
    assert found.loop.distance < 1e-4
    run = analyze(subject, tmp_path, Settings(neighbours=5))
    assert run.table("samples")["text"][0].as_py() == subject.texts[0]
    exact = ks.TangentKernel(subject.model, output=subject.output, dtype=torch.float64)
    few = subject.data[:8]
    expected = similarity_by_loop(exact, few)
    assert float((exact.similarity(few) - expected).abs().max()) <= 1e-10
