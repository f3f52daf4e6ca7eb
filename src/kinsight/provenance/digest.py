"""SHA-256 of anything a person may hand over: tensors by their bytes, functions by their code."""

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from kinsight.network import outputs

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Digest:
    """A running SHA-256 of values, the same in every process for the same values.

    Nothing is shortened as ``repr`` does with long arrays, and no address or order of a hash
    table enters.
    """

    def __init__(self, *values: Any) -> None:
        self._hash = hashlib.sha256()
        self._open: list[Any] = []  # what is being taken in, to end circles
        for value in values:
            self.add(value)

    def add(self, value: Any) -> None:
        """Take in a value and everything it holds."""
        if any(value is other for other in self._open):
            self._text("circle", str(len(self._open)))
            return
        self._open.append(value)
        self._take(value)
        self._open.pop()

    def hex(self) -> str:
        """The digest as text."""
        return self._hash.hexdigest()

    def _take(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            self._bytes(f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes())
        elif isinstance(value, Image.Image):
            self._bytes(f"picture {value.mode} {value.size}", value.tobytes())
        elif isinstance(value, nn.Module):
            self._text("module", model_digest(value))
        elif isinstance(value, (str, bytes, int, float, complex, type(None), type(Ellipsis))):
            self._text(type(value).__name__, repr(value))
        elif isinstance(value, (set, frozenset)):
            self._text("set", *sorted(Digest(v).hex() for v in value))
        elif isinstance(value, Mapping):
            self._text("mapping", *sorted(Digest(k, v).hex() for k, v in value.items()))
        elif isinstance(value, (tuple, list)):
            self._text("list", str(len(value)))
            for element in value:
                self.add(element)
        elif hasattr(value, "__array__") and not isinstance(value, type):
            array = np.asarray(value)  # objects, or a column of pandas
            self.add(array.tolist() if array.dtype.hasobject else array)
        else:
            self._object(value)

    def _tensor(self, value: Tensor) -> None:
        value = value.detach().cpu()
        value = value.to_dense() if value.layout != torch.strided else value
        value = value.resolve_conj().resolve_neg().contiguous()
        data = value.reshape(-1).view(torch.uint8).numpy().data
        self._bytes(f"tensor {value.dtype} {tuple(value.shape)}", data)

    def _object(self, value: Any) -> None:
        if isinstance(value, functools.partial):
            parts: tuple[Any, ...] = ("partial", value.func, value.args, value.keywords)
        elif isinstance(value, MethodType):
            parts = ("method", value.__func__, value.__self__)
        elif isinstance(value, FunctionType):
            cells = [_content(cell) for cell in value.__closure__ or ()]
            parts = ("function", value.__code__, value.__defaults__, value.__kwdefaults__, cells)
        elif isinstance(value, CodeType):
            parts = ("code", value.co_code, value.co_names, value.co_consts)
        elif isinstance(value, (type, ModuleType, BuiltinFunctionType)):
            name = getattr(value, "__qualname__", value.__name__)
            parts = ("name", str(getattr(value, "__module__", "")), name)
        elif is_dataclass(value):
            kept = {field.name: getattr(value, field.name) for field in fields(value)}
            parts = ("dataclass", type(value), kept, _call(value))
        elif type(value).__repr__ is not object.__repr__:
            parts = ("shown", type(value), _ADDRESS.sub("", repr(value)))
        else:
            parts = ("object", type(value), getattr(value, "__dict__", None), _call(value))
        for part in parts:
            self.add(part)

    def _text(self, *texts: str) -> None:
        for text in texts:
            self._bytes("text", text.encode("utf-8", "surrogatepass"))

    def _bytes(self, head: str, data: Any) -> None:
        self._hash.update(f"{head} {len(data)}:".encode())
        self._hash.update(data)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _call(value: Any) -> Any:
    found = (vars(kind).get("__call__") for kind in type(value).__mro__)
    return next((call for call in found if isinstance(call, FunctionType)), None)


def model_digest(model: nn.Module) -> str:
    """SHA-256 of the kind of network and of all its weights and buffers by name."""
    digest = Digest(type(model).__qualname__)
    for name, value in sorted(model.state_dict().items()):
        digest.add(name)
        digest.add(value)
    return digest.hex()


def described(function: Callable[..., Any] | None) -> str:
    """A callable in words that stay the same from run to run and change with what it does.

    Beside its code count the values it closes over, its defaults and what a partial fixes.
    """
    if function is None:
        return "the network's own output"
    if type(function).__module__.startswith(f"{outputs.__name__}."):
        return _ours(function)
    named = function.func if isinstance(function, functools.partial) else function
    name = getattr(named, "__qualname__", type(named).__qualname__)
    if named is not function:
        name += ", partial"
    return f"{getattr(named, '__module__', '?')}.{name} (code {Digest(function).hex()[:12]})"


def _ours(function: Any) -> str:
    """One of ``kinsight.outputs`` with all its settings; an output within it as it is described."""
    settings = [(field.name, getattr(function, field.name)) for field in fields(function)]
    said = [f"{name}={described(v) if callable(v) else repr(v)}" for name, v in settings]
    return f"{type(function).__qualname__}({', '.join(said)})"
