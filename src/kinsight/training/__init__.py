"""While a network is trained: a monitor of its kernel, for plain loops, Lightning and Trainer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinsight.training.looks import Looks
    from kinsight.training.monitor import Monitor
    from kinsight.training.on_lightning import LightningHooks as LightningMonitor
    from kinsight.training.on_transformers import TransformersHooks as TransformersMonitor

__all__ = ["LightningMonitor", "Looks", "Monitor", "TransformersMonitor"]

_HOMES = {"Looks": "looks", "Monitor": "monitor"}
_MADE = {  # their bases are classes of packages that may be absent
    "LightningMonitor": ("on_lightning", "lightning_monitor"),
    "TransformersMonitor": ("on_transformers", "transformers_monitor"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"kinsight.training.{_HOMES[name]}"), name)
    elif name in _MADE:
        home, maker = _MADE[name]
        value = getattr(import_module(f"kinsight.training.{home}"), maker)()
    else:
        raise AttributeError(f"module 'kinsight.training' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
