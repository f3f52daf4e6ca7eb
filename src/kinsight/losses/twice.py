"""Can a term be differentiated, and is it computed where that is possible? Asked of its graph."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import Node

from kinsight.errors import NetworkError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def eagerly(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """``method`` outside of a compiled graph, also where ``torch.compile`` meets it.

    What is compiled has no second derivative; the rest of the caller stays compiled.
    """

    @functools.wraps(method)
    def called(*given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        if torch.compiler.is_compiling():
            eager: Any = torch.compiler.disable(method)
            return eager(*given, **named)
        return method(*given, **named)

    return called


def refuse_once(value: Tensor) -> None:
    """Refuse a graph with an operator that may be differentiated once only.

    ``backward`` would stumble over it; ``torch.autograd.grad`` walks around, as nothing lies
    behind it.

    Cost: one visit per node, no tensor operation.

    Raises:
        NetworkError: a custom autograd function marked ``once_differentiable``.
    """
    names, said = set(), None
    for node in _nodes(value):
        made: Any = getattr(type(node), "_forward_cls", None)
        if made is not None and not made.__module__.startswith("kinsight."):
            names.add(made.__name__)
        if node.name().endswith("Error"):
            said = _complaint(node)
    if said is not None:
        raise NetworkError(
            "expected operators with a second derivative, got one without: "
            f"{', '.join(sorted(names)) or 'a custom autograd function'} ({said}). Way out: "
            "write its backward with operators of torch and take once_differentiable off, or name "
            "parameters= that lie behind it"
        )


def _complaint(node: Node) -> str | None:
    try:
        node(torch.zeros(()))  # type: ignore[operator]
    except RuntimeError as error:
        return str(error).split("\n")[0]
    return None


def _nodes(value: Tensor) -> Iterator[Node]:
    seen: set[Node] = set()
    stack = [value.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(source for source, _ in node.next_functions)
