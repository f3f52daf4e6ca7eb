"""Sketched similarities against the exact kernel: errors by the law, for every kind of output."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import kinsight as ks
from kinsight.errors import NonFiniteGradientWarning, SingularOutputWarning
from kinsight.network.layers import groups
from kinsight.sketching.law import dimension_for, looked_at
from sketching.cases import images, kernel

X = images(60)
OFF = ~torch.eye(60, dtype=torch.bool)


def rms(value: torch.Tensor) -> float:
    return float(value.square().mean().sqrt())


@pytest.mark.parametrize(
    ("outputs", "options"),
    [
        (1, {}),
        (3, {}),
        (3, {"normalization": "trace"}),
        (4, {"output": ks.outputs.Logits(), "normalization": "whitened"}),
        (3, {"output": ks.outputs.Probes(5), "normalization": "trace"}),
    ],
)
def test_similarities_are_those_of_the_kernel_up_to_the_law(
    tmp_path: Path, outputs: int, options: dict
) -> None:
    ours = kernel(outputs, **options)
    store = ks.sketch(ours, X, tmp_path / "run", dim=512)
    exact = ours.similarity(X)
    found = store.similarity(range(60), range(60))
    law = rms((1 - exact[OFF].square()) / 512**0.5)
    alike = isinstance(options.get("output"), ks.outputs.Probes)  # 5 rows of rank 3
    assert rms((found - exact)[OFF]) < (2.0 if alike else 1.4) * law
    assert abs(float((found - exact)[OFF].mean())) < law
    assert_close(found.diagonal(), torch.ones(60), atol=1e-3, rtol=0)
    assert_close(store.norms().float(), ours.on(X).norms().float(), rtol=1e-5, atol=0)
    raw = found * store.numbers("sketch_norm")[:, None] * store.numbers("sketch_norm")
    assert rms((raw - exact)[OFF]) < 1.6 * rms((1 + exact[OFF].square()).sqrt() / 512**0.5)
    looked = looked_at(60)
    some = (found - exact)[looked][:, looked]
    assert store.error.pairs == 32 * 31 // 2
    assert store.error.rms == pytest.approx(rms(some[~torch.eye(32, dtype=torch.bool)]), rel=0.05)


def test_more_numbers_make_the_error_smaller_by_the_root(tmp_path: Path) -> None:
    ours, exact = kernel(), kernel().similarity(X)
    found = {}
    for dim in (64, 1024):
        errors = []
        for seed in range(4):
            store = ks.sketch(ours, X, tmp_path / f"{dim}-{seed}", dim=dim, seed=seed)
            errors.append(rms((store.similarity(range(60), range(60)) - exact)[OFF]))
        found[dim] = sum(errors) / 4
    assert found[64] / found[1024] == pytest.approx(4, rel=0.35)


def test_log_probabilities_have_a_singular_kernel_and_similarity_one_with_themselves(
    tmp_path: Path,
) -> None:
    ours = kernel(3, output=ks.outputs.LogProbabilities())
    with pytest.warns(SingularOutputWarning):
        store = ks.sketch(ours, X, tmp_path / "run", dim=512)
    assert store.ranks().tolist() == [2] * 60
    with pytest.warns(SingularOutputWarning):
        exact = ours.similarity(X)
    assert rms((store.similarity(range(60), range(60)) - exact)[OFF]) < 0.06


def test_kept_outputs_give_matrices(tmp_path: Path) -> None:
    """K(x,x') of two outputs from the store, and what a change at one sample does to another."""
    ours = kernel(2)
    store = ks.sketch(ours, X[:20], tmp_path / "run", dim=2048, keep="outputs")
    assert store.dimension == 2
    exact = ours.matrix(X[:20], normalized=False)
    scale = (store.norms()[:, None] * store.norms()).float()[..., None, None]
    found = torch.zeros(20, 20, 2, 2)
    for block in store.products():
        found[block.rows, block.columns] = block.values
    assert float(((found - exact) / scale).abs().max()) < 0.1
    influence = torch.zeros(20, 20, 2, 2)
    for block in store.influences():
        influence[block.rows, block.columns] = block.values
    assert_close(influence, ours.influence(X[:20]), atol=0.15, rtol=0.1)
    assert_close(store.outputs(), ours.on(X[:20]).outputs())
    labels = torch.randn(20, 2)
    known, sketched = ks.denoise(ours.on(X[:20]), labels), ks.denoise(store, labels)
    assert_close(sketched.factor, known.factor, rtol=0.2, atol=0.02)


def test_outputs_that_were_not_kept_are_asked_for_by_name(tmp_path: Path) -> None:
    store = ks.sketch(kernel(2), X[:5], tmp_path / "run", dim=64)
    with pytest.raises(ks.errors.ArgumentError, match="keep='outputs'"):
        store.outputs()


def test_samples_set_apart_are_zero_and_named(tmp_path: Path) -> None:
    data = X[:12].clone()
    data[4] = torch.nan
    with pytest.warns(NonFiniteGradientWarning, match="1 of the samples"):
        store = ks.sketch(kernel(), data, tmp_path / "run", dim=64, micro_batch=5)
    assert store.non_finite().tolist() == [4]
    assert store.folder.column("set_apart").to_pylist() == [i == 4 for i in range(12)]
    assert torch.count_nonzero(store.folder.read(0)[4]) == 0
    assert store.similarity([4], [0, 4]).isnan().all()
    density = ks.density(store).score
    assert density[4].isnan()
    assert density[torch.arange(12) != 4].isfinite().all()
    found = store.nearest([0], 10).indices[0]
    assert 4 not in found.tolist()


def test_a_network_with_no_gradient_somewhere(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1.0)
    data = torch.tensor([[1.0, 2, 3], [-1, -1, -1], [3, 2, 1]])  # the second is silent
    with pytest.warns(SingularOutputWarning, match="1 samples have no gradient"):
        store = ks.sketch(ks.TangentKernel(model.eval()), data, tmp_path / "run", dim=64)
    assert store.ranks().tolist() == [1, 0, 1]
    assert store.similarity([1], [0, 1, 2]).tolist() == [[0, 0, 0]]


def test_the_dimension_is_found_for_a_wanted_error(tmp_path: Path) -> None:
    ours = kernel()
    store = ks.sketch(ours, X, tmp_path / "run", dim="auto", error=0.03)
    assert store.error.rms < 1.35 * 0.03
    again = ks.sketch(ours, X, tmp_path / "run", dim="auto", error=0.03)
    assert again.head == store.head
    assert dimension_for(torch.eye(4), 0.1) == 128  # 1/0.01, in steps of 64
    with pytest.raises(ks.errors.ArgumentError, match="error"):
        dimension_for(torch.eye(4), 1e-5)


def test_float64_networks_and_dictionaries_of_data(tmp_path: Path) -> None:
    ours = kernel(dtype=torch.float64)
    store = ks.sketch(ours, {"x": X[:9].double()}, tmp_path / "run", dim=256)
    assert rms(store.similarity(range(9), range(9)) - ours.similarity(X[:9])) < 0.08


def test_norms_by_group_of_layers_add_up(tmp_path: Path) -> None:
    store = ks.sketch(kernel(), X[:7], tmp_path / "run", dim=64)
    names = [n for n in store.folder.samples(0).column_names if n.startswith("norm.")]
    assert names == ["norm.conv", "norm.norm", "norm.wide", "norm.head"]
    square = sum(store.numbers(name).double().square() for name in names)
    assert_close(square.sqrt(), store.norms().double(), rtol=1e-5, atol=0)


def test_groups_of_layers_are_where_the_names_part() -> None:
    assert groups(["model.a.w", "model.b.0.w", "model.b.1.w"]) == {
        "model.a.w": "model.a", "model.b.0.w": "model.b", "model.b.1.w": "model.b",
    }  # fmt: skip
    assert groups(["weight", "bias"]) == {"weight": "weight", "bias": "bias"}
    assert groups(["only.one.weight"]) == {"only.one.weight": "only.one"}
