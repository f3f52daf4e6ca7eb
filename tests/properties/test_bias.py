"""Why the last layer needs a bias for similarity 1, and an activation one for equal gradients."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

import kinsight as ks
from properties.cases import Dense, gradients, inputs, seeds

DIRECTION = torch.tensor([[0.6, 0.8]], dtype=torch.float64)  # of length 1


class Unit(nn.Module):
    """f = σ(w·x + b), or σ(w·x)."""

    def __init__(self, activation: Callable[[Tensor], Tensor], bias: bool):
        super().__init__()
        self.layer = nn.Linear(2, 1, bias=bias).double()
        self.activation = activation
        with torch.no_grad():
            self.layer.weight.copy_(DIRECTION)
            if bias:
                self.layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.layer(x))


def twins(activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Two inputs along w at which z σ'(z) is the same, and so σ'(w·x) x: (2, 2).

    z σ'(z) rises from 0 and falls again for an S-shaped σ: its height at 0.5 comes back.
    """

    def height(z: Tensor) -> Tensor:
        z = z.clone().requires_grad_()
        return (z * torch.autograd.grad(activation(z).sum(), z)[0]).detach()

    places = torch.linspace(0, 5, 501, dtype=torch.float64)
    below, top = torch.tensor(0.5, dtype=torch.float64), places[height(places).argmax()]
    low, high = top, torch.tensor(50.0, dtype=torch.float64)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if height(middle) > height(below) else (low, middle)
    assert bool(below < top < low)
    return torch.stack([below, low])[:, None] * DIRECTION


@pytest.mark.parametrize("activation", [torch.tanh, torch.sigmoid])
def test_without_a_bias_an_activation_lets_equal_gradients_have_other_outputs(activation) -> None:
    x = twins(activation)
    model = Unit(activation, bias=False)
    g, f = gradients(model, x), model(x).detach()
    torch.testing.assert_close(g[0], g[1], rtol=1e-12, atol=0)
    assert float(ks.TangentKernel(model).similarity(x)[0, 1]) == pytest.approx(1, abs=1e-12)
    assert float((f[0] - f[1]).abs()) > 0.2
    with_bias = ks.TangentKernel(Unit(activation, bias=True)).similarity(x)
    assert float(with_bias[0, 1]) < 0.95


@given(seeds, st.sampled_from([torch.tanh, torch.sigmoid]))
def test_with_a_bias_the_gradient_tells_the_input_of_the_last_layer(seed, activation) -> None:
    """∂f/∂w = σ'(z) a and ∂f/∂b = σ'(z): their quotient is a, whatever σ' ≠ 0 is."""
    model, x = Unit(activation, bias=True), inputs(6, 2, seed)
    g = gradients(model, x)[:, 0]  # (N, 3)
    torch.testing.assert_close(g[:, :2] / g[:, 2:], x)


def test_where_the_last_activation_is_flat_nothing_is_said() -> None:
    """Both gradients vanish on the plateaus of hardtanh, at −1 and at 1: equal, other outputs."""
    model = Unit(nn.functional.hardtanh, bias=True)
    x = torch.tensor([[3.0, 3.0], [-3.0, -3.0]], dtype=torch.float64)
    assert torch.equal(gradients(model, x), torch.zeros(2, 1, 3, dtype=torch.float64))
    assert model(x).flatten().tolist() == [1, -1]
    with pytest.warns(ks.errors.SingularOutputWarning):
        similarity = ks.TangentKernel(model).similarity(x)
    assert torch.equal(similarity, torch.zeros(2, 2, dtype=torch.float64))  # never called alike


def test_without_a_bias_similarity_sees_directions_alone() -> None:
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
    model = Dense([2, 1], "relu", seed=0, bias=False)
    assert float(ks.TangentKernel(model).similarity(x)[0, 1]) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(model(x)[1], 2 * model(x)[0])
    biased = Dense([2, 1], "relu", seed=0)
    assert float(ks.TangentKernel(biased).similarity(x)[0, 1]) < 0.99


@given(seeds, st.floats(1.5, 20))
def test_a_relu_network_without_biases_takes_an_input_and_its_multiples_for_the_same(
    seed: int, factor: float
) -> None:
    model = Dense([3, 5, 4, 1], "relu", seed, bias=False)
    x = inputs(1, 3, seed)
    assume(bool((gradients(model, x) != 0).any()))  # a dead network has no similarity at all
    both = torch.cat([x, factor * x])
    similarity = ks.TangentKernel(model).similarity(both)
    torch.testing.assert_close(similarity, torch.ones_like(similarity), rtol=0, atol=1e-12)
    torch.testing.assert_close(model(factor * x), factor * model(x))


def test_a_bias_further_down_is_enough_for_equal_gradients_under_an_activation() -> None:
    """∂f/∂b of a hidden layer is σ'(z) w of the live units: it tells σ'(z) as well."""

    class Behind(Dense):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(super().forward(x))

    model = Behind([1, 2, 1], "relu", seed=0)
    with torch.no_grad():
        model.layers[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
        model.layers[0].bias.zero_()
        model.layers[1].weight.copy_(torch.tensor([[0.5, 0.25]]))
    model.layers[1].bias = None
    x = twins(torch.tanh).norm(dim=1, keepdim=True)  # z = w₂·(x, 2x) = x: gradients of w₂ agree
    g = gradients(model, x)
    sizes = [parameter.numel() for parameter in model.parameters()]
    by_parameter = dict(
        zip(dict(model.named_parameters()), g[:, 0].split(sizes, dim=1), strict=True)
    )
    last, bias = by_parameter["layers.1.weight"], by_parameter["layers.0.bias"]
    torch.testing.assert_close(last[0], last[1], rtol=1e-12, atol=0)
    assert float((bias[0] - bias[1]).abs().max()) > 0.1
    assert float(ks.TangentKernel(model).similarity(x)[0, 1]) < 0.99
