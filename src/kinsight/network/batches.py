"""Any data set as batches in a fixed order: tensors, tuples, dicts, Datasets, loaders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    default_collate,
)

from kinsight.errors import DataError

Batch = Any  # a tensor, or a tuple / list / mapping of tensors


@dataclass(frozen=True)
class Piece:
    """Samples ``start`` to ``stop`` of the data, as the network will get them."""

    start: int
    stop: int
    batch: Batch


class Batches:
    """Samples in a fixed order that can be walked over again and again, from any position.

    Cost: nothing is copied for tensors; a Dataset is read once per walk.

    Raises:
        DataError: no samples, tensors of unequal length, or an order that changes between walks.
    """

    def __init__(self, data: Any):
        if isinstance(data, Batches):
            self.__dict__.update(data.__dict__)
            return
        self.data = data
        self.watcher: Callable[[int], None] | None = None  # told how many samples went through
        self._loader: DataLoader | None = None
        self._dataset: Any = None
        if isinstance(data, DataLoader):
            self._read_loader(data)
        elif isinstance(data, Tensor) or _holds_tensors(data):
            self.n = _length(data)
        elif isinstance(data, Dataset) or (hasattr(data, "__getitem__") and _sized(data)):
            self._dataset, self._collate = data, default_collate
            self.n = _sized(data)
        else:
            raise DataError(
                "expected a tensor, a tuple or dict of tensors, a Dataset or a DataLoader, "
                f"got {type(data).__name__}; wrap arrays with torch.as_tensor"
            )
        if self.n == 0:
            raise DataError("expected at least one sample, got an empty data set")

    def __len__(self) -> int:
        return self.n

    def _read_loader(self, loader: DataLoader) -> None:
        if isinstance(loader.dataset, IterableDataset):
            raise DataError(
                "expected data that can be read at any position, got a DataLoader over an "
                "IterableDataset; read it into a list or a map-style Dataset first"
            )
        if isinstance(loader.sampler, RandomSampler):
            raise DataError(
                "expected samples in a fixed order, got a DataLoader with shuffle=True; "
                "build it with shuffle=False, or pass loader.dataset"
            )
        if loader.drop_last:
            raise DataError(
                "expected every sample, got a DataLoader with drop_last=True that leaves some "
                "out in silence; build it with drop_last=False"
            )
        self._loader, self._dataset = loader, loader.dataset
        self._collate = loader.collate_fn or default_collate
        if loader.batch_sampler is None:  # batching switched off: one item is one sample
            self._order = list(loader.sampler)
        else:
            self._order = [i for group in loader.batch_sampler for i in group]
        self.n = len(self._order)

    def pieces(self, batch_size: int, start: int = 0, stop: int | None = None) -> Iterator[Piece]:
        """Samples ``start`` to ``stop`` in batches of ``batch_size`` (the last may be smaller)."""
        stop = self.n if stop is None else min(stop, self.n)
        for first in range(start, stop, batch_size):
            last = min(first + batch_size, stop)
            yield Piece(first, last, self.take(range(first, last)))
            if self.watcher is not None:
                self.watcher(last - first)

    def take(self, indices: Sequence[int]) -> Batch:
        """The samples at ``indices`` as one batch."""
        if self._dataset is None:
            if isinstance(indices, range) and indices.step == 1:
                return tree_map(lambda t: t[indices.start : indices.stop], self.data)
            chosen = torch.as_tensor(list(indices))
            return tree_map(lambda t: t[chosen.to(t.device)], self.data)
        if self._loader is not None:
            indices = [self._order[i] for i in indices]
        try:
            return self._collate([self._dataset[i] for i in indices])
        except (RuntimeError, TypeError) as error:
            raise DataError(
                f"samples {list(indices)[:3]}… cannot be put into one batch: {error}; pass a "
                "DataLoader whose collate_fn pads them, or batch_size=1"
            ) from error


def batch_length(batch: Batch) -> int:
    """How many samples a batch holds: the common first dimension of its tensors."""
    return _length(batch)


def same_samples(queries: Any, data: Any) -> Tensor | None:
    """For each query the index in ``data`` at which the very same sample is stored, else -1.

    Sameness is identity, not equality: the same object, a view into the same memory, or a
    ``Subset`` of the same Dataset. A duplicate of an image is a neighbour worth seeing.
    """
    q, d = Batches(queries), Batches(data)
    if q.data is d.data:
        return torch.arange(len(q))
    if isinstance(q.data, Subset) and q.data.dataset is d.data:
        return torch.as_tensor(list(q.data.indices))
    ours, theirs = _first_tensor(q), _first_tensor(d)
    if ours is None or theirs is None or ours.device != theirs.device:
        return None
    step = theirs.stride(0) * theirs.element_size()
    if ours.shape[1:] != theirs.shape[1:] or ours.stride()[1:] != theirs.stride()[1:] or not step:
        return None
    begin = ours.data_ptr() - theirs.data_ptr()
    places = begin + torch.arange(len(q)) * ours.stride(0) * ours.element_size()
    inside = (places >= 0) & (places < len(d) * step) & (places % step == 0)
    if ours.untyped_storage().data_ptr() != theirs.untyped_storage().data_ptr():
        return None
    return torch.where(inside, places // step, -1)


def _first_tensor(batches: Batches) -> Tensor | None:
    if batches._dataset is not None:
        return None
    return next(leaf for leaf in tree_flatten(batches.data)[0] if isinstance(leaf, Tensor))


def _holds_tensors(data: Any) -> bool:
    if not isinstance(data, (tuple, list, Mapping)):
        return False
    leaves = tree_flatten(data if not isinstance(data, Mapping) else dict(data))[0]
    return bool(leaves) and all(isinstance(leaf, Tensor) for leaf in leaves)


def _sized(data: Any) -> int:
    try:
        return len(data)
    except TypeError as error:
        raise DataError(
            f"expected a data set with a length, got {type(data).__name__}; "
            "read it into a list or a map-style Dataset first"
        ) from error


def _length(data: Batch) -> int:
    leaves = tree_flatten(dict(data) if isinstance(data, Mapping) else data)[0]
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if not tensors:
        raise DataError("expected a batch that holds tensors, got none")
    if any(t.dim() == 0 for t in tensors):
        raise DataError(
            "expected tensors whose first dimension counts samples, got one without dimensions; "
            "a single sample needs x[None]"
        )
    lengths = {t.shape[0] for t in tensors}
    if len(lengths) > 1:
        raise DataError(
            f"expected tensors of one length, got first dimensions {sorted(lengths)}; "
            "every tensor must hold one row per sample"
        )
    return lengths.pop()
