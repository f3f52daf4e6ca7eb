"""What an argument cannot be, and networks that cannot run, in words in place of torch's own."""

import copy

import pytest
import torch
from torch import nn

import kinsight as ks
from kinsight import errors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def net(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), *more).eval()


def dynamic(model: nn.Module) -> nn.Module:
    """Its linear layers quantised, as torch does it."""
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"parameters": []}, errors.ParameterError, "empty list"),
        ({"parameters": ()}, errors.ParameterError, "empty list"),
        ({"device": "gpu"}, errors.ArgumentError, "device: expected"),
        ({"device": "cuda:99"}, errors.ArgumentError, "cuda:99"),
        ({"device": 1.5}, errors.ArgumentError, "1.5"),
        ({"dtype": "float64"}, errors.ArgumentError, "torch.float64"),
        ({"dtype": torch.int64}, errors.ArgumentError, "floating-point"),
        ({"output": ks.outputs.OwnClass}, errors.ArgumentError, "OwnClass()"),
        ({"output": ks.outputs.Loss}, errors.ArgumentError, "Loss()"),
    ],
)
def test_arguments_are_refused_before_any_data(options, error, says) -> None:
    with pytest.raises(error) as caught:
        ks.TangentKernel(net(), **options)
    assert says in str(caught.value)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), None])
def test_a_device_that_holds_the_network_takes_no_copy(device) -> None:
    model = net()
    assert ks.TangentKernel(model, device=device).function.model is model


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (X[:, :3], "shape (3,) and torch.float32"),
        (X.long(), "torch.int64"),
        ({"values": X}, "TypeError"),
    ],
)
def test_a_network_that_cannot_run_is_told_with_the_data(data, says) -> None:
    with pytest.raises(errors.NetworkError, match="could not run") as caught:
        ks.TangentKernel(net()).similarity(data)
    assert says in str(caught.value)
    assert "forward=" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_what_the_output_function_raises_is_left_alone() -> None:
    def broken(outputs, batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ks.TangentKernel(net(), output=broken).similarity(X)


def test_inference_mode_is_refused_by_name() -> None:
    kernel = ks.TangentKernel(net())
    for call in (kernel.similarity, kernel.density, kernel.on):
        with torch.inference_mode(), pytest.raises(errors.NetworkError, match="inference_mode"):
            call(X)
    with torch.no_grad():
        assert kernel.similarity(X).shape == (6, 6)


def test_what_was_made_under_inference_mode() -> None:
    with torch.inference_mode():
        model, x = net(), X * 1
    with pytest.raises(errors.ParameterError, match="deepcopy") as caught:
        ks.TangentKernel(model)
    assert "inference_mode" in str(caught.value)
    kernel = ks.TangentKernel(copy.deepcopy(model))
    assert torch.equal(kernel.similarity(x), kernel.similarity(X))


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated", "ignore::UserWarning")
def test_quantised_layers_are_named() -> None:
    for model in (net(), net(nn.LayerNorm(3))):
        with pytest.raises(errors.ParameterError, match="quantised networks") as caught:
            ks.TangentKernel(dynamic(model))
        assert "Linear of torch.ao.nn.quantized" in str(caught.value)
    # Their scales are statistics of the batch, so that samples go in one by one.
    head = ks.TangentKernel(
        dynamic(net(nn.LayerNorm(3))),
        parameters=["1.*"],
        forward=lambda model, batch: torch.cat([model(x[None]) for x in batch]),
    )
    assert head.similarity(X).shape == (6, 6)


def test_a_layer_in_training_mode_is_named_with_its_kind() -> None:
    model = net(nn.BatchNorm1d(3)).train()
    with pytest.raises(errors.TrainingModeError, match=r"effect in 1 \(BatchNorm1d\);"):
        ks.TangentKernel(model).similarity(X)
    with pytest.raises(errors.TrainingModeError, match="effect in BatchNorm1d;"):
        ks.TangentKernel(nn.BatchNorm1d(4)).similarity(X)
