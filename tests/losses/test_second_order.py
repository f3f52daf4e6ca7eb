"""Losses on gradients through every architecture of the zoo, against plain autograd in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from architectures.zoo import ZOO
from kinsight.errors import NetworkError
from kinsight.losses.gradients import Gradients
from kinsight.losses.products import paired
from kinsight.network.function import NetworkFunction

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")

# What torch itself cannot differentiate twice: ours says so, naming the operator.
ONCE = {"centres by distance": "cdist", "bag with learnt weights per token": "embedding_bag"}
# torch divides its gradient by frequencies in the batch: another quantity alone than together.
OF_THE_BATCH = {"embedding, gradient by frequency"}

PAIRS = torch.tensor([[0, 1], [2, 3], [0, 3], [1, 1]]).T
WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 0.25], dtype=torch.float64)


def real(gradients: Any, parameters: list[nn.Parameter]) -> Tensor:
    """Gradients side by side; None is zero."""
    rows = []
    for gradient, parameter in zip(gradients, parameters, strict=True):
        value = torch.zeros_like(parameter) if gradient is None else gradient
        value = value.to_dense() if value.is_sparse else value
        rows.append((torch.view_as_real(value) if value.is_complex() else value).flatten())
    return torch.cat(rows)


def by_autograd(function: NetworkFunction, batch: Any, parameters: list[nn.Parameter]) -> Tensor:
    """Σ_n w_n Tr K(x_i, x_j) from one backward pass for every output of every sample."""
    with sdpa_kernel([SDPBackend.MATH]):
        rows = function(batch)
    jacobian = torch.stack([
        torch.stack([
            real(torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True),
                 parameters)
            for value in row
        ])
        for row in rows
    ])  # fmt: skip
    i, j = PAIRS
    return (WEIGHTS * (jacobian[i] * jacobian[j]).sum((1, 2))).sum()


@pytest.mark.parametrize("name", [n for n in ZOO if n not in OF_THE_BATCH])
def test_the_gradient_of_a_sum_of_products_is_that_of_plain_autograd(name: str) -> None:
    model, batch = ZOO[name].network(), ZOO[name].batch(4)
    gradients = Gradients(model, None, None, None)
    features = gradients.features(gradients.place(batch))
    products = paired(features, *PAIRS).diagonal(dim1=1, dim2=2).sum(1)
    ours = (WEIGHTS * products).sum()
    if name in ONCE:
        with pytest.raises(NetworkError, match=ONCE[name]):
            gradients.tried("products", ours)
        return
    function = gradients.function
    parameters = list(function.selection.chosen.values())
    theirs = by_autograd(function, gradients.place(batch), parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert ours.requires_grad == theirs.requires_grad
    if not theirs.requires_grad:
        return  # linear in its parameters: the kernel does not depend on them
    got, expected = (
        real(torch.autograd.grad(value, parameters, allow_unused=True), parameters)
        for value in (ours, theirs)
    )
    assert float((got - expected).norm()) <= 1e-9 * float(expected.norm()) + 1e-12
