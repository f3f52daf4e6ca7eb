"""What of a batch goes into ``model.forward``, and what stays out as a label."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from kinsight.errors import ArgumentError
from kinsight.network.columns import Batch

LABEL_KEYS = ("labels", "label")
_Kind = inspect.Parameter


class Inputs:
    """How a network reads a batch, from the arguments of its ``forward``.

    A tensor is the input; of a tuple the first n go in, n the required arguments, and one more
    may follow as the label; of a dict the keys that ``forward`` accepts, labels left out.
    """

    def __init__(self, model: nn.Module):
        try:
            arguments = list(inspect.signature(model.forward).parameters.values())
        except (TypeError, ValueError):
            arguments = []
        by_position = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)
        free = [a for a in arguments if a.kind in by_position and a.default is _Kind.empty]
        self._required = max(1, len(free))
        anything = not arguments or any(a.kind is _Kind.VAR_KEYWORD for a in arguments)
        self._keywords = None if anything else {a.name for a in arguments}
        # Arguments that a further tensor of a tuple may have been meant for.
        self._optional = [
            f"*{a.name}" if a.kind is _Kind.VAR_POSITIONAL else a.name
            for a in arguments
            if (a.default is None or a.kind is _Kind.VAR_POSITIONAL) and a.name not in LABEL_KEYS
        ]

    def __call__(self, model: nn.Module, batch: Batch) -> Any:
        """What ``model`` returns for ``batch``.

        Raises:
            ArgumentError: a tuple holds more than inputs and a label, and more could go in.
        """
        if isinstance(batch, Tensor):
            return model(batch)
        if isinstance(batch, Mapping):
            known = batch.keys() if self._keywords is None else self._keywords
            return model(**{k: v for k, v in batch.items() if k in known and k not in LABEL_KEYS})
        if len(batch) > self._required + 1 and self._optional:
            raise ArgumentError(
                f"expected a tuple of {self._required} input(s) and a label, got {len(batch)} "
                f"entries, and forward also takes {', '.join(self._optional[:3])}; say what goes "
                "where: a dict with the names of forward's arguments, or "
                "forward=lambda model, batch: model(batch[0], batch[1])"
            )
        return model(*batch[: self._required])


def labels_of(batch: Batch, count: int) -> Tensor | None:
    """The whole number that came with each sample of a batch, (B,); None if there is none."""
    found = None
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in LABEL_KEYS if key in batch), None)
    elif isinstance(batch, (tuple, list)) and len(batch) > 1:
        found = batch[-1]
    if not isinstance(found, Tensor) or found.is_floating_point() or found.is_complex():
        return None
    return found.reshape(-1).cpu().long() if found.numel() == count else None
