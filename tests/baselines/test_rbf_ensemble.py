"""Similarities without features: Gaussians and means over networks, as sources."""

import pytest
import torch
from torch import nn

import kinsight as ks
from baselines.cases import COUNT, network, pictures
from kinsight import baselines
from kinsight.errors import ArgumentError, DataError


def gaussian(x: torch.Tensor, width: float) -> torch.Tensor:
    """The plain formula, pair by pair."""
    rows = [row.double().flatten() for row in x]
    pairs = [[(-(a - b).square().sum() / (2 * width**2)).exp() for b in rows] for a in rows]
    return torch.tensor(pairs, dtype=torch.float64)


def test_rbf_is_the_gaussian_of_distances_in_small_and_large_tiles() -> None:
    for budget in (None, 1 << 20):
        baseline = baselines.RBF(width=3.0, memory_budget=budget)
        torch.testing.assert_close(baseline.similarity(pictures()), gaussian(pictures(), 3.0))
        torch.testing.assert_close(baseline.on(pictures()).gram(), gaussian(pictures(), 3.0))


def test_the_default_width_is_the_median_distance() -> None:
    distances = torch.pdist(pictures().flatten(1).double())
    source = baselines.RBF().on(pictures())
    assert source.width == pytest.approx(float(distances.median()))
    torch.testing.assert_close(source.gram(), gaussian(pictures(), source.width))


def test_rbf_on_the_features_of_another_baseline() -> None:
    features = baselines.LastLayer(network()).features(pictures())
    found = baselines.RBF(baselines.LastLayer(network()), width=0.5).similarity(pictures())
    torch.testing.assert_close(found, gaussian(features, 0.5))


def ensemble() -> baselines.Ensemble:
    kernel = ks.TangentKernel(nn.Sequential(nn.Flatten(), nn.Linear(108, 2)).eval())
    return baselines.Ensemble([kernel, baselines.Logits(network())])


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    members = ensemble().members
    expected = sum(member.similarity(pictures()).double() for member in members) / 2
    source = ensemble().on(pictures())
    torch.testing.assert_close(ensemble().similarity(pictures()).double(), expected)
    torch.testing.assert_close(source.gram().double(), expected)
    found = source.nearest(k=3).indices
    alone = expected.fill_diagonal_(-2).topk(3).indices
    assert torch.equal(found.sort().values, alone.sort().values)


@pytest.mark.parametrize("make", [lambda: baselines.RBF(width=9.0), ensemble])
def test_a_source_without_features_keeps_the_protocol(make) -> None:
    """Tiles of one column each say the same as all at once."""
    source, gram = make().on(pictures()), make().similarity(pictures())
    source.memory_budget = 64 * COUNT * 2  # two columns at a time
    assert source.step == 2
    torch.testing.assert_close(torch.cat([b.values for b in source.blocks()]), gram)
    torch.testing.assert_close(torch.cat([b.values for b in source.blocks(first=5)]), gram[5:])
    chosen = torch.tensor([7, 1, 4])
    across = torch.cat([b.values for b in source.against(chosen)], 1)
    torch.testing.assert_close(across, gram[:, chosen])
    torch.testing.assert_close(source.moments(2), gram.double().square().sum(1))
    queries = pictures()[:4].clone()
    torch.testing.assert_close(source.nearest(queries, k=1).indices[:, 0], torch.arange(4))
    (block,) = source.influences(queries)
    torch.testing.assert_close(block.values[..., 0, 0], gram[:4])
    products = torch.cat([block.values for block in source.products()])
    torch.testing.assert_close(products[..., 0, 0], gram)
    with pytest.raises(ArgumentError, match="f\\(x\\)"):
        source.outputs()


@pytest.mark.parametrize("make", [lambda: baselines.RBF(width=9.0), ensemble])
@pytest.mark.filterwarnings("ignore::kinsight.errors.NonFiniteGradientWarning")
def test_a_sample_set_apart_is_nan_and_nobodys_neighbour(make) -> None:
    data = pictures()
    data[5, 0, 0, 0] = torch.nan
    source = make().on(data)
    assert source.non_finite().tolist() == [5]
    gram = source.gram()
    assert gram[5].isnan().all()
    assert gram[:, 5].isnan().all()
    assert gram.isnan().sum() == 2 * COUNT - 1
    assert 5 not in source.nearest(k=COUNT - 2).indices[torch.arange(COUNT) != 5]


def test_given_similarities_are_a_source() -> None:
    gram = ensemble().similarity(pictures())
    source = baselines.SimilaritySource(gram)
    torch.testing.assert_close(source.gram(), gram)
    torch.testing.assert_close(source.moments(2), gram.double().square().sum(1))
    assert torch.equal(source.nearest(gram[:3], k=1).indices[:, 0], torch.arange(3))
    assert ks.compare(source, ensemble().on(pictures()), k=3).alignment == pytest.approx(1)
    gram[4], gram[:, 4] = torch.nan, torch.nan
    assert baselines.SimilaritySource(gram).non_finite().tolist() == [4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gram: gram[:2], "shape"),
        (lambda gram: gram.long(), "int64"),
        (lambda gram: gram + torch.arange(3.0) / 10, "symmetric"),
        (lambda gram: 2 * gram, "1 with itself"),
        (lambda gram: gram.masked_fill(torch.eye(3).roll(1, 0) == 1, torch.nan), "symmetric"),
        (lambda gram: gram.masked_fill(gram == 0, torch.nan), "whole rows"),
    ],
)
def test_what_are_no_similarities_is_refused(change, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        baselines.SimilaritySource(change(torch.eye(3)))


def test_a_member_in_which_a_sample_is_dead_counts_zero() -> None:
    dead = ks.FeatureSource(torch.tensor([[0.0], [1.0]]))

    class Fixed(baselines.Baseline):
        def on(self, data):
            return dead

        def similarity(self, x, y=None):
            return dead.gram()

    source = baselines.Ensemble([Fixed(), baselines.Inputs()]).on(torch.eye(2))
    torch.testing.assert_close(source.gram().double(), torch.tensor([[0.5, 0], [0, 1]]).double())
    torch.testing.assert_close(source.norms().square(), torch.tensor([0.5, 1.0]).double())
    (block,) = source.influences()
    torch.testing.assert_close(block.values[..., 0, 0].double(), torch.eye(2).double())


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(DataError, match="half of all pairs"):
        baselines.RBF().on(torch.zeros(5, 2))
    with pytest.raises(DataError, match="two finite samples"):
        baselines.RBF().on(torch.ones(1, 2))
    with pytest.raises(ArgumentError, match="width"):
        baselines.RBF(width=-1.0)
    with pytest.raises(ArgumentError, match="with features"):
        baselines.RBF(baselines.RBF())
    with pytest.raises(ArgumentError, match=r"shape \(Q, 2\)"):
        baselines.SimilaritySource(torch.eye(2)).nearest(torch.eye(3), k=1)
    with pytest.raises(ArgumentError, match="at least one"):
        baselines.Ensemble([])
    with pytest.raises(ArgumentError, match="got Linear"):
        baselines.Ensemble([nn.Linear(2, 2)])
    with pytest.raises(ArgumentError, match="normalization=None"):
        baselines.Ensemble([ks.TangentKernel(nn.Linear(2, 2), normalization=None)])
