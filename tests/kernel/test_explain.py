"""explain: shares and maps are those of explicit sums; everything adds up to the similarity."""

import pytest
import torch
from hypothesis import given
from torch import nn
from torch.testing import assert_close

import kinsight as ks
import oracle
from architectures import test_random_networks as random_networks
from architectures.parts_random import Case, cases
from kernel.explain_cases import Twice, kernel, pairs_by_hand, pictures, shares, words
from kinsight.errors import ArgumentError, OutputSizeError, SingularOutputWarning

NORMALIZATIONS = ("whitened", "trace", None)
EXACT = {"rtol": 0, "atol": 1e-12}


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("network", [pictures, words])
def test_shares_are_products_of_gradients(network, outputs, normalization) -> None:
    model, x, y = network(outputs)
    ours = kernel(model, normalization)
    explained = ours.explain(x, y)
    want = shares(model, x, y, normalization)
    scale = max(1.0, *map(abs, want.values()))
    got = {layer.name: layer.share / scale for layer in explained.layers}
    assert got == pytest.approx({k: v / scale for k, v in want.items()}, abs=1e-12, rel=0)
    similarity = float(ours.similarity(x, y))
    assert explained.similarity == pytest.approx(similarity, abs=1e-12 * scale)
    assert sum(explained.groups().values()) == pytest.approx(similarity, abs=1e-12 * scale)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(
    ("network", "name"),
    [
        (pictures, "plain"),
        (pictures, "grouped"),
        (pictures, "valid"),
        (words, "embed"),
        (words, "query"),
        (words, "value"),
        (words, "token"),
    ],
)
def test_maps_and_pairs_are_the_explicit_sums(network, name, outputs, normalization) -> None:
    model, x, y = network(outputs)
    want = pairs_by_hand(model, model.get_submodule(name), x, y, normalization)
    explained = kernel(model, normalization).explain(x, y, pairs=f"{name}.weight")
    layer = explained.layer(f"{name}.weight")
    bound = {"rtol": 0, "atol": 1e-12 * max(1.0, float(want.abs().max()))}
    ((over_x,), (over_y,)) = layer.positions_x, layer.positions_y
    assert_close(explained.pairs, want, **bound)
    assert_close(over_x.flatten(), want.sum(1), **bound)
    assert_close(over_y.flatten(), want.sum(0), **bound)
    assert layer.share == pytest.approx(float(want.sum()), abs=10 * bound["atol"])


def test_maps_have_the_sizes_of_the_layers_outputs() -> None:
    model, x, y = pictures(2)
    explained = kernel(model).explain(x, y)
    sizes = {one.name: [tuple(m.shape) for m in one.positions_y] for one in explained.layers}
    assert sizes["plain.weight"] == [(8, 8)]
    assert sizes["grouped.weight"] == [(4, 4)]
    assert sizes["valid.weight"] == [(6, 6)]
    assert sizes["head.weight"] == [(1,)]
    assert sizes["up.weight"] == sizes["norm.weight"] == sizes["plain.bias"] == []


@pytest.mark.parametrize("network", [pictures, words])
def test_x_and_y_have_the_same_part_in_it(network) -> None:
    model, x, y = network(3)
    there, back = kernel(model).explain(x, y), kernel(model).explain(y, x)
    for one, other in zip(there.layers, back.layers, strict=True):
        assert one.share == pytest.approx(other.share, abs=1e-14)
        assert_close(one.positions_x, other.positions_y, **EXACT)
        assert_close(one.positions_y, other.positions_x, **EXACT)
    assert_close(there.heat("x"), back.heat("y"), **EXACT)


def test_an_input_with_itself() -> None:
    model, x, _ = pictures(3)
    explained = kernel(model).explain(x, x)
    assert explained.similarity == pytest.approx(1)
    assert_close(explained.heat("x").values, explained.heat("y").values, **EXACT)


def test_a_weight_used_twice_has_a_map_for_each_use() -> None:
    model = Twice(nn.Linear(3, 3)).double().eval()
    x, y = torch.randn(1, 5, 3).double(), torch.randn(1, 5, 3).double()
    layer = kernel(model).explain(x, y).layer("layer.weight")
    assert [m.shape for m in layer.positions_x] == [(5,), (5,)]
    assert sum(float(m.sum()) for m in layer.positions_x) == pytest.approx(layer.share, abs=1e-12)
    assert layer.share == pytest.approx(shares(model, x, y, "whitened")["layer.weight"], abs=1e-12)


def test_a_convolution_used_twice_is_placeless_and_exact() -> None:
    model = Twice(nn.Conv2d(2, 2, 3, padding=1)).double().eval()
    x, y = torch.randn(1, 2, 4, 4).double(), torch.randn(1, 2, 4, 4).double()
    explained = kernel(model).explain(x, y)
    want = shares(model, x, y, "whitened")["layer.weight"]
    assert explained.layer("layer.weight").share == pytest.approx(want, abs=1e-12)
    assert explained.layer("layer.weight").positions_x == ()
    heat = explained.heat()
    assert (float(heat.values.abs().max()), heat.placeless) == (0, explained.similarity)


