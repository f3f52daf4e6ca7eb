"""What may be changed without a change of similarity, and what may not."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import kinsight as ks
from kinsight.kernel.whitening import Normalization
from properties.cases import Dense, dense, inputs, seeds

NORMALIZATIONS: tuple[Normalization, ...] = ("whitened", "trace")
factors = st.floats(1e-3, 1e3).flatmap(lambda size: st.sampled_from([size, -size]))
ATOL = 1e-8  # in K^-½ the condition of K(x,x) multiplies rounding


def normal(*sizes: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float64)


def similarity(model: Dense, x, output=None, normalization: Normalization = "whitened") -> Tensor:
    kernel = ks.TangentKernel(model, output=output, normalization=normalization)
    return kernel.similarity(x)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(), seed=seeds, factor=factors)
def test_a_constant_times_the_output_or_added_to_it(normalization, model, seed, factor) -> None:
    x = inputs(5, model.layers[0].in_features, seed)
    plain = similarity(model, x, None, normalization)
    for output in (lambda z, _: factor * z, lambda z, _: z + factor):
        same = similarity(model, x, output, normalization)
        torch.testing.assert_close(same, plain, rtol=0, atol=ATOL)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(), seed=seeds)
def test_a_positive_factor_for_every_sample_and_a_function_of_the_sample(
    normalization: Normalization, model: Dense, seed: int
) -> None:
    x = inputs(5, model.layers[0].in_features, seed)
    own = normal(5, 1, seed=seed).exp()
    plain = similarity(model, x, None, normalization)
    changed = similarity(model, (x, own), lambda z, batch: batch[1] * z + batch[1], normalization)
    torch.testing.assert_close(changed, plain, rtol=0, atol=ATOL)


def test_a_factor_of_another_sign_turns_the_similarity() -> None:
    model, x = Dense([3, 5, 2], "tanh", 0), inputs(4, 3, 0)
    signs = torch.tensor([[1.0], [-1], [1], [-1]], dtype=torch.float64)
    changed = similarity(model, (x, signs), lambda z, batch: batch[1] * z)
    torch.testing.assert_close(changed, similarity(model, x) * signs * signs.T)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(outputs=3), seed=seeds)
def test_turning_the_outputs_of_all_samples_alike(normalization, model, seed: int) -> None:
    x = inputs(5, model.layers[0].in_features, seed)
    turn = torch.linalg.qr(normal(3, 3, seed=seed))[0]
    plain = similarity(model, x, None, normalization)
    same = similarity(model, x, lambda z, _: z @ turn, normalization)
    torch.testing.assert_close(same, plain, rtol=0, atol=ATOL)


@given(dense(outputs=3), seeds)
def test_any_regular_mixture_of_outputs_leaves_the_principal_angles(model, seed: int) -> None:
    """B(x) J(x) has the rows' span of J(x): the singular values of K_C stay, each sample's own B.

    With det B > 0 the similarity up to a rotation stays as well, which is made of them.
    """
    x = inputs(4, model.layers[0].in_features, seed)
    left, right = (torch.linalg.qr(normal(4, 3, 3, seed=seed + i))[0] for i in (0, 1))
    scale = 0.5 + normal(4, 3, seed=seed + 2).abs()
    mixture = (left * scale[:, None]) @ right  # (N, D, D), condition below 10
    mixture[:, 0] *= torch.linalg.det(mixture).sign()[:, None]

    def mixed(z: Tensor, batch: tuple) -> Tensor:
        return torch.einsum("bde,be->bd", batch[1], z)

    plain, other = ks.TangentKernel(model), ks.TangentKernel(model, output=mixed)
    angles = torch.linalg.svdvals(plain.matrix(x))
    torch.testing.assert_close(
        torch.linalg.svdvals(other.matrix((x, mixture))), angles, rtol=0, atol=1e-7
    )
    turned = other.rotation_similarity((x, mixture))
    torch.testing.assert_close(turned, plain.rotation_similarity(x), rtol=0, atol=1e-7)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_but_not_the_similarity(normalization: Normalization) -> None:
    """Whitened outputs keep their axes: one mixture for all that is no rotation changes k."""
    model, x = Dense([3, 5, 2], "tanh", 0), 2 * normal(6, 3)
    stretch = torch.tensor([[3.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    plain = similarity(model, x, None, normalization)
    changed = similarity(model, x, lambda z, _: z @ stretch, normalization)
    assert float((changed - plain).abs().max()) > 1e-3


@given(dense(), seeds)
def test_the_order_of_hidden_units(model: Dense, seed: int) -> None:
    x = inputs(5, model.layers[0].in_features, seed)
    plain = similarity(model, x)
    first, second = model.layers[0], model.layers[1]
    order = normal(first.out_features, seed=seed).argsort()
    with torch.no_grad():
        first.weight.copy_(first.weight[order])
        first.bias.copy_(first.bias[order])
        second.weight.copy_(second.weight[:, order])
    torch.testing.assert_close(similarity(model, x), plain, rtol=0, atol=ATOL)


@given(dense(), seeds)
def test_turned_inputs_of_a_first_layer_turned_along(model: Dense, seed: int) -> None:
    """W Qᵀ reads Q x: the gradient turns with it, and a rotation keeps inner products."""
    size = model.layers[0].in_features
    x = inputs(5, size, seed)
    plain = similarity(model, x)
    turn = torch.linalg.qr(normal(size, size, seed=seed))[0]
    with torch.no_grad():
        model.layers[0].weight.copy_(model.layers[0].weight @ turn.T)
    torch.testing.assert_close(similarity(model, x @ turn.T), plain, rtol=0, atol=ATOL)


def test_but_not_other_units_of_the_inputs() -> None:
    """Inputs in other units, the first layer's weights to suit: the same f, another similarity."""
    model, x = Dense([3, 5, 1], "tanh", 0), normal(6, 3)
    plain = similarity(model, x)
    before = model(x).detach()
    with torch.no_grad():
        model.layers[0].weight.div_(10)
    torch.testing.assert_close(model(10 * x), before)
    assert float((similarity(model, 10 * x) - plain).abs().max()) > 0.05


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(model=dense(), seed=seeds)
def test_the_company_of_a_sample(normalization: Normalization, model: Dense, seed: int) -> None:
    x = inputs(6, model.layers[0].in_features, seed)
    everybody = similarity(model, x, None, normalization)
    some = similarity(model, x[[4, 1]], None, normalization)
    torch.testing.assert_close(some, everybody[[4, 1]][:, [4, 1]], rtol=0, atol=ATOL)
