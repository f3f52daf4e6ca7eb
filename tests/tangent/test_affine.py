"""A weight and its bias in one block: where a sample uses both once, and equal to both apart."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
import oracle
from kinsight.kernel.whitening import settled
from kinsight.tangent.blocks import Affine, Dense, Outer, with_biases


def outer(samples: int = 5, outputs: int = 3, positions: int = 1) -> Outer:
    left = torch.randn(samples, 1, positions, 4, dtype=torch.float64)
    right = torch.randn(samples, outputs, 1, positions, 6, dtype=torch.float64)
    return Outer(left, right, flipped=True)


def beside(weight: Outer) -> dict:
    return {"a.weight": weight, "a.bias": Dense(weight.right.sum(3)[:, :, 0])}


def test_products_are_those_of_both_apart() -> None:
    torch.manual_seed(0)
    ours, theirs = beside(outer()), beside(outer(4))
    one, other = with_biases(ours), with_biases(theirs)
    assert list(one) == ["a.weight"]
    for verb in ("trace_gram", "gram"):
        apart = sum(getattr(block, verb)(theirs[name]) for name, block in ours.items())
        assert torch.allclose(getattr(one["a.weight"], verb)(other["a.weight"]), apart)
    own = sum(block.own_gram() for block in ours.values())
    assert torch.allclose(one["a.weight"].own_gram(), own)


def test_both_come_back_also_after_a_sample_was_set_apart() -> None:
    torch.manual_seed(0)
    bad = torch.tensor([False, True, False, False, False])
    blocks = beside(outer())
    parts = with_biases(blocks)["a.weight"].clean(bad).parts()  # type: ignore[attr-defined]
    for name, block in blocks.items():
        assert torch.equal(parts[name].dense(), block.clean(bad).dense())


@pytest.mark.parametrize("change", ["positions", "other values", "other layer", "no bias"])
def test_nothing_else_is_joined(change: str) -> None:
    torch.manual_seed(0)
    blocks = beside(outer(positions=2 if change == "positions" else 1))
    if change == "other values":
        blocks["a.bias"] = Dense(blocks["a.bias"].dense() * (1 + 1e-12))
    if change == "other layer":
        blocks["b.bias"] = blocks.pop("a.bias")
    if change == "no bias":
        del blocks["a.bias"]
    assert {name: type(b) for name, b in with_biases(blocks).items()} == {
        name: type(b) for name, b in blocks.items()
    }


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 5)).double().eval()


def test_a_kernel_of_many_outputs_uses_it_and_is_exact() -> None:
    model, x = network(), torch.randn(9, 40, dtype=torch.float64)
    kernel = ks.TangentKernel(model, batch_size=4)
    features = settled(kernel.engine.features(kernel.engine.read(x).take(range(9))), 256)
    assert any(isinstance(block, Affine) for block in features.blocks.values())
    jacobian = oracle.jacobian(model, x)
    got = kernel.matrix(x, normalized=False)
    sizes = oracle.row_norms(jacobian)
    assert oracle.deviation(got, oracle.matrix(jacobian, jacobian), sizes, sizes) < 1e-12


def test_networks_that_route_by_data_are_taken_apart_where_they_differ() -> None:
    class Routed(nn.Module):
        """Positive inputs take one layer more."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            up = x[:, 0] > 0
            inside = torch.where(up[:, None], self.first(x), x) if bool(up.any()) else x
            return self.second(inside)

    torch.manual_seed(2)
    model = Routed().double().eval()
    x = torch.randn(8, 6, dtype=torch.float64)
    x[:4, 0], x[4:, 0] = -x[:4, 0].abs(), x[4:, 0].abs()
    jacobian = oracle.jacobian(model, x)
    got = ks.TangentKernel(model, batch_size=4).inner(x)
    sizes = oracle.norms(jacobian)
    assert oracle.deviation(got, oracle.inner(jacobian, jacobian), sizes, sizes) < 1e-12


def test_output_gradients_are_copied_once_and_only_while_they_live() -> None:
    """Scaled ones are made anew for each use, and may lie where others lay before."""

    class Scaled(nn.Module):
        """Many element-wise weights behind one another, and a layer with its bias."""

        def __init__(self) -> None:
            super().__init__()
            self.scales = nn.ParameterList(torch.randn(5, dtype=torch.float64) for _ in range(12))
            self.last = nn.Linear(5, 4).double()

        def forward(self, x: Tensor) -> Tensor:
            for scale in self.scales:
                x = torch.tanh(x * scale) - scale / 3
            return self.last(x)

    torch.manual_seed(3)
    model, x = Scaled().eval(), torch.randn(6, 5, dtype=torch.float64)
    kernel = ks.TangentKernel(model)
    blocks = kernel.engine.features(kernel.engine.read(x).take(range(6))).blocks
    weight, bias = blocks["last.weight"], blocks["last.bias"]
    assert isinstance(weight, Outer)
    assert weight.right.data_ptr() == bias.dense().data_ptr()
    jacobian = oracle.jacobian(model, x)
    sizes = oracle.row_norms(jacobian)
    got = kernel.matrix(x, normalized=False)
    assert oracle.deviation(got, oracle.matrix(jacobian, jacobian), sizes, sizes) < 1e-12
