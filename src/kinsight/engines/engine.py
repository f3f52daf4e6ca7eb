"""What an engine is: a worker is made where the work is done and is handed items one by one."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from kinsight.errors import ArgumentError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]
Make = Callable[[], Work[Item, Result]]


def one(item: Any) -> int:
    """The weight of an item when all count the same."""
    return 1


class Engine(ABC):
    """Where the items of a job are computed.

    Engines differ in where and when an item is computed, never in what comes out: the same
    worker with the same number of threads on the same kind of processor gives the same bits.
    """

    @property
    @abstractmethod
    def thread_count(self) -> int:
        """Threads of torch in each worker; sums in another order may differ in the last bits."""

    @abstractmethod
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
        """Every item with its result, once each, in the order in which they finish.

        An item may be *computed* more than once, when a worker is lost after it did the work and
        before it could say so. What a worker writes must therefore bear to be written again.

        Args:
            make: called once in each process that works, returns the worker; must be picklable
                by cloudpickle if the process is another one.
            items: handed to the worker one by one; small, since they travel.
            what: stands in front of the progress bar; ``unit`` behind its numbers.
            progress: show the bar; None shows it on a terminal only.
            weights: how far an item moves the bar, a whole number.

        Raises:
            KinsightError: one that the worker raised, as itself.
            WorkerError: the worker raised something else in another process.
            WorkerLostError: an item lost its worker more often than it may be tried again.
        """


def ordered(
    results: Iterable[tuple[Item, Result]], items: Sequence[Item]
) -> Iterator[tuple[Item, Result]]:
    """The results in the order of the items, so that sums of them have the same bits every time.

    What came early is held: in the worst case, a first item that ends last, all of it.

    Example:
        >>> list(ordered([("b", 2), ("c", 3), ("a", 1)], "abc"))
        [('a', 1), ('b', 2), ('c', 3)]

    Raises:
        ArgumentError: an item has no result.
    """
    held: dict[Hashable, list[Result]] = defaultdict(list)
    stream = iter(results)
    try:
        for item in items:
            while not held[item]:
                pair = next(stream, None)
                if pair is None:
                    raise ArgumentError(
                        f"results: expected one for each of the {len(items)} items, got none for "
                        f"{item!r}"
                    )
                held[pair[0]].append(pair[1])
            yield item, held[item].pop(0)
    finally:
        close = getattr(stream, "close", None)  # stops the workers when nobody listens any more
        if close is not None:
            close()


@contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """Let torch use so many threads inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
