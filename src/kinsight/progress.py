"""Progress bars on the terminal: the one place that knows tqdm."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class Bar:
    """A bar that is moved forward by ``advance`` and annotated by ``note``."""

    def __init__(self, inner: tqdm):
        self._inner = inner

    def advance(self, amount: int) -> None:
        """Count ``amount`` more units as done."""
        self._inner.update(amount)

    def note(self, text: str) -> None:
        """Show ``text`` behind the bar, such as what is going on between two steps."""
        self._inner.set_postfix_str(text)


@contextmanager
def bar(what: str, total: int, unit: str, shown: bool | None = None) -> Iterator[Bar]:
    """A progress bar on standard error over ``total`` units of work.

    ``shown=None`` shows it on a terminal only, so that logs stay readable.
    """
    hidden = None if shown is None else not shown
    with tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=total >= 100_000,
              disable=hidden, dynamic_ncols=True, smoothing=0.1) as inner:  # fmt: skip
        yield Bar(inner)
