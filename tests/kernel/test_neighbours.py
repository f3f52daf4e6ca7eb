"""Nearest samples: exact, sorted, an input never its own neighbour, a copy of it yes."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import kinsight as ks

X = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))


def kernel(**options) -> ks.TangentKernel:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
    return ks.TangentKernel(model, dtype=torch.float64, **options)


def expected(similarity: torch.Tensor, k: int):
    return similarity.fill_diagonal_(-2).sort(dim=1, descending=True, stable=True)[0][:, :k]


def test_all_against_all_in_small_blocks() -> None:
    for options in ({}, {"batch_size": 3}, {"batch_size": 3, "memory_budget": 1 << 20}):
        ours = kernel(**options)
        values, indices = ours.nearest(X, X, 5)
        similarity = ours.similarity(X)
        assert torch.allclose(values, expected(similarity.clone(), 5), atol=1e-12)
        assert torch.allclose(similarity.gather(1, indices), values, atol=1e-12)
        assert not (indices == torch.arange(20)[:, None]).any()


def test_a_view_or_subset_of_the_data_knows_itself() -> None:
    ours = kernel()
    for queries, data, places in (
        (X[3:9], X, range(3, 9)),
        (X[::4], X, range(0, 20, 4)),
        (Subset(TensorDataset(X), [1, 5]), None, [1, 5]),
    ):
        data = queries.dataset if data is None else data
        found = ours.nearest(queries, data, 4).indices
        assert not (found == torch.tensor(list(places))[:, None]).any()


def test_a_loader_or_subset_of_the_same_data_set_knows_itself() -> None:
    data, items = TensorDataset(X), list(X)
    turned = list(range(19, -1, -1))
    for queries, stored, places in (
        (DataLoader(data, batch_size=6), data, range(20)),
        (data, DataLoader(data, batch_size=6), range(20)),
        (DataLoader(data, sampler=turned), DataLoader(data), turned),
        (DataLoader(Subset(data, [7, 3])), data, [7, 3]),
        (Subset(Subset(data, torch.tensor([9, 7, 3])), [2, 1]), data, [3, 7]),
        (data, Subset(data, turned), turned),
        (items, DataLoader(items), range(20)),
        ({"x": X[5:]}, {"x": X}, range(5, 20)),
        (X.numpy()[5:], X.numpy(), range(5, 20)),
    ):
        options = {"forward": lambda m, b: m(b["x"])} if isinstance(queries, dict) else {}
        found = kernel(**options).nearest(queries, stored, 4)
        assert not (found.indices == torch.tensor(list(places))[:, None]).any()
        assert (found.values < 1 - 1e-9).all()


def test_queries_outside_a_subset_have_all_of_it_as_neighbours() -> None:
    data = TensorDataset(X)
    found = kernel().nearest(data, Subset(data, [4, 8]), 1)
    assert found.indices[[4, 8], 0].tolist() == [1, 0]
    similarity = kernel().similarity(X)[:, [4, 8]]
    others = [i for i in range(20) if i not in (4, 8)]
    assert torch.allclose(found.values[others, 0], similarity[others].amax(1))


def test_a_separate_copy_is_a_neighbour() -> None:
    values, indices = kernel().nearest(X[:3].clone(), X, 1)
    assert indices[:, 0].tolist() == [0, 1, 2]
    assert torch.allclose(values, torch.ones(3, 1, dtype=torch.float64))


def test_the_source_offers_what_analyses_need() -> None:
    ours = kernel(batch_size=4)
    source = ours.on(X)
    similarity = ours.similarity(X)
    assert len(source) == source.n == 20
    assert source.dimension == 2
    assert torch.allclose(source.moments(1), similarity.sum(1))
    assert torch.allclose(source.moments(2), similarity.square().sum(1))
    assert torch.allclose(source.norms().square(), ours.inner(X).diagonal())
    assert (source.ranks() == 2).all()
    assert torch.allclose(source.cross(X[:3].clone()), similarity[:, :3])
    assert torch.allclose(source.outputs(), ours.function(X.double()).detach())
    seen = torch.zeros(20, 20)
    last = 0
    for block in source.blocks():
        assert block.rows.start >= last
        last = block.rows.start
        seen[block.rows, block.columns] += 1
        assert torch.allclose(block.values, similarity[block.rows, block.columns])
    assert (seen == 1).all()


def test_a_sweep_can_begin_at_any_row() -> None:
    ours = kernel(batch_size=4)
    rows = {b.rows.start for b in ours.on(X).blocks(first=8)}
    assert min(rows) == 8
