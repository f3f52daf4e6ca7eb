"""Maps: principal components against a decomposition of all rows; UMAP follows the graph given."""

import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from kinsight.errors import ArgumentError, MissingExtraError
from kinsight.kernel.neighbours import Neighbours
from kinsight.search import extras
from kinsight.search.maps import principal_map, umap_map
from kinsight.search.nearest import graph
from search.rows import DIM, MemoryRows, stores, unit


@given(stores(least=12))
def test_components_are_those_of_the_centred_rows(rows) -> None:
    alive = rows.values.any(1)
    phi = rows.values[alive].double()
    centred = phi - phi.mean(0)
    found = principal_map(rows, 3)
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    assert_close(found.explained, (sizes.square() / sizes.square().sum())[:3], atol=1e-5, rtol=0)
    captured = (centred @ found.components).square().sum(0)
    assert_close(captured, sizes[:3].square(), atol=1e-4, rtol=1e-4)
    assert_close(found.points[alive].double(), centred @ found.components, atol=1e-5, rtol=0)
    assert found.points[~alive].isnan().all()
    largest = found.components.abs().argmax(0)
    assert bool((found.components[largest, torch.arange(3)] > 0).all())
    assert directions.shape[1] == DIM


def test_maps_of_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match="components"):
        principal_map(MemoryRows(unit(9), [9]), DIM + 1)
    with pytest.raises(ArgumentError, match="not zero"):
        principal_map(MemoryRows(torch.zeros(4, 3).half(), [4]))
    empty = Neighbours(torch.full((4, 1), -torch.inf), torch.full((4, 1), -1))
    pytest.importorskip("umap")
    with pytest.raises(ArgumentError, match="at least three"):
        umap_map(empty, torch.zeros(4, 2))
    with pytest.raises(ArgumentError, match="start"):
        umap_map(empty, torch.zeros(3, 2))


def test_umap_follows_our_graph_and_not_where_the_points_begin() -> None:
    pytest.importorskip("umap")
    generator = torch.Generator().manual_seed(0)
    values = 0.2 * torch.randn(80, DIM, generator=generator)
    values[:40, 0] += 1
    values[40:, 1] += 1
    values /= values.norm(dim=1, keepdim=True)
    values[11] = 0
    rows = MemoryRows(values.half(), [30, 50])
    begin = torch.randn(80, 2, generator=generator)  # tells nothing
    neighbours = graph(rows, 8)
    found = umap_map(neighbours, begin)
    assert found.isnan().any(1).nonzero().flatten().tolist() == [11]
    one, other = found[:40][torch.arange(40) != 11], found[40:]
    between = torch.cdist(one, other).min()
    assert float(between) > float(torch.cdist(one, one).median())
    assert float(between) > float(torch.cdist(other, other).median())
    assert torch.equal(found.nan_to_num(), umap_map(neighbours, begin).nan_to_num())


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'kinsight\[map\]'"):
        extras.optional("no_such_package_anywhere", "map", "a map")
