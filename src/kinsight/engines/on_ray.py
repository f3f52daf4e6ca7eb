"""The workers of a Ray cluster: as many as fit, which may come and go while the job runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kinsight.checks import above_zero, positive
from kinsight.engines.engine import Engine, Item, Make, Result, one
from kinsight.engines.pool import Pool, Shape
from kinsight.engines.session import import_ray, session
from kinsight.errors import ArgumentError
from kinsight.progress import bar


@dataclass(frozen=True)
class Ray(Engine):
    """One worker a GPU, or one for every so many processor cores, on a Ray cluster.

    Workers are added while the cluster grows, and lost ones are replaced; the item of a lost
    worker is given to another. An error that a worker raises itself ends the job.

    Args:
        address: of a running cluster, "host:6379" on one of its nodes, "ray://host:10001" from
            elsewhere, "auto" for the one this machine belongs to; default the environment's
            RAY_ADDRESS, else one is started on this machine, on 127.0.0.1 only and without
            dashboard, and shut down at the end.
        cpus: cores a worker takes; default ``threads``.
        gpus: GPUs a worker takes; it sees no others. 1 for work on GPUs, parts are possible.
        workers: how many; default as many as fit on the cluster at any time. A cluster that
            grows by demand grows up to this number.
        threads: threads of torch in each worker, default ``cpus``, at least 1. Never the number
            of cores of a node: it is part of what decides the last bits of a result.
        retries: how many workers an item may lose and still be given to another.
        logs: show what the workers print.
    """

    address: str | None = None
    cpus: float | None = None
    gpus: float = 0
    workers: int | None = None
    threads: int | None = None
    retries: int = 3
    logs: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "threads"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        if self.cpus is not None:
            _share("cpus", self.cpus)
        if self.gpus != 0:
            _share("gpus", self.gpus)
        if self.retries != 0:
            positive("retries", self.retries)

    @property
    def thread_count(self) -> int:
        return self.threads or max(1, int(self.cpus or 1))

    def run(
        self,
        make: Make[Item, Result],
        items: Sequence[Item],
        *,
        what: str = "",
        unit: str = "items",
        progress: bool | None = None,
        weights: Callable[[Item], int] = one,
    ) -> Iterator[tuple[Item, Result]]:
        ray = import_ray()
        try:
            packed = ray.cloudpickle.dumps(make)
        except (TypeError, AttributeError, ValueError, RuntimeError, OSError) as error:
            raise ArgumentError(
                f"make: expected something that can be sent to another process, got: {error}; "
                "let it load what cannot travel when it is called"
            ) from error
        return self._results(ray, packed, items, what, unit, progress, weights)

    def _results(
        self,
        ray: ModuleType,
        make: bytes,
        items: Sequence[Item],
        what: str,
        unit: str,
        progress: bool | None,
        weights: Callable[[Item], int],
    ) -> Iterator[tuple[Item, Any]]:
        if not items:
            return
        shape = self._shape()
        with (
            bar(what, sum(map(weights, items)), unit, progress) as shown,
            session(ray, self.address, self.logs) as alone,
        ):
            if alone:  # it cannot grow
                shape.check_fits(ray.nodes())
            with closing(Pool(ray, shape, make, items, shown)) as pool:
                for index, answer in pool.results():
                    shown.advance(weights(items[index]))
                    yield items[index], ray.cloudpickle.loads(answer)

    def _shape(self) -> Shape:
        cpus = float(self.thread_count if self.cpus is None else self.cpus)
        return Shape(cpus, float(self.gpus), self.thread_count, self.workers, self.retries)


def _share(name: str, value: float) -> None:
    """Parts of one, or whole ones: what Ray can set aside for a worker."""
    if above_zero(name, value) > 1 and float(value) != int(value):
        raise ArgumentError(f"{name}: expected a whole number or less than 1, got {value!r}")
