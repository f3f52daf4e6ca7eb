"""The order in which a DataLoader gives its samples, which must be the same every time."""

from typing import Any

from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from kinsight.errors import DataError

_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def fixed_order(loader: DataLoader) -> list[Any]:
    """Indices into ``loader.dataset`` in the order of the loader. Cost: they are listed twice.

    Raises:
        DataError: the order changes, samples are left out, or there are no indices.
    """
    if isinstance(loader.dataset, IterableDataset):
        raise DataError(
            "expected data that can be read at any position, got a DataLoader over an "
            "IterableDataset; read it into a list or a map-style Dataset first"
        )
    batches = loader.batch_sampler
    if batches is None:
        raise DataError(
            "expected a DataLoader that puts samples into batches, got batch_size=None, where an "
            "item may be a whole batch; pass loader.dataset if its items are samples"
        )
    if loader.drop_last or getattr(batches, "drop_last", False):
        raise DataError(
            "expected every sample, got a DataLoader with drop_last=True that leaves some "
            "out in silence; build it with drop_last=False"
        )
    sampler = getattr(batches, "sampler", batches)
    random = isinstance(sampler, _RANDOM)
    order = [] if random else [index for group in batches for index in group]
    if random or order != [index for group in batches for index in group]:
        name = type(sampler).__name__
        if isinstance(sampler, RandomSampler):
            name += " (shuffle=True)"
        raise DataError(
            f"expected samples in the same order every time, got a DataLoader whose {name} draws "
            "a new one; build it with shuffle=False, over torch.utils.data.Subset(dataset, "
            "indices) if only some are meant, or with sampler= a fixed list of indices"
        )
    return order
