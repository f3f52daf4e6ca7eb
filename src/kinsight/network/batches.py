"""Any data set as batches in a fixed order: tensors, arrays, tuples, dicts, Datasets, loaders."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.data import DataLoader, IterableDataset, Subset, default_collate

from kinsight.errors import DataError, KinsightError
from kinsight.network.columns import Batch, as_columns, common_length, plain
from kinsight.network.loaders import fixed_order


@dataclass(frozen=True)
class Piece:
    """Samples ``start`` to ``stop`` of the data, as the network will get them."""

    start: int
    stop: int
    batch: Batch


class Batches:
    """Samples in a fixed order that can be walked over again and again, from any position.

    A tensor or array holds one sample a row; a tuple or mapping holds such columns side by side.
    A list, a Dataset or whatever else has items and a length holds one sample an item; torch's
    ``default_collate``, or the ``collate_fn`` of a DataLoader, puts them into batches.

    Cost: nothing is copied for tensors and arrays; a Dataset is read once per walk.

    Raises:
        DataError: no samples, columns of unequal length, or an order that changes between walks.
    """

    def __init__(self, data: Any):
        if isinstance(data, Batches):
            self.__dict__.update(data.__dict__)
            return
        self.data = data
        self.watcher: Callable[[int], None] | None = None  # told how many samples went through
        self._columns: Batch = None
        self._dataset: Any = None
        self._collate: Callable[[list], Any] = default_collate
        self._order: list[Any] | None = None  # which item of the data set comes when
        if isinstance(data, DataLoader):
            self._order = fixed_order(data)
            self._dataset, self._collate = data.dataset, data.collate_fn
            self.n = len(self._order)
        elif isinstance(data, (Tensor, np.ndarray, tuple, Mapping)):
            self._columns = as_columns(data)
            self.n = common_length(self._columns)
        else:
            self.n = _sized(data)
            self._dataset = data
        if self.n == 0:
            raise DataError("expected at least one sample, got an empty data set")

    def __len__(self) -> int:
        return self.n

    @property
    def stored(self) -> bool:
        """Are the samples rows of tensors, or read from a data set each time?"""
        return self._dataset is None

    def pieces(self, batch_size: int, start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        """Samples ``start`` to ``stop`` in batches of ``batch_size`` (the last may be smaller)."""
        stop = self.n if stop is None else min(stop, self.n)
        for first in range(start, stop, batch_size):
            last = min(first + batch_size, stop)
            yield Piece(first, last, self.take(range(first, last)))
            if self.watcher is not None:
                self.watcher(last - first)

    def take(self, indices: Sequence[int]) -> Batch:
        """The samples at ``indices`` as one batch.

        Raises:
            DataError: a sample cannot be read, or they do not fit into one batch.
        """
        if self._dataset is None:
            if isinstance(indices, range) and indices.step == 1:
                return tree_map(lambda t: t[indices.start : indices.stop], self._columns)
            chosen = torch.as_tensor(list(indices))
            return tree_map(lambda t: t[chosen.to(t.device)], self._columns)
        samples = [self._sample(i) for i in indices]
        try:
            batch = plain(self._collate(samples))
        except Exception as error:
            columns = "; columns go in a tuple" if isinstance(self.data, list) else ""
            raise DataError(
                f"samples {list(indices)[:3]}… cannot be put into one batch: {error}; give all "
                f"samples one shape, or pass a DataLoader whose collate_fn pads them{columns}"
            ) from error
        # Collated tuples come as a list of columns; as data, a list would be one of samples.
        return tuple(batch) if isinstance(batch, list) else batch

    def part(self, indices: Sequence[int]) -> "Batches":
        """The samples at ``indices`` as data of their own, put into batches the same way."""
        if self._dataset is None:
            return Batches(self.take(indices))
        chosen = copy.copy(self)
        chosen._order = [i if self._order is None else self._order[i] for i in indices]
        chosen.n, chosen.watcher = len(chosen._order), None
        return chosen

    def _sample(self, position: int) -> Any:
        index = position if self._order is None else self._order[position]
        try:
            return self._dataset[index]
        except KinsightError:
            raise
        except Exception as error:
            raise DataError(
                f"expected a sample at index {index}, but the data set raised "
                f"{type(error).__name__}: {error}; mend or leave out that sample"
            ) from error


def batch_length(batch: Batch) -> int:
    """How many samples a batch holds: the common first dimension of its tensors."""
    return common_length(batch)


def same_samples(queries: Any, data: Any) -> Tensor | None:
    """For each query the index in ``data`` at which the very same sample is stored, else -1.

    Sameness is identity, not equality: the same object, a view into the same memory, or a
    ``Subset`` of or a DataLoader over the same Dataset. A duplicate of an image is a neighbour
    worth seeing.
    """
    q, d = Batches(queries), Batches(data)
    (ours, wanted), (theirs, stored) = _origin(q), _origin(d)
    if ours is theirs:
        places = {index: place for place, index in reversed(list(enumerate(stored)))}
        return torch.tensor([places.get(index, -1) for index in wanted])
    return _same_memory(q, d)


def _origin(batches: Batches) -> tuple[Any, list[Any]]:
    """The data set behind loaders and subsets, and which of its items are meant."""
    base: Any = batches.data if batches._dataset is None else batches._dataset
    order: list[Any] = list(range(batches.n)) if batches._order is None else batches._order
    while isinstance(base, Subset):
        indices, base = base.indices, base.dataset
        order = [indices[i] for i in order]
    return base, [int(i) if hasattr(i, "__index__") else i for i in order]


def _same_memory(queries: Batches, data: Batches) -> Tensor | None:
    ours, theirs = _first_tensor(queries), _first_tensor(data)
    if ours is None or theirs is None or ours.device != theirs.device:
        return None
    step = theirs.stride(0) * theirs.element_size()
    if ours.shape[1:] != theirs.shape[1:] or ours.stride()[1:] != theirs.stride()[1:] or not step:
        return None
    begin = ours.data_ptr() - theirs.data_ptr()
    places = begin + torch.arange(len(queries)) * ours.stride(0) * ours.element_size()
    inside = (places >= 0) & (places < len(data) * step) & (places % step == 0)
    return torch.where(inside, places // step, -1)


def _first_tensor(batches: Batches) -> Tensor | None:
    if batches._dataset is not None:
        return None
    return next(leaf for leaf in tree_flatten(batches._columns)[0] if isinstance(leaf, Tensor))


def _sized(data: Any) -> int:
    """How many samples there are one by one."""
    if not hasattr(data, "__getitem__") or isinstance(data, (str, bytes)):
        raise DataError(
            "expected a tensor or array, a tuple or dict of them, a list of samples, a Dataset or "
            f"a DataLoader, got {type(data).__name__}"
        )
    if isinstance(data, list) and data and _is_row(data[0]):
        raise DataError(
            "expected a list of samples, each a tensor, an array, a tuple or a dict, got rows of "
            "numbers; wrap them with torch.as_tensor"
        )
    try:
        if not isinstance(data, IterableDataset):  # may have a length, but no positions
            return len(data)
    except TypeError:
        pass
    raise DataError(
        f"expected a data set with a length and positions, got {type(data).__name__}; "
        "read it into a list or a map-style Dataset first"
    )


def _is_row(sample: Any) -> bool:
    return isinstance(sample, list) and all(isinstance(v, (int, float, list)) for v in sample)
