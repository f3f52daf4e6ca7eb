"""What a result depends on, as digests and descriptions: may an unfinished run be gone on with?"""

import hashlib
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten


class Digest:
    """SHA-256 over tensors, their types and shapes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, value: Any) -> None:
        """Take in a tensor, or anything else by its repr."""
        if not isinstance(value, Tensor):
            self._hash.update(repr(value).encode())
            return
        tensor = value.detach().cpu().contiguous()
        self._hash.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        self._hash.update(tensor.reshape(-1).view(torch.uint8).numpy().data)

    def add_batch(self, batch: Any) -> None:
        """Take in every tensor of a batch."""
        for leaf in tree_flatten(dict(batch) if hasattr(batch, "keys") else batch)[0]:
            self.add(leaf)

    def hex(self) -> str:
        """The digest as text."""
        return self._hash.hexdigest()


def model_digest(model: nn.Module) -> str:
    """SHA-256 of the kind of network and of all its weights and buffers by name."""
    digest = Digest()
    digest.add(type(model).__qualname__)
    for name, value in sorted(model.state_dict().items()):
        digest.add(name)
        digest.add(value)
    return digest.hex()


def described(function: Callable[..., Any] | None) -> str:
    """A callable in words that stay the same from run to run and change with its code."""
    if function is None:
        return "the network's own output"
    if is_dataclass(function):
        return repr(function)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if code is None:
        return f"{getattr(function, '__module__', '?')}.{name}"
    content = hashlib.sha256(code.co_code + repr(_constants(code)).encode()).hexdigest()[:12]
    return f"{function.__module__}.{name} (code {content})"


def _constants(code: Any) -> list[str]:
    return [repr(c) for c in code.co_consts if not hasattr(c, "co_code")] + list(code.co_names)
