"""Another precision or place: the copy computes what the network would, whatever it is made of."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import kinsight as ks

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning"),
    pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning"),
]


class Modulus(nn.Module):
    """A complex weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.to(self.weight.dtype) @ self.weight).abs()


def pruned() -> nn.Module:
    layer = nn.Linear(4, 3)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return layer


def test_complex_weights_keep_what_is_imaginary() -> None:
    model, x = Modulus(), torch.randn(5, 4)
    want = ks.TangentKernel(model).inner(x)
    found = ks.TangentKernel(model, dtype=torch.float64).inner(x)
    assert found.dtype == torch.float64
    assert torch.allclose(found.float(), want, rtol=1e-4)
    assert model.weight.dtype == torch.complex64


@pytest.mark.parametrize("make", [pruned, lambda: nn.utils.weight_norm(nn.Linear(4, 3))])
def test_weights_put_together_by_hooks_are_copied(make) -> None:
    model, x = make(), torch.randn(5, 4)
    want = ks.TangentKernel(model).inner(x)
    found = ks.TangentKernel(model, dtype=torch.float64).inner(x)
    assert torch.allclose(found.float(), want, rtol=1e-4)
