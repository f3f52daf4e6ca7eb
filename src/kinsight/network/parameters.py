"""Which parameters the kernel differentiates: by name, glob or predicate, each one once."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from kinsight.errors import ArgumentError, ParameterError

_QUANTISED = f"quantised networks have no gradient, use the {torch.float32} original"

ParameterChoice = None | str | Sequence[str] | Callable[[str, nn.Parameter], bool]


@dataclass(frozen=True)
class Selection:
    """The chosen parameters by name (tied ones once) and the names that were left out."""

    chosen: dict[str, nn.Parameter]
    frozen: tuple[str, ...]  # requires_grad is False and nobody named them
    excluded: tuple[str, ...]  # trainable, but not chosen

    @property
    def numel(self) -> int:
        """P: how many numbers are differentiated."""
        return sum(parameter.numel() for parameter in self.chosen.values())

    @property
    def sizes(self) -> dict[str, int]:
        """Real numbers in each; a complex one counts as two."""
        return {n: p.numel() * (1 + p.is_complex()) for n, p in self.chosen.items()}

    @contextmanager
    def differentiable(self):
        """Let autograd see the chosen parameters, and only these, for the time of a pass."""
        touched = [p for p in self.chosen.values() if not p.requires_grad]
        for parameter in touched:
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            for parameter in touched:
                parameter.requires_grad_(False)


def select_parameters(model: nn.Module, choice: ParameterChoice = None) -> Selection:
    """Resolve ``choice`` against the named parameters of ``model``.

    ``None`` takes every parameter with ``requires_grad``; a string or a list of strings takes
    names and globs (``"encoder.*.weight"``), frozen ones included, because they were asked for;
    a predicate ``(name, parameter) -> bool`` decides alone.

    Raises:
        ParameterError: a pattern matches nothing, or nothing is left.
    """
    named = dict(model.named_parameters())
    _refuse_quantised(model, everything=choice is None or not named)
    if not named:
        raise ParameterError(
            f"expected a network with parameters, got {type(model).__name__} without any; "
            "a function without parameters has no tangent kernel"
        )
    _refuse_unfit(named)
    chosen = _chosen(named, choice)
    rest = [name for name in named if name not in chosen]
    return Selection(
        chosen,
        frozen=tuple(name for name in rest if not named[name].requires_grad),
        excluded=tuple(name for name in rest if named[name].requires_grad),
    )


def _chosen(named: dict[str, nn.Parameter], choice: ParameterChoice) -> dict[str, nn.Parameter]:
    if isinstance(choice, str):
        return _by_pattern(named, [choice])
    if isinstance(choice, Iterable):
        patterns = list(choice)
        if not patterns:
            raise ParameterError(
                "parameters: expected at least one name or glob, got an empty list; None takes "
                "all trainable ones"
            )
        return _by_pattern(named, patterns)
    if choice is None:
        chosen = {name: p for name, p in named.items() if p.requires_grad}
        remedy = (
            f"expected trainable parameters, got {len(named)} frozen ones (requires_grad is "
            'False); name them with parameters=["*"] or call model.requires_grad_(True)'
        )
    elif callable(choice):
        chosen = {name: p for name, p in named.items() if choice(name, p)}
        remedy = (
            f"the predicate chose none of the {len(named)} parameters; "
            "it must return True for at least one (name, parameter)"
        )
    else:
        raise ArgumentError(
            f"parameters: expected None, names, globs or a predicate, got {type(choice).__name__}"
        )
    if not chosen:
        raise ParameterError(remedy)
    return chosen


def _by_pattern(named: dict[str, nn.Parameter], patterns: list[str]) -> dict[str, nn.Parameter]:
    chosen: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ArgumentError(f"parameters: expected names or globs, got {pattern!r}")
        hits = {name for name in named if fnmatchcase(name, pattern)}
        if not hits:
            some = ", ".join(list(named)[:5])
            raise ParameterError(
                f"parameters: {pattern!r} matches none of the {len(named)} parameters; "
                f"their names look like {some}"
            )
        chosen |= hits
    return {name: parameter for name, parameter in named.items() if name in chosen}


def _refuse_unfit(named: dict[str, nn.Parameter]) -> None:
    for name, parameter in named.items():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ParameterError(
                f"parameter {name!r} of a lazy layer has no shape yet; "
                "run the network once on real data before asking for its kernel"
            )
        if parameter.device.type == "meta":
            raise ParameterError(
                f"parameter {name!r} is on the meta device and has no values; load the weights"
            )
        if parameter.is_inference():
            raise ParameterError(
                f"parameter {name!r} was made under torch.inference_mode() and has no gradient; "
                "load the network outside of it, or pass copy.deepcopy(model)"
            )
    floating = (p.is_floating_point() or p.is_complex() for p in named.values())
    if not any(floating):
        dtypes = sorted({str(p.dtype) for p in named.values()}, key=str)
        raise ParameterError(
            f"expected floating-point parameters, got {', '.join(dtypes)}; {_QUANTISED}"
        )


def _refuse_quantised(model: nn.Module, everything: bool) -> None:
    """Layers of torch.ao.quantization keep their weights out of the parameters."""
    packed = [m for m in model.modules() if type(m).__module__.startswith("torch.ao.nn.quantized")]
    if packed and everything:
        raise ParameterError(
            f"expected layers with floating-point parameters, got {type(packed[0]).__name__} of "
            f"{type(packed[0]).__module__}; {_QUANTISED}"
        )
