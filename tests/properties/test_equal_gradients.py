"""Equal gradients without weight sharing: equal outputs, equal values of what influences them.

A theorem "equal implies equal" can hardly be tested on random inputs, which are never equal. Each
is therefore proved and tested in its quantitative form, a bound for every pair, of which equality
is the limit; and on pairs that are made to have equal gradients.
"""

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

import kinsight as ks
from kinsight.kernel.whitening import Normalization
from properties.cases import Dense, dense, distances, gradients, inputs, seeds, signals

SLACK = 1 + 1e-9


@given(dense(outputs=1), seeds)
def test_outputs_differ_by_no_more_than_w_times_the_gradients(model: Dense, seed: int) -> None:
    """|f − f'| ≤ ‖w‖ ‖g − g'‖: the last layer's weights have its input as their gradient."""
    x = inputs(6, model.layers[0].in_features, seed)
    g, f = gradients(model, x), model(x).detach()
    bound = model.layers[-1].weight.norm() * distances(g)
    assert (distances(f) <= SLACK * bound + 1e-14).all()
    torch.testing.assert_close(
        ks.TangentKernel(model, normalization=None).inner(x), g.flatten(1) @ g.flatten(1).T
    )


def test_the_bound_is_reached() -> None:
    """One linear layer and inputs that differ along w: nothing smaller than ‖w‖ would do."""
    model = Dense([3, 1], "tanh", seed=0)
    x = inputs(1, 3, 1)
    x = torch.cat([x, x + 0.7 * model.layers[0].weight.detach()])
    bound = model.layers[0].weight.norm() * distances(gradients(model, x))
    torch.testing.assert_close(distances(model(x)), bound)


def test_the_bounds_by_similarity_and_on_activities_are_reached() -> None:
    """At x' = 0 and in the limit of a small step along w: √(1 − k) has no better factor."""
    model = Dense([3, 1], "tanh", seed=0)
    w = model.layers[0].weight.detach()
    x = torch.cat([1e-3 * w / w.norm(), torch.zeros(1, 3, dtype=torch.float64)])
    k = ks.TangentKernel(model).similarity(x)[0, 1]
    size = gradients(model, x)[0].norm()
    bound = w.norm() * size * (2 * (1 - k)).sqrt()
    f = model(x).detach()
    assert float((f[0] - f[1]).abs() / bound) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(distances(x), distances(gradients(model, x)))  # δ = 1


@given(dense(), seeds)
def test_similarity_one_means_equal_outputs(model: Dense, seed: int) -> None:
    """‖f − f'‖ ≤ ‖W‖ √(2 D (1 − k) (1 + ‖a'‖²) / Tr K(x,x)⁻¹), a' what the last layer reads.

    Its bias has J = I, so that K(x,x)^-½ stands in the whitened features: directions alone
    cannot agree. For k by the trace, 1/Tr K⁻¹ becomes Tr K / D².
    """
    x = inputs(6, model.layers[0].in_features, seed)
    f, last = model(x).detach(), model.steps(x)[0][-1].detach()
    whitened = ks.TangentKernel(model)
    own = whitened.matrix(x, normalized=False).diagonal().permute(2, 0, 1)  # (N, D, D)
    outputs = f.shape[1]
    spectral = torch.linalg.matrix_norm(model.layers[-1].weight.detach(), 2)
    reach = spectral * (1 + last.square().sum(1)).sqrt()  # (M,), of x'
    scales: dict[Normalization, Tensor] = {
        "whitened": (outputs / torch.linalg.inv(own).diagonal(dim1=1, dim2=2).sum(1)).sqrt(),
        "trace": (own.diagonal(dim1=1, dim2=2).sum(1) / outputs).sqrt(),
    }
    for normalization, scale in scales.items():
        k = ks.TangentKernel(model, normalization=normalization).similarity(x)
        chord = (2 * (1 - k)).clamp_min(0).sqrt()
        rounding = 1e-7 * scale[:, None] * reach  # √eps: 1 − k cancels where k is near 1
        assert (distances(f) <= scale[:, None] * reach * chord + rounding).all()


@given(dense(outputs=1), seeds)
def test_activities_with_influence_differ_by_no_more_than_the_gradients(model, seed: int) -> None:
    """‖a − a'‖ ≤ √(1 + ‖a'‖²) ‖g − g'‖ / ‖δ‖ in every layer, δ the output-gradient behind it.

    Where δ = 0 the layer's inputs have no influence, and nothing is said of them.
    """
    x = inputs(6, model.layers[0].in_features, seed)
    far = distances(gradients(model, x))
    for read, delta in zip(*signals(model, x), strict=True):
        size = delta.flatten(1).norm(dim=1)
        bound = (1 + read.square().sum(1)).sqrt()[None] * far / size[:, None]
        seen = size > 1e-12
        assert (distances(read)[seen] <= SLACK * bound[seen] + 1e-12).all()


class Islands(nn.Module):
    """f = Σ_i v_i relu(w_i x_i + b_i) + c: every input has a unit of its own, nothing is shared."""

    w: nn.Parameter
    b: nn.Parameter

    def __init__(self, count: int):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        for name in ("w", "b"):
            value = torch.rand(count, generator=generator, dtype=torch.float64) + 0.5
            setattr(self, name, nn.Parameter(value))
        self.last = nn.Linear(count, 1).double()

    def hidden(self, x: Tensor) -> Tensor:
        """The activities: (N, count)."""
        return torch.relu(self.w * x + self.b)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x))


@pytest.fixture
def islands() -> tuple[Islands, Tensor]:
    """A network, and two inputs that differ in the third and fourth unit, at rest for both."""
    x = torch.tensor([[0.3, 1.2, -7.0, -8.0], [0.3, 1.2, -5.0, -9.0]], dtype=torch.float64)
    return Islands(4).eval(), x


def test_unlike_inputs_may_have_equal_gradients_and_then_all_that_matters_agrees(islands) -> None:
    model, x = islands
    g = gradients(model, x)
    assert torch.equal(g[0], g[1])
    assert float(ks.TangentKernel(model).similarity(x)[0, 1]) == pytest.approx(1, abs=1e-12)
    assert not torch.equal(x[0], x[1])  # only where nothing reads them
    assert torch.equal(model.hidden(x)[0], model.hidden(x)[1])
    assert torch.equal(model(x)[0], model(x)[1])
    x = x.clone().requires_grad_()
    (influence,) = torch.autograd.grad(model(x).sum(), x)
    assert torch.equal(influence != 0, torch.tensor([[True, True, False, False]]).expand(2, 4))
    assert torch.equal(x[influence != 0].reshape(2, 2)[0], x[influence != 0].reshape(2, 2)[1])


def test_a_change_of_what_matters_is_seen(islands) -> None:
    model, x = islands
    for place in (0, 1):
        changed = x[:1].clone()
        changed[0, place] += 0.1
        assert float(ks.TangentKernel(model).similarity(x[:1], changed)) < 1 - 1e-6
