"""A sample whose gradient drowns all others looks like the owner of a weight, and is not."""

import pytest
import torch
from torch import Tensor, nn

import oracle
from kinsight.network.function import NetworkFunction
from kinsight.tangent.capture import Capture

LOUD = 1  # the sample whose gradient is many times that of the others


class Masked(nn.Module):
    """A weight times a buffer, as pruning leaves it: no operand tells that no sample enters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
        self.register_buffer("mask", (torch.rand(3, 4) > 0.3).to(self.weight))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight * self.mask)


@pytest.mark.parametrize("scale", [1e4, 1e12])
def test_the_weight_stays_shared(scale: float) -> None:
    """The sum of all gradients is that of one sample, up to rounding and less."""
    torch.manual_seed(0)
    network, x = Masked().double().eval(), torch.randn(8, 4, dtype=torch.float64)
    x[LOUD] *= scale
    capture = Capture(NetworkFunction(network))
    ours, true = capture(x).blocks["weight"].dense(), oracle.jacobian(network, x)
    norms = true.flatten(1).norm(dim=1)
    assert float(((ours - true).flatten(1).norm(dim=1) / norms).max()) < 1e-12
    assert capture.treatment["weight"].operators == {"Mm": True}
