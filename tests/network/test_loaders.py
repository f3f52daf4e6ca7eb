"""A DataLoader is read in its own order, which must be the same every time."""

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from kinsight.errors import DataError
from kinsight.network.batches import Batches

X = torch.arange(20.0)[:, None]
DATA = TensorDataset(X)


class Drawn(Sampler):
    """A sampler of one's own that draws anew each time."""

    def __iter__(self):
        return iter(torch.randperm(20).tolist())

    def __len__(self) -> int:
        return 20


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"shuffle": True}, "shuffle=True"),
        ({"sampler": SubsetRandomSampler(range(20))}, "SubsetRandomSampler"),
        ({"sampler": SubsetRandomSampler([3])}, "SubsetRandomSampler"),
        ({"sampler": WeightedRandomSampler([1.0] * 20, 20)}, "WeightedRandomSampler"),
        ({"sampler": Drawn()}, "Drawn"),
        ({"sampler": iter(range(20))}, "range_iterator"),
        ({"batch_sampler": BatchSampler(Drawn(), 4, False)}, "Drawn"),
        ({"batch_sampler": BatchSampler(RandomSampler(DATA), 4, False)}, "RandomSampler"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_order_that_changes_is_refused_by_name(options, name) -> None:
    with pytest.raises(DataError) as caught:
        Batches(DataLoader(DATA, **options))
    assert name in str(caught.value)
    assert "Subset(dataset, indices)" in str(caught.value)
    assert "fixed list of indices" in str(caught.value)


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(DATA, sampler=[4, 2, 2, 9]),
        DataLoader(Subset(DATA, [4, 2, 2, 9]), shuffle=False),
        DataLoader(DATA, batch_sampler=[[4, 2], [2, 9]]),
        DataLoader(DATA, sampler=torch.tensor([4, 2, 2, 9])),
    ],
)
def test_the_remedies_keep_the_order(loader) -> None:
    batches = Batches(loader)
    assert len(batches) == 4
    assert batches.take(range(4))[0][:, 0].tolist() == [4, 2, 2, 9]


@pytest.mark.parametrize(
    ("loader", "says"),
    [
        (DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 8, True)), "drop"),
        (DataLoader(DATA, batch_size=None), "batch_size=None"),
    ],
)
def test_a_loader_without_every_sample_is_refused(loader, says) -> None:
    with pytest.raises(DataError, match=says):
        Batches(loader)