def test_the_steps_of_a_recurrent_layer_are_positions_in_time() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.rnn(x)[0][:, -1]

    model = Last().double().eval()
    x, y = torch.randn(1, 4, 3).double(), torch.randn(1, 4, 3).double()
    x[:, :3] = 0  # an input of zeros has no part in what the input's weight shares
    layer = kernel(model).explain(x, y).layer("rnn.weight_ih_l0")
    (over_x,) = layer.positions_x
    assert over_x[:3].tolist() == [0, 0, 0]
    assert float(over_x[3]) == pytest.approx(layer.share)


@pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning")
@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")
@given(case=cases())
def test_a_random_network_adds_up(case: Case) -> None:
    random_networks.jacobians(case)  # passes over ranks that are a matter of rounding
    x, y = case.x[:1], case.y[:1]
    ours = random_networks.kernel(case)
    explained = ours.explain(x, y)
    assert explained.similarity == pytest.approx(float(ours.similarity(x, y)), abs=1e-9)
    both = oracle.jacobian(case.network, x), oracle.jacobian(case.network, y)
    assert explained.similarity == pytest.approx(float(oracle.similarity(*both)), abs=1e-9)
    for layer in explained.layers:
        for maps in (layer.positions_x, layer.positions_y):
            total = sum(float(part.sum()) for part in maps)
            assert not maps or total == pytest.approx(layer.share, abs=1e-9)


def test_in_single_precision_all_adds_up_to_a_millionth() -> None:
    model, x, y = pictures(3, height=20)
    ours = kernel(model.float())
    explained = ours.explain(x.float(), y.float())
    similarity = float(ours.similarity(x.float(), y.float()))
    assert explained.similarity == pytest.approx(similarity, abs=1e-6)
    for layer in explained.layers:
        for maps in (layer.positions_x, layer.positions_y):
            total = sum(float(part.sum()) for part in maps)
            assert not maps or total == pytest.approx(layer.share, abs=1e-6)


def test_labels_come_along() -> None:
    model, x, _ = pictures(3)
    other = torch.randn_like(x)
    ours = kernel(model, output=ks.outputs.OwnClass())
    a, b = (x, torch.tensor([0])), (other, torch.tensor([2]))
    explained = ours.explain(a, b)
    assert explained.similarity == pytest.approx(float(ours.similarity(a, b)), abs=1e-12)
    assert explained.heat("y").values.shape == (6, 6)


@pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning")
def test_what_x_does_not_use_has_no_share() -> None:
    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x[:, :1] > 0, self.a(x), self.b(x))

    model = Routed().double().eval()
    ours = kernel(model)
    explained = ours.explain(torch.ones(1, 2), -torch.ones(1, 2))
    assert [layer.share for layer in explained.layers] == [0, 0, 0, 0]
    assert explained.similarity == 0


@pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning")
def test_a_sample_without_gradient_shares_nothing() -> None:
    model = nn.Linear(2, 1, bias=False).double()
    with pytest.warns(SingularOutputWarning):
        explained = kernel(model).explain(torch.zeros(1, 2), torch.ones(1, 2))
    assert explained.similarity == 0


def test_errors_say_what_to_do() -> None:
    model, x, y = pictures(2)
    ours = kernel(model)
    explained = ours.explain(x, y)
    with pytest.raises(ArgumentError, match=r"y: expected one sample .* got 2"):
        ours.explain(x, torch.cat([x, x]))
    with pytest.raises(ArgumentError, match=r"x: expected one sample .* got 3"):
        ours.explain(torch.randn(3, 2, 6).double(), y)
    with pytest.raises(ArgumentError, match="y: expected a sample with a finite gradient"):
        ours.explain(x, y * torch.nan)
    with pytest.raises(ArgumentError, match="name of one parameter"):
        ours.explain(x, y, pairs="plain")
    with pytest.raises(ArgumentError, match=r"up\.weight has none"):
        ours.explain(x, y, pairs="up.weight")
    with pytest.raises(ArgumentError, match="matches none"):
        explained.heat(layers="unknown.*")
    for unknown in ("unknown", "plain.*"):
        with pytest.raises(ArgumentError, match="name of a parameter"):
            explained.layer(unknown)
    for unfit in (6, (), (6, 0), "66"):
        with pytest.raises(ArgumentError, match="size"):
            explained.heat(size=unfit)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="side"):
        explained.heat("z")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="skip"):
        explained.heat(skip=-1)


def test_pairs_have_to_fit_the_memory_budget() -> None:
    model = nn.Sequential(nn.Conv1d(1, 1, 1), nn.Tanh(), nn.Flatten(), nn.Linear(512, 1))
    x = torch.randn(1, 1, 512)
    small = kernel(model, memory_budget=1 << 20)
    assert small.explain(x, x).layer("0.weight").positions_x[0].shape == (512,)
    pairs = kernel(model).explain(x, x, pairs="0.weight").pairs
    assert pairs is not None
    assert pairs.shape == (512, 512)
    x = torch.randn(1, 1, 512)
    with pytest.raises(OutputSizeError, match="pairs of positions"):
        kernel(model.double(), memory_budget=1 << 20).explain(x, x, pairs="0.weight")
