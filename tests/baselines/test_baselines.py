"""Every baseline against a plain formula, in any batch size, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from baselines.cases import COUNT, cosines, network, pictures
from kinsight import baselines
from kinsight.errors import (
    ArgumentError,
    DataError,
    NetworkError,
    OutputError,
    OutputSizeError,
    TrainingModeError,
)


def plain() -> dict[str, Tensor]:
    """All activations of the network, by hand, without hooks."""
    model, found = network().double(), {}
    with torch.no_grad():
        found["first"] = model.first(pictures().double())
        found["second"] = model.second(found["first"].relu())
        rows = found["second"].relu().flatten(2).mT
        found["recurrent"] = model.recurrent(rows)[0]
        found["read"] = model.hidden((rows + found["recurrent"]).mean(1)).tanh()
        found["logits"] = model.head(found["read"])
    return found


def of_layers(kind: str) -> Tensor:
    """Perceptual or style similarity of both convolutions, layer by layer."""
    total = torch.zeros(COUNT, COUNT, dtype=torch.float64)
    for name in ("first", "second"):
        value = plain()[name]
        if kind == "style":
            value = torch.einsum("bchw,bdhw->bcd", value, value)
        total += cosines(value) / 2
    return total


CASES = {
    "inputs": (lambda m, b: baselines.Inputs(batch_size=b), lambda: cosines(pictures())),
    "layer": (
        lambda m, b: baselines.Layer(m, "first", batch_size=b),
        lambda: cosines(plain()["first"]),  # before the ReLU that works in place
    ),
    "part of what a layer returns": (
        lambda m, b: baselines.Layer(m, "recurrent", take=lambda r: r[0], batch_size=b),
        lambda: cosines(plain()["recurrent"]),
    ),
    "last layer": (
        lambda m, b: baselines.LastLayer(m, batch_size=b),
        lambda: cosines(plain()["read"]),
    ),
    "logits": (
        lambda m, b: baselines.Logits(m, batch_size=b),
        lambda: cosines(plain()["logits"]),
    ),
    "perceptual": (
        lambda m, b: baselines.Perceptual(m, ["first", "second"], batch_size=b),
        lambda: of_layers("perceptual"),
    ),
    "style": (
        lambda m, b: baselines.Style(m, ["first", "second"], batch_size=b),
        lambda: of_layers("style"),
    ),
}


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("case", CASES)
def test_a_baseline_is_its_formula(case: str, size: int) -> None:
    make, formula = CASES[case]
    baseline, expected = make(network(), size), formula()
    torch.testing.assert_close(baseline.similarity(pictures()).double(), expected, **NEAR)
    torch.testing.assert_close(baseline.on(pictures()).gram().double(), expected, **NEAR)
    some = baseline.similarity(pictures()[:4], pictures()).double()
    torch.testing.assert_close(some, expected[:4], **NEAR)


NEAR = {"rtol": 1e-5, "atol": 2e-6}


@pytest.mark.parametrize("case", CASES)
def test_a_sample_that_is_not_finite_is_set_apart(case: str) -> None:
    make, formula = CASES[case]
    data = pictures()
    data[3, 0, 2, 2] = torch.nan
    source = make(network(), 5).on(data)
    rest = torch.arange(COUNT) != 3
    assert source.non_finite().tolist() == [3]
    torch.testing.assert_close(
        source.gram()[rest][:, rest].double(), formula()[rest][:, rest], **NEAR
    )
    similarity = make(network(), 5).similarity(data)
    assert similarity[3].isnan().all()
    assert similarity[:, 3].isnan().all()
    assert similarity[rest][:, rest].isfinite().all()


def test_every_analysis_runs_on_a_baseline() -> None:
    labels = torch.arange(COUNT) % 3
    sources = [
        baselines.LastLayer(network()).on(pictures()),
        baselines.RBF(baselines.LastLayer(network())).on(pictures()),
        baselines.Ensemble([baselines.Logits(network()), baselines.RBF()]).on(pictures()),
    ]
    for source in sources:
        for estimator in ("soft", "hard", "power", "square", "centred", "radius"):
            assert ks.density(source, estimator, k=2).score.isfinite().all()
        assert ks.suspects(source, labels).score.isfinite().all()
        assert len(ks.fit(source, labels).named()) == COUNT
        assert ks.uncertainty(source).score.isfinite().all()


def test_labels_beside_the_inputs_stay_out() -> None:
    labels = torch.arange(COUNT)
    for data in ((pictures(), labels), {"x": pictures(), "labels": labels}):
        for make, formula in (CASES["inputs"], CASES["logits"]):
            torch.testing.assert_close(
                make(network(), 5).similarity(data).double(), formula(), **NEAR
            )


def test_a_layer_that_is_silent_in_some_samples_counts_for_the_others() -> None:
    """k = Σ_l cos_l / √(L L') over layers that speak."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.eye(2)
    baseline = baselines.Perceptual(model.eval(), ["0", "1"])
    x = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    similarity = baseline.similarity(x)
    expected = (0 + 1 / 2**0.5) / 2  # layer "0": cos 0, layer "1": 1/√2
    assert similarity[1, 2].item() == pytest.approx(expected, abs=1e-6)
    assert similarity[0, 0].item() == pytest.approx(1)
    assert similarity[0, 1].item() == pytest.approx(-1 / 2**0.5, abs=1e-6)  # √(1·2)


def test_style_does_not_see_where_things_are() -> None:
    moved = pictures().roll((1, 2), (2, 3))
    model = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular").eval()
    both = baselines.Style(model, [""]).similarity(pictures(), moved).diagonal()
    torch.testing.assert_close(both, torch.ones(COUNT))
    assert (baselines.Layer(model, "").similarity(pictures(), moved).diagonal() < 0.9).all()


def test_style_of_tokens_takes_the_last_dimension() -> None:
    rows = torch.randn(4, 7, 5)
    found = baselines.Style(nn.Linear(5, 3).eval(), [""], channels=-1).similarity(rows)
    assert found.shape == (4, 4)
    with pytest.raises(OutputError, match="channels"):
        baselines.Style(nn.Linear(5, 3).eval(), [""], channels=3).similarity(rows)
    with pytest.raises(OutputError, match="positions"):
        baselines.Style(nn.Linear(5, 3).eval(), [""]).similarity(rows[:, 0])


def test_large_activations_do_not_overflow() -> None:
    for make in (baselines.Perceptual, baselines.Style):
        plain = make(nn.Conv2d(3, 4, 3, bias=False).eval(), [""])
        torch.testing.assert_close(
            plain.similarity(pictures() * 1e25), plain.similarity(pictures()), **NEAR
        )


class Twice(nn.Module):
    """Uses a layer twice, and ends without a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.counts = Counted()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x)) + self.counts(x).sum()


class Counted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).sum(1)


def test_a_layer_that_cannot_be_compared_is_refused_and_says_why() -> None:
    x, two = pictures(), torch.randn(4, 2)
    with pytest.raises(ArgumentError, match=r"'secnd'; it has second"):
        baselines.Layer(network(), "secnd")
    with pytest.raises(NetworkError, match=r"'spare'.*does not call"):
        baselines.Layer(network(), "spare").similarity(x)
    with pytest.raises(OutputError, match=r"'recurrent'.*tuple.*take="):
        baselines.Layer(network(), "recurrent").similarity(x)
    with pytest.raises(NetworkError, match=r"one call.*got 2"):
        baselines.Layer(Twice().eval(), "layer").similarity(two)
    with pytest.raises(NetworkError, match=r"one call.*got 2"):
        baselines.LastLayer(Twice().eval()).similarity(two)
    with pytest.raises(OutputError, match="int64"):
        baselines.Layer(Twice().eval(), "counts").similarity(two)
    with pytest.raises(NetworkError, match=r"linear layer.*none"):
        baselines.LastLayer(nn.Conv2d(3, 2, 1).eval())
    with pytest.raises(OutputError, match="row for each of 4"):
        baselines.Layer(nn.Linear(2, 2).eval(), "", take=lambda r: r.sum(0)).similarity(two)
    for wrong in ([], ["first", "first"]):
        with pytest.raises(ArgumentError, match="layers"):
            baselines.Perceptual(network(), wrong)


def test_what_the_data_or_the_network_lack_is_said() -> None:
    with pytest.raises(TrainingModeError):
        baselines.Logits(nn.Sequential(nn.Linear(2, 2), nn.Dropout())).similarity(torch.eye(2))
    with pytest.raises(DataError, match="int64"):
        baselines.Inputs().similarity(torch.arange(6).reshape(3, 2))
    with pytest.raises(OutputError, match="as many features"):
        baselines.Inputs().similarity(torch.eye(2), torch.eye(3))
    with pytest.raises(OutputSizeError, match="4,000 features"):
        baselines.Inputs(memory_budget=1 << 20).on(torch.randn(100, 4000))
    with pytest.raises(DataError, match=r"batch_size|one batch"):
        baselines.Inputs().similarity([torch.randn(2), torch.randn(3)])
    with pytest.raises(OutputError, match="from sample 2"):
        baselines.Inputs(batch_size=2).similarity([torch.randn(n) for n in (2, 2, 3, 3)])


def test_frozen_networks_and_no_grad_are_no_hindrance() -> None:
    model = network().requires_grad_(False)
    expected = CASES["last layer"][1]()
    found = baselines.LastLayer(model).similarity(pictures())
    torch.testing.assert_close(found.double(), expected, **NEAR)
    assert not found.requires_grad
    assert not any(m._forward_hooks for m in model.modules())  # nothing is left behind
