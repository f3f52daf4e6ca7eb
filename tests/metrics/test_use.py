"""Metrics at work: what is reported, refused, chosen; explaining, sketching, analysing."""

import tempfile

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.errors import ArgumentError, MetricError, MetricWarning, MissingExtraError, StoreError
from metrics.cases import FITS, digits_like, small

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.MetricWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
]


def test_what_no_gradient_reaches_is_named() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.spare = nn.Linear(5, 2), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    network, x = Spare().double().eval(), digits_like()
    for fit in (ks.metrics.diagonal_fisher, ks.metrics.block_fisher, ks.metrics.kronecker):
        with pytest.warns(MetricWarning, match=r"spare\.weight"):
            metric = fit(network, x)
        assert metric.facts.unreached == ("spare.weight", "spare.bias")
        assert torch.isfinite(ks.TangentKernel(network, metric=metric).similarity(x)).all()


def test_gradients_that_are_nothing_but_rounding_are_left_out() -> None:
    """The bias of keys in attention has no gradient; divided by its own size it would be noise."""
    torch.manual_seed(0)
    network = nn.MultiheadAttention(4, 1, batch_first=True).double().eval()
    forward = lambda model, x: model(x, x, x)[0].flatten(1)  # noqa: E731
    x = torch.randn(20, 3, 4).double()
    kernel = ks.TangentKernel(network, forward=forward)
    metric = ks.metrics.diagonal_fisher(kernel, x)
    factor = metric.halves["in_proj_bias"](torch.ones(12).double())
    assert (factor[4:8] == 0).all()
    assert (factor[8:] > 0).all()


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_measures_what_its_own_step_divides_by(amsgrad: bool) -> None:
    network, x = small(), digits_like()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=0.01, betas=(0.0, 0.9), amsgrad=amsgrad, weight_decay=0.0
    )
    for part in x.split(20):
        optimizer.zero_grad()
        network(part).square().mean().backward()
        before = {n: p.detach().clone() for n, p in network.named_parameters()}
        optimizer.step()
    metric = ks.metrics.adam(optimizer, network)
    for name, parameter in network.named_parameters():  # without momentum a step is lr M⁻¹ g
        half = metric.halves[name]
        want = (before[name] - parameter.detach()).flatten() / 0.01
        got = half(half(parameter.grad.flatten()))
        assert torch.allclose(got, want, rtol=1e-6, atol=1e-12)
    optimizer.state.pop(network[4].bias)
    with pytest.raises(MetricError, match=r"4\.bias"):
        ks.metrics.adam(optimizer, network)
    with pytest.raises(ArgumentError, match="SGD"):
        ks.metrics.adam(torch.optim.SGD(network.parameters(), lr=1.0), network)


def test_a_metric_belongs_to_the_parameters_that_are_chosen() -> None:
    network, x = small(), digits_like()
    some = ks.TangentKernel(network, parameters="0.*")
    metric = ks.metrics.diagonal_fisher(some, x)
    ks.TangentKernel(network, parameters="0.*", metric=metric).similarity(x)
    with pytest.raises(ArgumentError, match=r"2\.weight"):
        ks.TangentKernel(network, metric=metric)
    with pytest.raises(ArgumentError, match="fitted"):
        ks.TangentKernel(network, metric="fisher")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(FITS))
def test_shares_and_heat_maps_add_up_and_sketches_know_their_metric(kind: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
    ).eval()
    x = torch.rand(24, 1, 4, 4)
    metric = FITS[kind](network, x)
    kernel = ks.TangentKernel(network, metric=metric)
    explanation = kernel.explain(x[:1], x[1:2])
    want = float(kernel.similarity(x[:1], x[1:2]))
    assert abs(sum(layer.share for layer in explanation.layers) - want) < 1e-5
    for layer in explanation.layers:
        for side in ("x", "y"):
            maps = layer.positions(side)
            assert not maps or abs(float(sum(m.sum() for m in maps)) - layer.share) < 1e-5
    folder = tempfile.mkdtemp() + "/store"
    store = ks.sketch(kernel, x, folder, dim=1024)
    exact = kernel.similarity(x)
    assert (store.similarity(range(24), range(24)) - exact).abs().mean() < 0.03
    assert store.nearest([0], 3, kernel=None, rerank=kernel, data=x).values.shape == (1, 3)
    with pytest.raises(StoreError, match="metric"):
        ks.sketch(ks.TangentKernel(network), x, folder, dim=1024)
    other = FITS[kind](network, x[:20])
    with pytest.raises(StoreError, match="metric"):
        store.check_kernel(ks.TangentKernel(network, metric=other))
    again = ks.TangentKernel(network, metric=FITS[kind](network, x))
    store.check_kernel(again)  # the same fit is the same metric
    assert "metric (" in str(kernel.coverage())


def test_analyses_see_the_metric() -> None:
    network, x = small(), digits_like()
    kernel = ks.TangentKernel(network, metric=ks.metrics.block_fisher(network, x, damping=0.01))
    gram = kernel.similarity(x)
    assert torch.allclose(ks.density(kernel.on(x)).score, gram.sum(1), atol=1e-8)
    nearest = kernel.nearest(x, x, 5)
    want = (gram - 2 * torch.eye(len(x))).topk(5).indices
    assert (nearest.indices == want).all()
    influence = kernel.influence(x[:2], x[2:4])
    pairs, own = (
        kernel.matrix(x[2:4], x[:2], normalized=False),
        kernel.matrix(x[:2], normalized=False),
    )
    got = pairs[1, 0] @ torch.linalg.pinv(own[0, 0])
    assert torch.allclose(influence[0, 1], got, atol=1e-8)


def test_damping_is_chosen_by_the_likelihood_of_unseen_gradients() -> None:
    """More samples ask for less damping; the chosen one foretells new gradients best."""
    network = small()
    few = ks.metrics.full_fisher(network, digits_like(40))
    many = ks.metrics.full_fisher(network, digits_like(1000))
    assert many.damping < few.damping
    assert few.facts.rule.startswith("held-out")
    assert "held-out" in str(few)


def test_the_fisher_form_is_taken_where_the_kernel_asks_about_classes() -> None:
    network, x = small(), digits_like()
    logits = ks.TangentKernel(network, output=ks.outputs.Logits())
    assert ks.metrics.diagonal_fisher(logits, x).facts.output == "Fisher()"
    assert "own output" in ks.metrics.diagonal_fisher(network, x).facts.output
    given = ks.metrics.diagonal_fisher(network, x, output=ks.outputs.Fisher())
    assert given.identity == ks.metrics.diagonal_fisher(logits, x).identity


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "curvlinops", None)
    with pytest.raises(MissingExtraError, match=r"kinsight\[kfac\]"):
        ks.metrics.kronecker(small(), digits_like())
