"""What computed: versions of the packages, the processor and its instructions."""

import platform
from importlib.metadata import version

import torch


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {name: version(name) for name in ("kinsight", "torch", "numpy", "pyarrow")}
    return {"python": platform.python_version(), **found}


def processor() -> str:
    """The processor's kind and the vector instructions that torch uses on it."""
    named = platform.processor() or platform.machine()
    return f"{named} {torch.backends.cpu.get_cpu_capability()}"
