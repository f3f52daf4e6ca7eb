"""With shared weights only sums over the uses must agree: invariances show, outputs may differ."""

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import kinsight as ks
from properties.cases import distances, gradients, inputs, seeds


class Pooled(nn.Module):
    """Two convolutions, the mean over positions, a linear layer; shifts change nothing."""

    def __init__(self, padding: Literal["circular", "zeros"] = "circular"):
        super().__init__()
        self.first = nn.Conv1d(2, 4, 3, padding=1, padding_mode=padding)
        self.second = nn.Conv1d(4, 3, 3, padding=1, padding_mode=padding)
        self.last = nn.Linear(3, 2)
        self.double().eval()

    def hidden(self, x: Tensor) -> Tensor:
        """Activities of the first layer: (N, 4, T)."""
        return self.first(x).tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.hidden(x)).tanh().mean(2))


@given(seeds, st.integers(1, 8))
def test_an_invariance_that_is_built_in_has_similarity_one_and_other_activities(
    seed: int, shift: int
) -> None:
    model, x = Pooled(), inputs(1, 18, seed).reshape(1, 2, 9)
    moved = x.roll(shift, 2)
    both = torch.cat([x, moved])
    g = gradients(model, both)
    torch.testing.assert_close(g[0], g[1], rtol=0, atol=1e-12)
    assert float(ks.TangentKernel(model).similarity(both)[0, 1]) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(model(x), model(moved))
    assert float(distances(model.hidden(x), model.hidden(moved)).detach()) > 1e-3
    torch.testing.assert_close(model.hidden(x).roll(shift, 2), model.hidden(moved))


def test_what_agrees_are_sums_over_positions_weighted_by_impact() -> None:
    """Σ_t δ_t a_tᵀ, the weight's gradient, is the same; its terms stand in other places."""
    model, x = Pooled(), inputs(1, 18, 0).reshape(1, 2, 9)
    terms = []
    for each in (x, x.roll(4, 2)):
        returned = model.second(model.hidden(each))
        value = model.last(returned.tanh().mean(2))[0, 0]
        (delta,) = torch.autograd.grad(value, returned)  # (1, 3, T)
        read = nn.functional.pad(model.hidden(each), (1, 1), mode="circular").unfold(2, 3, 1)
        terms.append(torch.einsum("bot,bcts->tocs", delta, read))  # (T, 3, 4, 3)
    torch.testing.assert_close(terms[0].sum(0), terms[1].sum(0))
    torch.testing.assert_close(terms[0].roll(4, 0), terms[1])
    assert float((terms[0] - terms[1]).detach().norm()) > 1e-3


def test_a_border_breaks_the_invariance() -> None:
    x = inputs(1, 18, 0).reshape(1, 2, 9)
    assert float(ks.TangentKernel(Pooled("zeros")).similarity(x, x.roll(4, 2))) < 0.9999


class Recurrent(nn.Module):
    """h = w (x₁ + w x₂), the weight used twice, read as it is or by a linear layer of its own."""

    def __init__(self, head: bool):
        super().__init__()
        self.w = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.head = nn.Linear(1, 1).double() if head else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 1, dtype=x.dtype)
        for step in (1, 0):
            h = self.w * (x[:, step : step + 1] + h)
        return self.head(h)


TWINS = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)


def test_a_shared_last_layer_lets_equal_gradients_have_other_outputs() -> None:
    """f = w x₁ + w² x₂ has the gradient x₁ + 2 w x₂: 2 for both inputs at w = 1."""
    model = Recurrent(head=False).eval()
    assert gradients(model, TWINS).flatten().tolist() == [2, 2]
    assert model(TWINS).flatten().tolist() == [2, 1]
    similarity = ks.TangentKernel(model).similarity(TWINS)
    torch.testing.assert_close(similarity, torch.ones(2, 2, dtype=torch.float64))


def test_a_last_layer_of_its_own_tells_them_apart() -> None:
    model = Recurrent(head=True).eval()
    assert float(ks.TangentKernel(model).similarity(TWINS)[0, 1]) < 0.99


@pytest.mark.parametrize("network", ["convolutions", "recurrent"])
@given(seed=seeds)
def test_sharing_below_the_last_layer_leaves_the_bound_on_outputs(network: str, seed: int) -> None:
    if network == "convolutions":
        model, x = Pooled(), inputs(6, 18, seed).reshape(6, 2, 9)
        weight = model.last.weight
    else:
        model, x = Recurrent(head=True).eval(), inputs(6, 2, seed)
        weight = model.head.weight
    bound = torch.linalg.matrix_norm(weight, 2) * distances(gradients(model, x))
    assert (distances(model(x)) <= bound * (1 + 1e-9) + 1e-14).all()
