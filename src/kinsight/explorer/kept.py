"""Results that are made once and kept, whichever request asks first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any


class Kept:
    """Results by key. Requests come from several threads: the first makes it, the others wait.

    ``most``: how many are kept; beyond, those that were not asked for longest are let go.
    """

    def __init__(self, most: int | None = None):
        self._lock = RLock()
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._most = most

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result under a key; an error of ``make`` is raised and not kept."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            self._made.move_to_end(key)
            if self._most is not None and len(self._made) > self._most:
                self._made.popitem(last=False)
            return self._made[key]
