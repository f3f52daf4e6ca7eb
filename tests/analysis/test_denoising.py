"""Self-denoising against the formulas written out in float64, and against gradient descent."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
import oracle
from analysis.cases import COUNT, features, inputs
from kinsight.errors import ArgumentError


def network(outputs: int = 1) -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, outputs)).double().eval()


def data() -> Tensor:
    return inputs().double()


def labels(outputs: int = 1) -> Tensor:
    return torch.randn(COUNT, outputs, generator=torch.Generator().manual_seed(5)).double()


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_averages_are_their_formulas(outputs: int, weighted: bool) -> None:
    model, y = network(outputs), labels(outputs)
    c = torch.linspace(0.5, 2, COUNT).double() if weighted else torch.ones(COUNT).double()
    found = ks.denoise(ks.TangentKernel(model).on(data()), y, loss_weights=c if weighted else None)
    jacobian = oracle.jacobian(model, data())
    kernel = oracle.matrix(jacobian, jacobian) * c[:, None, None]  # (N, N, D, D)
    answers = model(data()).detach()
    for i in range(COUNT):
        inverse = torch.linalg.inv(kernel[i].sum(0))
        weights = inverse @ kernel[i]  # (N, D, D)
        tight = {"rtol": 1e-6, "atol": 1e-8}
        label = torch.einsum("nde,ne->d", weights, y)
        answer = torch.einsum("nde,ne->d", weights, answers)
        covariance = torch.einsum("nde,nfe->df", weights, weights)
        torch.testing.assert_close(found.neighbourhood[i], label, **tight)
        torch.testing.assert_close(found.shift[i], answers[i] - answer, **tight)
        torch.testing.assert_close(found.residual[i], answer - label, **tight)
        torch.testing.assert_close(found.covariance[i], covariance, **tight)
        factor = (covariance.trace() / outputs).sqrt()
        torch.testing.assert_close(found.factor[i], factor, **tight)
        assert float(found.effective[i] * factor**2) == pytest.approx(1.0)


@pytest.mark.parametrize("copies", [1, 4, 10, 40])
def test_identical_inputs_average_like_one_over_the_root_of_their_number(copies: int) -> None:
    """Noise2noise: groups of identical inputs, at right angles to each other."""
    groups = torch.arange(COUNT) // copies
    x = torch.eye(COUNT).double()[groups]
    kernel = ks.TangentKernel(nn.Linear(COUNT, 1, bias=False).double())
    found = ks.denoise(kernel.on(x), labels()[:, 0])
    expected = torch.full((COUNT,), copies**-0.5).double()
    torch.testing.assert_close(found.factor, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.shift[:, 0], torch.zeros(COUNT).double(), rtol=0, atol=1e-9)


def trained(model: nn.Module, y: Tensor, rate: float, steps: int, decay: float = 0.0) -> nn.Module:
    """Full gradient descent on the mean ½-squared loss."""
    optimizer = torch.optim.SGD(model.parameters(), rate, weight_decay=decay)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (model(data()) - y).square().sum(1)).mean().backward()
        optimizer.step()
    return model


def test_the_residual_vanishes_at_a_stationary_point_and_is_noticed_elsewhere() -> None:
    y = labels()
    linear = nn.Linear(6, 1).double()
    early = ks.denoise(ks.TangentKernel(linear).on(data()), y)
    late = ks.denoise(ks.TangentKernel(trained(linear, y, 0.3, 3000)).on(data()), y)
    by_name = {a.name: a for a in late.assumptions}
    assert float(late.residual.abs().max()) < 1e-6
    assert by_name["training reached a stationary point"].holds
    assert not early.assumptions[0].holds
    assert "FAILS: training reached" in early.summary()


def test_weight_decay_explains_the_residual_that_it_leaves() -> None:
    y = labels()
    model = trained(nn.Linear(6, 1).double(), y, 0.3, 3000, decay=0.05)
    source = ks.TangentKernel(model).on(data())
    found = ks.denoise(source, y, weight_decay=0.05)
    assert float(found.residual.abs().max()) > 1e-3
    torch.testing.assert_close(found.residual, found.decay, rtol=1e-4, atol=1e-6)
    assert not ks.denoise(source, y).assumptions[0].value < found.assumptions[0].value


def test_the_filter_of_training_predicts_the_measured_noise_gain() -> None:
    """A linear network: two noise draws, the same initialisation, the same steps."""
    rate, steps = 0.05, 60
    first, noise = labels(), torch.randn(COUNT, 1, generator=torch.Generator().manual_seed(6))
    torch.manual_seed(7)
    start = nn.Linear(6, 1).double().state_dict()
    answers = []
    for y in (first, first + noise):
        model = nn.Linear(6, 1).double()
        model.load_state_dict(start)
        answers.append(trained(model, y, rate, steps)(data()).detach())
    gains = (answers[0] - answers[1]).square().sum() / noise.square().sum()
    source = ks.TangentKernel(model).on(data())
    told = ks.denoise(source, first, training=ks.Descent.of(rate, steps))
    assert told.noise_gain is not None
    assert told.smoother == "descent"
    jacobian = oracle.jacobian(model, data())[:, 0]
    hat = jacobian @ jacobian.T / COUNT
    values, vectors = torch.linalg.eigh(hat)
    exact = vectors @ (vectors.T @ noise.double() * (1 - (1 - rate * values) ** steps)[:, None])
    expected = float(exact.square().sum() / noise.square().sum())
    assert float(gains) == pytest.approx(expected, rel=1e-6)  # the theory, for this very noise
    mean = float((1 - (1 - rate * values) ** steps).square().mean().sqrt())
    assert told.noise_gain == pytest.approx(mean, rel=0.02)  # and on average
    assert float(told.gain.square().mean().sqrt()) == pytest.approx(told.noise_gain)


def test_the_residual_tells_how_long_training_took() -> None:
    """A network that began at zero, so that its residual is that of the filter."""
    rate, steps, y = 0.05, 60, labels() - labels().mean()
    model = nn.Linear(6, 1).double()
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    source = ks.TangentKernel(trained(model, y, rate, steps)).on(data())
    told = ks.denoise(source, y, training=ks.Descent.of(rate, steps))
    found = ks.denoise(source, y, training="residual")
    assert found.smoother == "descent"
    assert found.parameter == pytest.approx(told.parameter, rel=0.02)
    assert found.noise_gain == pytest.approx(told.noise_gain, rel=0.02)
    assert not {a.name: a.holds for a in found.assumptions}[found.assumptions[-1].name]


def test_two_outputs_trained_together_are_filtered_as_two() -> None:
    """A linear network with two outputs has twice the gram of one: the gain is the same."""
    one = ks.denoise(
        ks.TangentKernel(nn.Linear(6, 1).double()).on(data()),
        labels(1),
        training=ks.Descent.of(0.05, 60),
    )
    two = ks.denoise(
        ks.TangentKernel(nn.Linear(6, 2).double()).on(data()),
        labels(2),
        training=ks.Descent.of(0.05, 60),
    )
    assert two.noise_gain == pytest.approx(one.noise_gain, rel=1e-6)
    torch.testing.assert_close(two.factor, one.factor, rtol=1e-6, atol=1e-9)


def test_the_noise_level_is_found_where_the_signal_is_fitted() -> None:
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(400, 6, generator=generator).double()
    y = (x @ torch.randn(6, 1, generator=generator).double()) + 0.3 * torch.randn(
        400, 1, generator=generator
    )
    model = nn.Linear(6, 1).double()
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(400, 1)], 1), y).solution
    with torch.no_grad():
        model.weight.copy_(solution[:6].T)
        model.bias.copy_(solution[6])
    found = ks.denoise(ks.TangentKernel(model).on(x), y, training=ks.Descent.of(1.0, 10**6))
    assert found.noise_level == pytest.approx(0.3, rel=0.1)
    assert found.noise_gain == pytest.approx((7 / 400) ** 0.5, rel=1e-3)


def test_missing_labels_are_left_out_and_predicted() -> None:
    y = data() @ torch.randn(6, 1, generator=torch.Generator().manual_seed(9)).double()
    known = torch.arange(COUNT) % 5 != 0
    source = ks.TangentKernel(nn.Linear(6, 1).double()).on(data())
    found = ks.denoise(source, torch.where(known[:, None], y, torch.nan))
    other = ks.denoise(source, torch.where(known[:, None], y, torch.nan), ridge=1e-9)
    rest = ks.TangentKernel(nn.Linear(6, 1).double()).on(data()[known])
    among = ks.denoise(rest, y[known], ridge=1e-9)
    torch.testing.assert_close(other.left_out[known], among.left_out, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.factor[known], among.factor, rtol=1e-9, atol=1e-9)
    off = (found.left_out - y)[~known].norm() / y[~known].norm()
    assert float(off) < 0.5


def test_a_source_of_features_says_what_the_exact_source_says() -> None:
    linear = nn.Linear(6, 1, bias=False).double()
    exact = ks.denoise(ks.TangentKernel(linear).on(data()), labels())
    known = ks.denoise(ks.FeatureSource(data(), outputs=linear(data()).detach()), labels())
    for name, value in exact.tensors().items():
        torch.testing.assert_close(known.tensors()[name], value, rtol=1e-5, atol=1e-7)


def test_a_lower_rank_gives_a_lower_gain_and_says_so() -> None:
    source, _ = features(outputs=torch.randn(COUNT))
    training = ks.Descent.of(0.05, 60)
    whole = ks.denoise(source, labels(), training=training)
    same = ks.denoise(source, labels(), training=training, rank=7)  # as many as there are
    few = ks.denoise(
        ks.TangentKernel(network()).on(data()), labels(), training=ks.Descent.of(1.0, 10**6), rank=5
    )
    assert whole.rank == same.rank == 7
    assert same.noise_gain == pytest.approx(whole.noise_gain, rel=1e-6)
    torch.testing.assert_close(same.gain, whole.gain, rtol=1e-6, atol=1e-9)
    assert few.rank == 5
    assert few.noise_gain <= (5 / COUNT) ** 0.5 + 1e-9


def test_several_outputs_beyond_the_limit_have_no_smoother_and_the_rest() -> None:
    found = ks.denoise(ks.TangentKernel(network(2)).on(data()), labels(2), rank=5)
    assert found.gain is None
    assert found.smoother == "none"
    assert bool(found.factor.isfinite().all())


def test_training_is_read_from_a_log(tmp_path: Path) -> None:
    table, lines = tmp_path / "log.csv", tmp_path / "log.jsonl"
    table.write_text("step,lr,loss\n1,0.1,3\n2,0.1,2\n3,0.05,1\n")
    lines.write_text('{"learning_rate": 0.1}\n{"learning_rate": 0.15}\n')
    assert ks.Descent.from_log(table).time == pytest.approx(0.25)
    assert ks.Descent.from_log(lines, momentum=0.5).time == pytest.approx(0.5)
    (tmp_path / "wrong.csv").write_text("step,loss\n1,2\n")
    (tmp_path / "words.csv").write_text("lr\nfast\n")
    (tmp_path / "broken.jsonl").write_text('{"lr": 1')
    for name in ("wrong.csv", "words.csv", "broken.jsonl", "absent.csv"):
        with pytest.raises(ArgumentError, match=r"expected|number"):
            ks.Descent.from_log(tmp_path / name)


def test_wrong_arguments_are_refused() -> None:
    source = ks.TangentKernel(network()).on(data())
    known = features(outputs=torch.randn(COUNT))[0]
    for call, said in (
        (lambda: ks.denoise(source, labels(2)), "as many as"),
        (lambda: ks.denoise(source, labels()[:3]), "40 samples"),
        (lambda: ks.denoise(source, labels(), loss_weights=torch.ones(3)), "loss_weights"),
        (lambda: ks.denoise(source, labels(), loss_weights=-torch.ones(COUNT)), "loss_weights"),
        (lambda: ks.denoise(source, labels(), ridge=-1.0), "ridge"),
        (lambda: ks.denoise(known, labels(), weight_decay=0.1), "exact kernel"),
        (lambda: ks.Descent.of(0.0, 10), "rate"),
        (lambda: ks.Descent.of(0.1, 10, momentum=1.0), "momentum"),
    ):
        with pytest.raises(ArgumentError, match=said):
            call()
