"""Every bad input ends in a typed error that says what was expected, what came, what to do."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import kinsight as ks
from kinsight import errors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def net(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), *more).eval()


class Scaled(nn.Module):
    """A layer with a weight that is not used and one that ties the samples of a batch."""

    def __init__(self, tie: bool = False):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.tie = tie

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        return y - y.mean(0) if self.tie else y


class Noisy(Scaled):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x + torch.randn_like(x))


@pytest.mark.parametrize(
    ("model", "options", "data", "error", "says"),
    [
        (net(nn.BatchNorm1d(3)).train(), {}, X, errors.TrainingModeError, "model.eval()"),
        (net(nn.Dropout(0.5)).train(), {}, X, errors.TrainingModeError, "model.eval()"),
        (Noisy(), {}, X, errors.StochasticNetworkError, "fixed seed"),
        (Scaled(tie=True), {}, X, errors.SampleInfluenceError, "rest of its batch"),
        (
            net(nn.BatchNorm1d(3, track_running_stats=False)),
            {},
            X,
            errors.SampleInfluenceError,
            "running statistics",
        ),
        (nn.ReLU(), {}, X, errors.ParameterError, "no tangent kernel"),
        (net().requires_grad_(False), {}, X, errors.ParameterError, "requires_grad"),
        (net(), {"parameters": ["nothing.*"]}, X, errors.ParameterError, "0.weight"),
        (net(), {"parameters": lambda name, p: False}, X, errors.ParameterError, "predicate"),
        (net(), {"parameters": 3}, X, errors.ArgumentError, "globs"),
        (net(), {"normalization": "cosine"}, X, errors.ArgumentError, "'whitened'"),
        (net(), {"batch_size": 0}, X, errors.ArgumentError, "at least 1"),
        (net(), {"memory_budget": 10}, X, errors.ArgumentError, "1 MiB"),
        (net(), {"output": "logits"}, X, errors.ArgumentError, "callable"),
        (net(), {"output": lambda z, b: z.detach()}, X, errors.UnreachableParameterError, "detach"),
        (net(), {"output": lambda z, b: z.argmax(1)}, X, errors.OutputError, "argmax"),
        (net(), {"output": lambda z, b: z.mean()}, X, errors.OutputError, "do not average"),
        (net(), {"output": lambda z, b: 3}, X, errors.OutputError, "int"),
        (net(), {"output": lambda z, b: z.to(torch.cfloat)}, X, errors.OutputError, "view_as_real"),
        (nn.LSTM(4, 3), {}, X[None], errors.OutputError, "outputs[0]"),
        (net(), {}, X[:0], errors.DataError, "empty"),
        (net(), {}, (X, X[:3]), errors.DataError, "one length"),
        (net(), {}, torch.tensor(3.0), errors.DataError, "x[None]"),
        (net(), {}, 3, errors.DataError, "DataLoader"),
        (net(), {}, DataLoader(TensorDataset(X), shuffle=True), errors.DataError, "shuffle=False"),
        (net(), {}, DataLoader(TensorDataset(X), 4, drop_last=True), errors.DataError, "drop_last"),
        (torch.jit.script(net()), {}, X, errors.NetworkError, "ScriptModule"),
        (torch.sin, {}, X, errors.NetworkError, "module"),
        (
            net(),
            {"output": ks.outputs.Probes(2)},
            X,
            errors.ArgumentError,
            "normalization='trace'",
        ),
        (
            net(nn.Linear(3, 3000)),
            {"memory_budget": 1 << 20},
            X,
            errors.OutputSizeError,
            "Probes",
        ),
        (net(), {"output": ks.outputs.OwnClass("batch")}, X, errors.OutputError, "labels"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(model, options, data, error, says) -> None:
    with pytest.raises(error, match=None) as caught:
        ks.TangentKernel(model, **options).similarity(data)
    assert isinstance(caught.value, errors.KinsightError)
    assert says in str(caught.value)


def test_reentrant_checkpointing_is_refused() -> None:
    class Hidden(Scaled):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.requires_grad_(True)
            return torch.utils.checkpoint.checkpoint(self.linear, x, use_reentrant=True)

    with pytest.raises(errors.NetworkError, match="use_reentrant=False"):
        ks.TangentKernel(Hidden()).similarity(X.clone())


def test_samples_with_nan_are_named_and_the_rest_is_computed() -> None:
    bad = X.clone()
    bad[2] = torch.nan
    kernel = ks.TangentKernel(net(nn.Tanh()))
    with pytest.warns(errors.NonFiniteGradientWarning, match=r"1 sample .*: 2\."):
        similarity = kernel.similarity(bad)
    rest = [0, 1, 3, 4, 5]
    clean = kernel.similarity(X[rest])
    assert similarity[2].isnan().all()
    assert similarity[:, 2].isnan().all()
    assert torch.allclose(similarity[rest][:, rest], clean, atol=1e-6)
    with pytest.warns(errors.NonFiniteGradientWarning):
        density = kernel.density(bad)
    assert density[2].isnan()
    assert torch.allclose(density[rest], clean.sum(1), atol=1e-5)
    with pytest.warns(errors.NonFiniteGradientWarning):
        values, indices = kernel.nearest(bad, bad, 3)
    assert not (indices[rest] == 2).any()
    assert (indices[2] == -1).all()
    assert (values[2] == -torch.inf).all()


def test_zero_gradients_are_reported_and_give_zero() -> None:
    model = net(nn.ReLU())
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
        model[0].weight[:, 0] = 0
    kernel = ks.TangentKernel(model)
    with pytest.warns(errors.SingularOutputWarning, match="6 samples have no gradient"):
        similarity = kernel.similarity(X)
    assert (similarity == 0).all()
    assert (kernel.on(X).ranks() == 0).all()


def test_log_probabilities_are_of_rank_one_less() -> None:
    kernel = ks.TangentKernel(net(), output=ks.outputs.LogProbabilities(), dtype=torch.float64)
    with pytest.warns(errors.SingularOutputWarning, match="rank 2"):
        similarity = kernel.similarity(X)
    assert torch.allclose(similarity.diagonal(), torch.ones(6, dtype=torch.float64))


def test_a_cancelling_loss_is_noticed_and_the_remedy_does_not_cancel() -> None:
    model = net()
    with torch.no_grad():
        model[0].weight.mul_(60)
    labels = model(X).argmax(1)
    data = (X, labels)

    def plain(outputs: torch.Tensor, batch) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, batch[1], reduction="none")

    with pytest.warns(errors.CancellationWarning, match="ks.outputs.Loss"):
        ks.TangentKernel(model, output=plain, normalization="trace").similarity(data)
    exact = ks.TangentKernel(model, output=plain, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = ks.TangentKernel(model, output=ks.outputs.Loss()).similarity(data)
        steady = ks.TangentKernel(model, output=ks.outputs.Loss(), dtype=torch.float64).similarity(
            data
        )
    assert torch.allclose(ours.double(), steady, atol=1e-4)
    assert exact.similarity(data).shape == (6, 6)


def test_an_unused_and_a_frozen_parameter_are_listed() -> None:
    class Spare(Scaled):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Parameter(torch.zeros(2))
            self.frozen = nn.Parameter(torch.zeros(2), requires_grad=False)

    coverage = ks.TangentKernel(Spare()).coverage(X)
    assert coverage.unused == ("spare",)
    assert coverage.frozen == ("frozen",)
    assert {row.name for row in coverage} == {"linear.weight", "linear.bias", "spare"}
    assert "left out: frozen" in str(coverage)


def test_coverage_needs_data_first() -> None:
    with pytest.raises(errors.ArgumentError, match=r"coverage\(x\)"):
        ks.TangentKernel(net()).coverage()


def test_more_neighbours_than_samples_are_refused() -> None:
    kernel = ks.TangentKernel(net())
    with pytest.raises(errors.ArgumentError, match="at most 5"):
        kernel.nearest(X, X, 6)
    with pytest.raises(errors.ArgumentError, match="at least 1"):
        kernel.nearest(X, X, 0)
