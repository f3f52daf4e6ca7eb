"""The benchmark for a CUDA device: it runs wherever it is sent, and says so where it cannot."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def gpu():
    before = list(sys.path)
    specification = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["gpu_benchmark"] = module  # dataclasses look for it there
    specification.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["gpu_benchmark"]


def test_networks_have_the_sizes_they_are_named_for(gpu) -> None:
    assert sum(p.numel() for p in gpu.resnet18().parameters()) == 11_173_962
    with torch.device("meta"):
        model = gpu.gpt2()
    assert 124_000_000 < sum(p.numel() for p in model.parameters()) < 125_000_000


@pytest.mark.parametrize("job", ["density", "cross", "text"])
def test_a_thousandth_of_it_runs_here(gpu, capsys, job) -> None:
    gpu.main(["--device", "cpu", "--shrink", "5000", "--jobs", job, "--batch", "64"])
    assert "passes" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so(gpu) -> None:
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu.main([])


@needs_cuda
@pytest.mark.parametrize("job", ["features", "density", "cross", "cross-bfloat16", "text"])
def test_every_job_runs_on_the_device(gpu, monkeypatch, tmp_path, job) -> None:
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "gpu.json")
    gpu.main(["--shrink", "1000", "--jobs", job])
    assert json.loads((tmp_path / "gpu.json").read_text())["device"]


@needs_cuda
def test_the_kernel_on_the_device_is_that_of_the_processor(gpu) -> None:
    import kinsight as ks

    model, x = gpu.resnet18().double(), torch.randn(6, 3, 32, 32, dtype=torch.float64)
    here = ks.TangentKernel(model, output=ks.outputs.OwnClass()).similarity(x)
    there = ks.TangentKernel(model, output=ks.outputs.OwnClass(), device="cuda").similarity(x)
    assert torch.allclose(here, there, atol=1e-9)
