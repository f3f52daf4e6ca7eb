"""A network run in batches while some of its layers are watched: what they read and return."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.checks import positive
from kinsight.errors import ArgumentError, NetworkError, OutputError
from kinsight.network.batches import Batches
from kinsight.network.function import NetworkFunction
from kinsight.network.guards import check_mode


@dataclass
class Seen:
    """One batch that went through: what the network returned, the calls of watched layers."""

    count: int
    outputs: Any = None
    calls: list[tuple[str, Any]] = field(default_factory=list)  # in the order of calling

    def only(self, name: str) -> Any:
        """What the one call of a layer gave.

        Raises:
            NetworkError: it was not called, or more than once.
        """
        found = [value for called, value in self.calls if called == name]
        if not found:
            raise NetworkError(
                f"layer {name!r}: expected it to be called in a forward pass, but the network "
                "does not call it (a function may use its parameters directly, or it is left "
                "out in evaluation mode); name another layer"
            )
        if len(found) > 1:
            raise NetworkError(
                f"layer {name!r}: expected one call in a forward pass, got {len(found)}: it is "
                "used several times; name the module around them, or one that is called once"
            )
        return found[0]


class Watched:
    """A network in evaluation mode, with a choice of layers to watch.

    Args:
        model: wrappers (compile, DataParallel, DDP, PEFT) are taken off.
        forward: ``(model, batch) -> outputs`` where the default reading of a batch does not fit.
        batch_size: samples through the network at once.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[nn.Module, Any], Any] | None,
        batch_size: int,
    ):
        self.function = NetworkFunction(model, parameters=["*"], forward=forward)
        self.batch_size = positive("batch_size", batch_size)
        self._modules = dict(self.function.model.named_modules(remove_duplicate=False))

    def check_layers(self, names: Sequence[str]) -> None:
        """Refuse names that no module has.

        Raises:
            ArgumentError: names the closest ones.
        """
        for name in names:
            if name in self._modules:
                continue
            known = [each for each in self._modules if each]
            close = difflib.get_close_matches(str(name), known, n=5, cutoff=0.3) or known[:5]
            raise ArgumentError(
                f"layer: expected the name of one of the network's {len(known)} modules "
                f"(model.named_modules()), got {name!r}; it has {', '.join(close)}"
            )

    def linear_layers(self) -> list[str]:
        """Names of all linear layers.

        Raises:
            NetworkError: there is none.
        """
        named = [name for name, m in self._modules.items() if isinstance(m, nn.Linear)]
        if not named:
            raise NetworkError(
                "expected a network with a linear layer at its end, got none; name the layer "
                "that is meant: Layer(model, 'name')"
            )
        return named

    @torch.no_grad()
    def run(self, data: Batches, names: Sequence[str] = (), reads: bool = False) -> Iterator[Seen]:
        """Every batch once through the network, with what the layers return.

        ``reads``: what they read instead, kept of the last call alone. Cost: one forward pass.

        Raises:
            TrainingModeError: batch norm or dropout in training mode.
        """
        check_mode(self.function.model)
        for piece in data.pieces(self.batch_size):
            seen = Seen(piece.stop - piece.start)
            with ExitStack() as stack:
                for name in names:
                    hook = _recorder(seen, name, reads)
                    handle = self._modules[name].register_forward_hook(hook, with_kwargs=True)
                    stack.callback(handle.remove)
                seen.outputs = self.function.outputs(self.function.place(piece.batch))
            yield seen


def _recorder(seen: Seen, name: str, reads: bool) -> Callable[..., None]:
    def record(module: nn.Module, arguments: tuple, named: dict, returned: Any) -> None:
        value = next(iter((*arguments, *named.values())), None) if reads else returned
        if reads:
            seen.calls = [(earlier, None) for earlier, _ in seen.calls]
        # A copy: an operation in place (ReLU) may write over it before the pass ends.
        seen.calls.append((name, value.clone() if isinstance(value, Tensor) else value))

    return record


def activation(value: Any, count: int, name: str) -> Tensor:
    """What a layer gave, as one row a sample: (B, …).

    Raises:
        OutputError: no tensor of real numbers, or one without a row for each sample.
    """
    if not isinstance(value, Tensor):
        raise OutputError(
            f"layer {name!r}: expected it to return a tensor, got {type(value).__name__}; say "
            "which part is meant: take=lambda returned: returned[0]"
        )
    if not value.is_floating_point():
        raise OutputError(f"layer {name!r}: expected real numbers, got {value.dtype}")
    if value.dim() == 0 or len(value) != count or value[0].numel() == 0:
        raise OutputError(
            f"layer {name!r}: expected one row for each of {count} samples, got shape "
            f"{tuple(value.shape)}; bring the samples to the front: "
            "take=lambda returned: returned.transpose(0, 1)"
        )
    return value
