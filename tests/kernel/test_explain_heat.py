"""Heat-maps: sums stay what they are, every position is shown around its own place."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from kernel.explain_cases import Patches, kernel, pictures, words
from kinsight.errors import ArgumentError
from kinsight.kernel.placing import spread

EXACT = {"rtol": 0, "atol": 1e-12}


def test_heat_of_an_image_is_the_sum_of_the_maps_spread() -> None:
    model, x, y = pictures(2)
    explained = kernel(model).explain(x, y)
    heat = explained.heat("y")
    named = {layer.name: layer for layer in explained.layers}
    want = named["plain.weight"].positions_y[0].clone()
    for name in ("grouped.weight", "valid.weight"):
        want += spread(named[name].positions_y[0], (8, 8))
    without = ("plain.bias", "grouped.bias", "norm.weight", "norm.bias", "up.weight", "up.bias")
    without += ("valid.bias", "head.weight", "head.bias")
    assert_close(heat.values, want, **EXACT)
    assert heat.placeless == pytest.approx(sum(named[name].share for name in without), abs=1e-12)
    assert float(heat.values.sum()) + heat.placeless == pytest.approx(explained.similarity)


def test_heat_of_chosen_layers() -> None:
    model, x, y = pictures(2)
    explained = kernel(model).explain(x, y)
    plain = explained.layer("plain.weight")
    bias = explained.layer("plain.bias")
    heat = explained.heat("x", layers="plain.*")
    assert_close(heat.values, plain.positions_x[0], **EXACT)
    assert heat.placeless == pytest.approx(bias.share, abs=1e-12)
    assert explained.heat(layers=["plain.bias"]).placeless == pytest.approx(bias.share, abs=1e-12)


def test_heat_of_tokens_has_one_number_a_token() -> None:
    model, x, y = words(2)
    explained = kernel(model).explain(x, y)
    heat = explained.heat("y")
    names = [f"{n}.weight" for n in ("embed", "query", "key", "value", "token")]
    want = sum(explained.layer(name).positions_y[0] for name in names)
    assert_close(heat.values, want, **EXACT)
    rest = [one.share for one in explained.layers if one.name not in names]
    assert heat.placeless == pytest.approx(sum(rest), abs=1e-12)


def test_a_class_token_is_skipped_and_patches_find_their_place() -> None:
    model = Patches().double().eval()
    x, y = torch.randn(1, 3, 6, 4).double(), torch.randn(1, 3, 6, 4).double()
    explained = kernel(model).explain(x, y)
    mix = explained.layer("mix.weight")
    (row,) = mix.positions_x
    assert row.shape == (7,)
    heat = explained.heat(layers="mix.weight", skip=1)
    assert_close(heat.values, spread(row[1:].reshape(3, 2), (6, 4)), **EXACT)
    assert heat.placeless == pytest.approx(float(row[0]), abs=1e-12)
    assert explained.heat(layers="mix.weight").placeless == mix.share  # 7 fit no grid


sizes = st.integers(1, 9)


@given(enter=st.tuples(sizes, sizes), leave=st.tuples(sizes, sizes), seed=st.integers(0, 99))
def test_spreading_keeps_sums_and_signs_and_mirrors(enter, leave, seed) -> None:
    values = torch.randn(*enter, generator=torch.Generator().manual_seed(seed)).double()
    placed = spread(values, leave)
    assert placed.shape == leave
    assert float(placed.sum()) == pytest.approx(float(values.sum()), abs=1e-12)
    assert float(spread(values.abs(), leave).min()) >= 0
    assert_close(spread(values.flip(0, 1), leave), placed.flip(0, 1), **EXACT)
    assert_close(spread(values, enter), values, **EXACT)


@given(count=st.integers(2, 8), factor=st.integers(2, 4), at=st.data())
def test_a_position_is_spread_around_its_own_place(count: int, factor: int, at) -> None:
    t = at.draw(st.integers(0, count - 1))
    values = torch.zeros(count).double()
    values[t] = 1
    places = torch.arange(count * factor) + 0.5
    centre = float(spread(values, (count * factor,)) @ places.double())
    inner = 0 < t < count - 1
    assert centre == pytest.approx((t + 0.5) * factor, abs=1e-9 if inner else factor / 2)


def test_a_table_of_numbers_has_no_places_but_takes_a_size() -> None:
    model = nn.Linear(3, 2).double()
    explained = kernel(model).explain(torch.randn(1, 3), torch.randn(1, 3))
    with pytest.raises(ArgumentError, match="size"):
        explained.heat()
    heat = explained.heat(size=(3,))
    assert heat.placeless == pytest.approx(explained.similarity)
    assert explained.figure().axes


@pytest.mark.parametrize("network", [pictures, words])
def test_table_and_figure(network) -> None:
    model, x, y = network(2)
    explained = kernel(model).explain(x, y)
    table = explained.table().to_pydict()
    assert table["parameter"] == [name for name, _ in model.named_parameters()]
    assert sum(table["share"]) == pytest.approx(explained.similarity)
    assert max(table["positions_x"]) == (36 if network is pictures else 5)
    figure = explained.figure()
    assert len(figure.axes) == 3
    figure.canvas.draw()
