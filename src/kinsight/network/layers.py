"""Parameters gathered into groups of layers, so that a sample's norm can be split among few."""

from collections.abc import Iterable


def groups(names: Iterable[str]) -> dict[str, str]:
    """The group of each parameter: the first parts of its name in which the names differ.

    ``{"model.encoder.0.weight": "model.encoder", "model.head.bias": "model.head"}``
    """
    parts = {name: name.split(".") for name in names}
    depth = 1
    while len({tuple(p[:depth]) for p in parts.values()}) == 1 and any(
        len(p) > depth + 1 for p in parts.values()
    ):
        depth += 1
    return {name: ".".join(p[:depth]) for name, p in parts.items()}
