"""What this machine can do: operations and bytes a second, measured once and kept.

The constants turn counts into predicted seconds. They choose nothing: what is computed, and so its
rounding, must not depend on the machine.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch

from kinsight.errors import KinsightError
from kinsight.provenance.machine import processor

_SIZE = 1024  # of the matrices multiplied
_BYTES = 1 << 25  # copied
_TRIES = 3


@dataclass(frozen=True)
class Rates:
    """Multiply-adds of a large float32 product, and bytes read and written by a copy, a second."""

    multiply_adds: float
    bytes: float

    def seconds(self, multiply_adds: float, moved: float) -> float:
        """The longer of the two: what is not bound by one is bound by the other."""
        return max(multiply_adds / self.multiply_adds, moved / self.bytes)


@cache
def rates_of(device: torch.device) -> Rates:
    """The rates of a device with the present number of threads.

    Cost: some hundredths of a second the first time on a machine; then they are read from
    ``kinsight/rates.json`` in the user's cache folder (``XDG_CACHE_HOME``).
    """
    place = _place()
    key = _key(device)
    known = _read(place)
    if key not in known:
        known[key] = asdict(measure(device))
        _keep(place, known)
    return Rates(**known[key])


def measure(device: torch.device) -> Rates:
    """The best of a few tries."""
    a, b = torch.ones(2, _SIZE, _SIZE, device=device)
    source = torch.zeros(_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    product = _least(lambda: torch.mm(a, b), device)
    copy = _least(lambda: target.copy_(source), device)
    return Rates(_SIZE**3 / product, 2.0 * _BYTES / copy)


def _least(job: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(_TRIES + 1):  # the first warms up, and never is the least
        start = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return max(best, 1e-9)


def _key(device: torch.device) -> str:
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return f"{kind}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _place() -> Path:
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "kinsight" / "rates.json"


def _read(place: Path) -> dict[str, dict[str, float]]:
    """What was kept; nothing where it cannot be read."""
    try:
        held = json.loads(place.read_text())
        return {key: {n: float(value[n]) for n in ("multiply_adds", "bytes")}
                for key, value in held.items() if min(value.values()) > 0}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep(place: Path, known: dict[str, dict[str, float]]) -> None:
    """Keep for the next process; a machine without a cache folder measures again."""
    from kinsight.files import write_whole  # brings pyarrow along, which networks do not need

    try:
        write_whole(place, lambda path: path.write_text(json.dumps(known, indent=1) + "\n"))
    except (KinsightError, OSError):
        return
