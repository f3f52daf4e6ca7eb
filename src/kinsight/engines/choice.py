"""From the name of an engine, as people type it, to the engine."""

from kinsight.engines.engine import Engine
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray
from kinsight.errors import ArgumentError


def engine_of(given: str | Engine) -> Engine:
    """An engine by its name: "local", "ray" or "ray://host:port"; an engine is itself.

    Example:
        >>> engine_of("ray://head:10001").address
        'ray://head:10001'

    Raises:
        ArgumentError: anything else.
    """
    if isinstance(given, Engine):
        return given
    if given == "local":
        return Local()
    if given == "ray":
        return Ray()
    if isinstance(given, str) and given.startswith("ray://"):
        return Ray(address=given)
    raise ArgumentError(
        "engine: expected 'local', 'ray', 'ray://host:port', or Local(…) or Ray(…) with what they "
        f"are to use, got {given!r}"
    )
