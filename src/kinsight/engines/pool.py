"""Workers of a Ray cluster, one item each at a time: added as it grows, replaced when lost."""

import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kinsight.engines.failures import lost_with, never_started, raised_there
from kinsight.engines.worker import Worker
from kinsight.errors import ArgumentError, KinsightWarning
from kinsight.progress import Bar

_LOOK = 2.0  # seconds between two looks at how large the cluster is
_PATIENCE = 60.0  # seconds without any worker after which a warning says what is waited for


@dataclass(frozen=True)
class Shape:
    """What a worker takes of a cluster, how many there may be, how often an item may fail."""

    cpus: float
    gpus: float
    threads: int
    workers: int | None
    retries: int

    def places(self, nodes: Sequence[dict[str, Any]]) -> int:
        """How many workers fit on the nodes of a cluster, other jobs left aside."""
        return sum(self._on(node["Resources"]) for node in nodes if node["Alive"])

    def check_fits(self, nodes: Sequence[dict[str, Any]]) -> None:
        """That one worker at least fits, where waiting for another node would be in vain.

        Raises:
            ArgumentError: none does.
        """
        if self.places(nodes) == 0:
            raise ArgumentError(
                f"a worker takes {self}, which this machine does not have; ask for less (cpus, "
                "gpus, threads) or give the address of a cluster"
            )

    def _on(self, resources: dict[str, float]) -> int:
        asked = {"CPU": self.cpus, "GPU": self.gpus}
        # A little more than nothing: 10 workers of 0.1 GPU do fit on one.
        fits = [int(resources.get(what, 0) / n + 1e-6) for what, n in asked.items() if n]
        return min(fits)

    def __str__(self) -> str:
        cpus = f"{self.cpus:g} CPU" + "s" * (self.cpus != 1)
        return cpus + (f" and {self.gpus:g} GPU" + "s" * (self.gpus != 1)) * (self.gpus > 0)


@dataclass
class _Call:
    """What a worker is doing: an item by its number, or its start (None)."""

    actor: Any
    index: int | None


class Pool:
    """Hands items to workers until each was handed back once.

    A worker has one item at a time. So an item whose worker is lost is the one to blame, no
    item waits behind a slow one, and at most one result a worker is on its way.
    """

    def __init__(self, ray: ModuleType, shape: Shape, make: bytes, items: Sequence[Any], bar: Bar):
        self._ray, self._shape, self._items, self._bar = ray, shape, items, bar
        self._make = ray.put(make)  # shipped to a node once, however many workers it has
        self._worker = ray.remote(Worker).options(
            num_cpus=shape.cpus,
            num_gpus=shape.gpus,
            max_restarts=0,
            # Libraries beside torch read it when they are loaded.
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(shape.threads)}},
        )
        self._waiting = deque(range(len(items)))
        self._calls: dict[Any, _Call] = {}  # by the reference of the answer
        self._idle: list[Any] = []
        self._lost: Counter[int] = Counter()  # how many workers an item has cost
        self._stillborn = 0  # workers lost in a row before any could take an item
        self._wanted = 0
        self._looked = float("-inf")
        self._told = -1
        self._alone_since = time.monotonic()

    def results(self) -> Iterator[tuple[int, bytes]]:
        """The number of an item and its packed result, in the order in which they finish."""
        for _ in self._items:
            answer = None
            while answer is None:
                self._grow()
                self._feed()
                done, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_LOOK)
                answer = self._settle(done[0]) if done else None
            self._feed()  # the worker goes on while the caller does something with the answer
            yield answer

    def close(self) -> None:
        """Take all workers away, whatever they do."""
        for actor in [*self._idle, *(call.actor for call in self._calls.values())]:
            self._kill(actor)
        self._calls.clear()
        self._idle.clear()

    def _grow(self) -> None:
        """As many workers as fit, or as were asked for, but no more than there are items."""
        busy = [call for call in self._calls.values() if call.index is not None]
        alive = len(self._idle) + len(busy)
        self._tell(alive)
        if time.monotonic() - self._looked >= _LOOK:
            self._looked = time.monotonic()
            # One at least is asked for: a cluster may grow only when something waits.
            self._wanted = self._shape.workers or max(1, self._shape.places(self._ray.nodes()))
        left = len(self._waiting) + len(busy)
        for _ in range(min(self._wanted, left) - len(self._idle) - len(self._calls)):
            self._start()

    def _start(self) -> None:
        actor = self._worker.remote()
        threads = self._shape.threads
        self._calls[actor.start.remote(self._make, threads)] = _Call(actor, None)

    def _feed(self) -> None:
        while self._idle and self._waiting:
            actor, index = self._idle.pop(), self._waiting.popleft()
            packed = self._ray.cloudpickle.dumps(self._items[index])
            self._calls[actor.work.remote(packed)] = _Call(actor, index)

    def _settle(self, reference: Any) -> tuple[int, bytes] | None:
        """What a call came to: a result, a worker that is ready, or one that is lost."""
        call = self._calls[reference]
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            where = "start" if call.index is None else f"item {self._items[call.index]!r}"
            failure = raised_there(where, error.cause, str(error))
            raise failure from failure.__cause__
        except self._ray.exceptions.RayError as error:
            del self._calls[reference]
            self._bury(call, error)
            return None
        del self._calls[reference]
        self._idle.append(call.actor)
        self._stillborn = 0
        return None if call.index is None else (call.index, value)

    def _bury(self, call: _Call, error: Exception) -> None:
        """Give the item of a lost worker to another, unless it has cost too many already."""
        self._kill(call.actor)  # it may be alive behind a network that is not
        self._looked = float("-inf")
        if call.index is None:
            self._stillborn += 1
            if self._stillborn > self._shape.retries * max(1, self._wanted):
                raise never_started(self._stillborn, error) from None
            return
        self._lost[call.index] += 1
        if self._lost[call.index] > self._shape.retries:
            raise lost_with(self._items[call.index], self._lost[call.index], error) from None
        self._waiting.appendleft(call.index)

    def _kill(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):  # gone already
            self._ray.kill(actor)

    def _tell(self, alive: int) -> None:
        """Workers alive on the bar; once, where it may not be seen, what is waited for."""
        if alive != self._told:
            self._bar.note(f"{alive} worker" + "s" * (alive != 1))
            self._told = alive
        now = time.monotonic()
        if alive:
            self._alone_since = now
        elif now - self._alone_since > _PATIENCE:
            self._alone_since = float("inf")
            warnings.warn(
                f"no worker for {_PATIENCE:.0f} seconds: waiting for a node with {self._shape} "
                "free, or for the network and data to load; `ray status` says which",
                KinsightWarning,
                stacklevel=2,
            )
