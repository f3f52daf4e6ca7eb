"""The plan takes the way of fewest operations, as counted at work, and says what it costs."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import kinsight as ks
from kinsight.tangent import plan, rates
from kinsight.tangent.blocks import Block, Convolution, Dense, Geometry, Outer
from kinsight.tangent.forecast import forecast, ways

PAIRS = 256
FREE = {"view", "as_strided", "t", "transpose", "permute", "expand", "select", "slice", "unsqueeze",
        "squeeze", "detach", "empty", "new_empty", "zeros", "new_zeros", "alias", "_unsafe_view",
        "new_empty_strided", "split", "split_with_sizes", "unbind", "_reshape_alias"}  # fmt: skip


class Counted(TorchDispatchMode):
    """Multiply-adds of products as torch counts them, and numbers that element-wise ones write."""

    def __init__(self) -> None:
        super().__init__()
        self.products, self.numbers = 0.0, 0

    @property
    def total(self) -> float:
        return self.products + plan.ELEMENTWISE * self.numbers

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            counted = flop_registry[packet](*args, **(kwargs or {}), out_val=result)
            self.products += counted / 2
        elif packet.__name__ not in FREE and isinstance(result, torch.Tensor):
            self.numbers += result.numel()
        return result


def per_sample(make, block: Block) -> tuple[float, Block]:
    """Operations of one sample's PAIRS inner products: its form made once, then used."""
    count = len(block.dense())
    with Counted() as making:
        form = make(block)
    with Counted() as using:
        form.trace_gram(form)
    return making.total / count + using.total / count**2 * PAIRS, form


@dataclass
class Layer:
    """A layer's sizes: groups, positions, inputs, outputs of the network D, outputs."""

    groups: int
    positions: int
    inputs: int
    outputs: int
    rows: int = 1

    def block(self) -> Outer:
        return Outer(
            torch.ones(4, self.groups, self.positions, self.inputs),
            torch.ones(4, self.rows, self.groups, self.positions, self.outputs),
        )


LAYERS = [
    Layer(1, 1, 784, 512), Layer(1, 1, 784, 512, 10), Layer(1, 1, 256, 10, 10), Layer(1, 1, 8, 4),
    Layer(1, 4, 300, 300), Layer(1, 16, 64, 64), Layer(1, 64, 384, 1536), Layer(1, 256, 384, 384),
    Layer(1, 49, 576, 64), Layer(1, 1024, 27, 16), Layer(8, 16, 9, 1), Layer(64, 64, 9, 1),
    Layer(1, 2, 2048, 1000), Layer(4, 9, 32, 32, 3),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_choice_is_within_a_fifth_of_the_best_by_operations_counted(layer: Layer) -> None:
    block = layer.block()
    chosen, form = per_sample(lambda b: b.settled(PAIRS), block)
    dense, _ = per_sample(lambda b: Dense(b.dense()), block)
    factored, _ = per_sample(lambda b: b, block)
    assert chosen <= 1.2 * min(dense, factored)
    assert type(form) is (Dense if ways(block.shape, PAIRS)[0].name == "written out" else Outer)


@pytest.mark.parametrize(
    ("size", "channels", "kernel"), [(32, 16, 3), (8, 64, 3), (4, 8, 1), (2, 256, 3)]
)
def test_the_same_of_convolutions(size: int, channels: int, kernel: int) -> None:
    geometry = Geometry((kernel, kernel), (1, 1), (kernel // 2, kernel // 2), (1, 1), 1)
    value = torch.ones(4, channels, size, size)
    block = Convolution(value, value[:, None].contiguous(), geometry)
    chosen, _ = per_sample(lambda b: b.settled(PAIRS), block)
    dense, _ = per_sample(lambda b: b.written_out(), block)
    factored, _ = per_sample(lambda b: b.outer(), block)
    assert chosen <= 1.2 * min(dense, factored)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_predicted_operations_are_those_counted(layer: Layer) -> None:
    """Within a factor of two: copies and sums along the way are not in the formula."""
    block = layer.block()
    counted, _ = per_sample(lambda b: b.settled(PAIRS), block)
    assert 0.5 < forecast(block, PAIRS).operations / counted < 2.0


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 10)
    ).eval()


def test_coverage_says_way_and_cost_and_their_sum(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rates.rates_of.cache_clear()
    coverage = ks.TangentKernel(network()).coverage(torch.randn(3, 1, 8, 8))
    by_name = {row.name: row for row in coverage}
    assert by_name["2.weight"].way == "factored"
    assert by_name["0.weight"].way == by_name["2.bias"].way == "written out"
    assert all(row.operations > 0 and row.seconds > 0 for row in coverage)
    assert coverage.seconds == pytest.approx(sum(row.seconds for row in coverage))
    assert "factored" in coverage.table()
    assert "µs/sample" in coverage.table()
    held = json.loads((tmp_path / "kinsight" / "rates.json").read_text())
    assert list(held.values()) == [
        {"multiply_adds": pytest.approx(rates.rates_of(torch.device("cpu")).multiply_adds),
         "bytes": pytest.approx(rates.rates_of(torch.device("cpu")).bytes)}
    ]  # fmt: skip
    rates.rates_of.cache_clear()


@pytest.mark.parametrize("held", ["", "{", "[]", '{"a": 1}', '{"a": {"bytes": -1}}'])
def test_rates_are_read_from_the_cache_and_measured_where_it_cannot_be_read(
    monkeypatch, tmp_path, held
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "kinsight").mkdir()
    place = tmp_path / "kinsight" / "rates.json"
    place.write_text(held)
    rates.rates_of.cache_clear()
    first = rates.rates_of(torch.device("cpu"))
    assert first.multiply_adds > 1e6
    assert first.bytes > 1e6
    kept = json.loads(place.read_text())
    assert len(kept) == 1
    place.write_text(json.dumps({key: {"multiply_adds": 5.0, "bytes": 7.0} for key in kept}))
    rates.rates_of.cache_clear()
    assert rates.rates_of(torch.device("cpu")) == rates.Rates(5.0, 7.0)
    rates.rates_of.cache_clear()


def test_what_is_bound_by_memory_takes_as_long_as_its_bytes() -> None:
    assert rates.Rates(10.0, 100.0).seconds(20.0, 100.0) == 2.0
    assert rates.Rates(10.0, 100.0).seconds(5.0, 100.0) == 1.0


def test_the_machine_changes_no_choice(monkeypatch, tmp_path) -> None:
    x = torch.randn(3, 1, 8, 8)
    taken = []
    for machine in (rates.Rates(1.0, 1e12), rates.Rates(1e12, 1.0)):
        monkeypatch.setattr("kinsight.kernel.engine.rates_of", lambda device, m=machine: m)
        taken.append([row.way for row in ks.TangentKernel(network()).coverage(x)])
    assert taken[0] == taken[1]
