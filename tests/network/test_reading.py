"""What data are read as: rows of tensors, columns in tuples and mappings, items of lists."""

from collections import UserDict, namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import kinsight as ks
from kinsight import errors
from kinsight.network.batches import Batches

X = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(7) % 3
ITEMS = list(zip(X, Y, strict=True))
Pair = namedtuple("Pair", ["x", "y"])


class Encoding(UserDict):
    """Reads as the BatchEncoding of Hugging Face does: by name only, attributes are entries."""

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.data[key]
        raise KeyError("indexing with integers is not available")

    def __getattr__(self, name):
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(name) from None


class Stream(IterableDataset):
    def __iter__(self):
        return iter(ITEMS)


class Samples(Dataset):
    """Gives what is asked of it; an exception is raised."""

    def __init__(self, *items):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        item = self.items[index]
        if isinstance(item, Exception):
            raise item
        return item


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).eval()


class Named(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, values, mask=None, labels=None):
        return self.inner(values if mask is None else values * mask[:, None])


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "data",
    [
        list(X),
        list(X.numpy()),
        ITEMS,
        [[x, y] for x, y in ITEMS],
        list(Stream()),
        X.numpy(),
        read_only(X.numpy().copy()),
        (X.numpy(), Y.numpy()),
        (X, Y.numpy()),
        Pair(X, Y),
        DataLoader(ITEMS, batch_size=3, collate_fn=torch.utils.data.default_collate),
    ],
    ids=lambda data: type(data).__name__,
)
def test_containers_of_the_same_samples_agree(model, data) -> None:
    kernel = ks.TangentKernel(model, dtype=torch.float64)
    assert len(Batches(data)) == 7
    assert torch.allclose(kernel.similarity(data), kernel.similarity(X))


@pytest.mark.parametrize("name", ["tuple", "dict", "list", "encoding", "nested"])
def test_labels_come_along(model, name) -> None:
    data = {
        "tuple": (X.numpy(), Y.numpy()),
        "dict": {"values": X.numpy(), "labels": Y.numpy()},
        "list": [{"values": x, "labels": y} for x, y in ITEMS],
        "encoding": Encoding(values=X, labels=Y),
        "nested": (Encoding(values=X), Y),
    }[name]
    nested = {"forward": lambda m, batch: m(**batch[0])} if name == "nested" else {}
    kernel = ks.TangentKernel(Named(model), output=ks.outputs.OwnClass("batch"), **nested)
    plain = ks.TangentKernel(model, output=ks.outputs.OwnClass("batch"))
    assert torch.allclose(kernel.similarity(data), plain.similarity((X, Y)), atol=1e-6)


def test_a_mapping_that_is_no_dict_is_placed_and_collated(model) -> None:
    function = ks.TangentKernel(Named(model), dtype=torch.float64).function
    placed = function.place((Encoding(values=X), [Y]))
    assert placed[0]["values"].dtype == torch.float64
    loader = DataLoader(
        ITEMS, collate_fn=lambda items: Encoding(values=torch.stack([x for x, _ in items]))
    )
    assert torch.equal(Batches(loader).take([1, 2])["values"], X[1:3])


def test_a_collated_batch_can_be_read_as_data_again(model) -> None:
    kernel = ks.TangentKernel(model)
    few = Batches(ITEMS).take([1, 4, 6])
    assert torch.equal(few[1], Y[[1, 4, 6]])
    assert torch.allclose(kernel.similarity(few), kernel.similarity(X[[1, 4, 6]]), atol=1e-6)


def test_samples_may_hold_what_the_network_does_not_read(model) -> None:
    items = [{"values": x, "name": f"sample {i}"} for i, x in enumerate(X)]
    source = ks.TangentKernel(Named(model), dtype=torch.float64).on(items)
    plain = ks.TangentKernel(model, dtype=torch.float64).similarity(X)
    blocks = list(source.against(torch.tensor([5, 2])))
    assert torch.allclose(torch.cat([b.values for b in blocks]), plain[:, [5, 2]])


@pytest.mark.parametrize("data", [X, (X, Y), ITEMS, DataLoader(ITEMS, sampler=[6, 5, 4, 3, 2, 1])])
def test_a_part_holds_what_was_taken(data) -> None:
    batches = Batches(data)
    part = batches.part([1, 3]).part([1])
    assert len(part) == 1
    for ours, theirs in zip(part.take([0]), batches.take([3]), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("text", "got str"),
        (b"bytes", "got bytes"),
        ((X, list("abcdefg")), "got str for the data[1][0]"),
        ((X, Y.tolist()), "torch.as_tensor"),
        ({"values": X, "text": "a"}, "got str for the data['text']"),
        (tuple((x, int(y)) for x, y in ITEMS), "one by one go in a list"),
        (np.array(["a", "b"]), "astype"),
        (X.numpy()[::-1], "copy"),
        (X.tolist(), "rows of numbers"),
        ([X, Y], "columns go in a tuple"),
        (Stream(), "read it into a list"),
        ((x for x in X), "got generator"),
        ([], "empty"),
        (Samples(X[0], OSError("disk on fire")), "index 1"),
        (Samples(X[0], KeyError("name")), "KeyError"),
        (Samples(X[0], X[1][:3]), "one shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_read_is_refused_by_name(model, data, says) -> None:
    with pytest.raises(errors.DataError) as caught:
        ks.TangentKernel(model).similarity(data)
    assert says in str(caught.value)


def test_a_sample_that_cannot_be_read_keeps_its_cause(model) -> None:
    with pytest.raises(errors.DataError, match="OSError: gone") as caught:
        ks.TangentKernel(model).similarity(Samples(OSError("gone"), X[0]))
    assert isinstance(caught.value.__cause__, OSError)


def test_an_optional_input_in_a_tuple_is_not_dropped(model) -> None:
    mask = torch.linspace(0, 1, 7)
    with pytest.raises(errors.ArgumentError, match="mask") as caught:
        ks.TangentKernel(Named(model)).similarity((X, mask, Y))
    assert "forward=lambda model, batch: model(batch[0], batch[1])" in str(caught.value)
    told = ks.TangentKernel(Named(model), forward=lambda m, batch: m(batch[0], batch[1]))
    by_name = ks.TangentKernel(Named(model)).similarity({"values": X, "mask": mask})
    assert torch.allclose(told.similarity((X, mask, Y)), by_name, atol=1e-6)
    assert not torch.allclose(by_name, ks.TangentKernel(model).similarity(X), atol=1e-3)


def test_further_labels_may_follow_where_nothing_could_take_them(model) -> None:
    class Switched(Named):
        def forward(self, values, labels=None, flatten=False):
            return self.inner(values)

    for network in (model, Switched(model)):
        ours = ks.TangentKernel(network).similarity((X, Y, torch.arange(7)))
        assert torch.allclose(ours, ks.TangentKernel(model).similarity(X), atol=1e-6)
