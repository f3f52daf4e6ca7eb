"""How many directions there are: ranks of Gram matrices, of their sums, and of one sample."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import kinsight as ks
from kinsight.errors import SingularOutputWarning
from properties.cases import Dense, dense, inputs, seeds


def rank(gram: Tensor) -> int:
    """Eigenvalues above 1e-12 of the largest."""
    values = torch.linalg.eigvalsh(gram)
    return int((values > 1e-12 * values[-1]).sum())


def whole(model: Dense, x: Tensor, **choice) -> Tensor:
    """K of all outputs of all samples: (N·D, N·D)."""
    matrix = ks.TangentKernel(model, **choice).matrix(x, normalized=False)  # (N, N, D, D)
    return matrix.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)


def parameters(model: Dense) -> int:
    return sum(each.numel() for each in model.parameters())


@given(dense(), seeds, st.integers(2, 12))
def test_no_more_directions_than_outputs_or_parameters(model, seed: int, count: int) -> None:
    """rank K ≤ min(N D, P), and of the scalar Gram ≤ min(N, D P)."""
    x = torch.randn(count, model.layers[0].in_features, dtype=torch.float64)
    outputs, total = model.layers[-1].out_features, parameters(model)
    assert rank(whole(model, x)) <= min(count * outputs, total)
    assert rank(ks.TangentKernel(model).similarity(x)) <= min(count, outputs * total)


@pytest.mark.parametrize(("count", "want"), [(3, 6), (5, 10), (6, 12), (9, 12)])
def test_as_many_directions_as_there_may_be(count: int, want: int) -> None:
    """2·2 + 2 + 2·2 + 2 = 12 parameters of a tanh network, all of which count."""
    model = Dense([2, 2, 2], "tanh", seed=3)
    x = torch.randn(count, 2, dtype=torch.float64) * 2
    assert parameters(model) == 12
    assert rank(whole(model, x)) == want


@given(seeds)
def test_rescaling_relu_layers_takes_one_direction_for_every_hidden_unit(seed: int) -> None:
    """A unit's weights times c, those that read it over c: f stays, so J is 0 in that direction."""
    model, x = Dense([2, 3, 1], "relu", seed), 3 * torch.randn(60, 2, dtype=torch.float64)
    assert rank(whole(model, x)) <= parameters(model) - 3
    twin = Dense([2, 3, 1], "tanh", seed)
    assert rank(whole(twin, x)) > parameters(model) - 3


@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_a_linear_network_has_a_direction_for_every_input_and_output(inputs_, outputs, seed):
    """K(x, x') = (x·x' + 1) I: rank D (inputs + 1), however many samples."""
    model = Dense([inputs_, outputs], "tanh", seed)
    x = torch.randn(8, inputs_, generator=torch.Generator().manual_seed(seed)).double()
    assert rank(whole(model, x)) == outputs * (inputs_ + 1)
    assert rank(ks.TangentKernel(model).similarity(x)) == inputs_ + 1


@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")  # dead units
@given(dense(outputs=2), seeds)
def test_the_kernel_is_the_sum_over_groups_of_parameters_and_its_rank_at_most_theirs(
    model: Dense, seed: int
) -> None:
    x = inputs(8, model.layers[0].in_features, seed)
    names = [f"layers.{place}.*" for place in range(len(model.layers))]
    parts = [whole(model, x, parameters=[name]) for name in names]
    total = whole(model, x)
    torch.testing.assert_close(sum(parts), total, rtol=1e-10, atol=1e-12)
    ranks = [rank(part) if bool(part.any()) else 0 for part in parts]
    assert rank(total) <= sum(ranks)
    assert rank(total) >= ranks[-1]


@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")
@pytest.mark.parametrize("form", ["log-probabilities", "Fisher", "probabilities"])
@given(seed=seeds)
def test_outputs_that_must_add_up_have_one_rank_less(form: str, seed: int) -> None:
    """Σ_c p_c ∇log p_c = 0, and likewise: K(x,x) has rank C − 1, K_C(x,x) is its projector."""
    chosen = {
        "log-probabilities": ks.outputs.LogProbabilities(),
        "Fisher": ks.outputs.Fisher(),
        "probabilities": lambda z, _: z.softmax(1),
    }[form]
    model, x = Dense([3, 8, 4], "tanh", seed), inputs(3, 3, seed)
    kernel = ks.TangentKernel(model, output=chosen)
    for place in range(3):
        projector = kernel.matrix(x)[place, place]
        assert float(projector.trace()) == pytest.approx(3, abs=1e-9)
        torch.testing.assert_close(projector @ projector, projector, rtol=0, atol=1e-9)
    k = kernel.similarity(x)
    torch.testing.assert_close(k.diagonal(), torch.ones(3, dtype=torch.float64))
    assert float(k.abs().max()) <= 1


def test_a_lower_rank_is_told() -> None:
    model = Dense([3, 8, 4], "tanh", 0)
    with pytest.warns(SingularOutputWarning, match="rank"):
        ks.TangentKernel(model, output=ks.outputs.LogProbabilities()).similarity(inputs(3, 3, 0))
