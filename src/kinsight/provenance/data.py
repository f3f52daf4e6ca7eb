"""SHA-256 of data that comes in batches, the same however it was cut into batches."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from kinsight.provenance.digest import Digest


class DataDigest:
    """SHA-256 of data that comes in batches, whatever their size: one a place in the batch."""

    def __init__(self) -> None:
        self._places: dict[str, Any] = {}
        self._kinds: dict[str, str] = {}

    def add(self, batch: Any) -> None:
        """Take in the next batch."""
        for place, leaf in _leaves(batch):
            running = self._places.setdefault(place, hashlib.sha256())
            if not isinstance(leaf, Tensor):
                running.update(Digest(leaf).hex().encode())
                continue
            kind = f"{leaf.dtype}{tuple(leaf.shape[1:])}"
            if self._kinds.get(place) != kind:
                self._kinds[place] = kind
                running.update(kind.encode())
            plain = leaf.detach().cpu().resolve_conj().resolve_neg().contiguous()
            running.update(plain.reshape(-1).view(torch.uint8).numpy().data)

    def hex(self) -> str:
        """The digest as text."""
        return Digest({place: found.hexdigest() for place, found in self._places.items()}).hex()


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Tensors and other values of a batch, each with its place; a list of texts is one place."""
    if isinstance(value, Mapping):
        for key in value:
            yield from _leaves(value[key], f"{place}.{key}")
    elif isinstance(value, (tuple, list)):
        apart = any(isinstance(v, (Tensor, Mapping, tuple, list)) for v in value)
        for i, element in enumerate(value):
            yield from _leaves(element, f"{place}.{i}" if apart else place)
    else:
        yield place, value
