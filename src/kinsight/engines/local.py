"""This process, item by item, in order: what every other engine must agree with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from kinsight.checks import positive
from kinsight.engines.engine import Engine, Item, Make, Result, one, threads_set
from kinsight.progress import bar


@dataclass(frozen=True)
class Local(Engine):
    """The items in this process, one after the other.

    Args:
        threads: threads of torch while the worker works; default as many as torch uses now.
    """

    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None:
            positive("threads", self.threads)

    @property
    def thread_count(self) -> int:
        return self.threads or torch.get_num_threads()

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
        if not items:
            return
        threads = self.thread_count  # not read again: what listens may set another number
        with bar(what, sum(map(weights, items)), unit, progress) as shown:
            with threads_set(threads):
                work = make()
            for item in items:
                with threads_set(threads):
                    result = work(item)
                shown.advance(weights(item))
                yield item, result
