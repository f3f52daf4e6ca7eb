"""How a job that runs elsewhere ends when it cannot go on."""

import re
from typing import Any

from kinsight.errors import KinsightError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 500  # characters of what Ray says


class WorkerError(KinsightError, RuntimeError):
    """The code of a worker raised an error in another process; the message has its traceback."""


class WorkerLostError(WorkerError):
    """Workers were lost again and again: killed, out of memory, their machine gone."""


def raised_there(where: str, cause: BaseException, traceback: str) -> KinsightError:
    """What to raise here for ``cause``, raised by the worker's own code.

    Errors of kinsight are themselves and carry the traceback as a note, so that callers can tell
    them apart; others are wrapped, as they would name a line of code that never ran here.
    """
    traceback = _COLOUR.sub("", traceback)
    if isinstance(cause, KinsightError):
        cause.add_note(f"raised by a worker at {where}:\n{traceback}")
        return cause
    error = WorkerError(
        f"{where}: the worker raised {type(cause).__name__}: {cause}\nIt is not tried again, as "
        f"it would raise again. Its traceback:\n{traceback}"
    )
    error.__cause__ = cause
    return error


def lost_with(item: Any, times: int, last: BaseException) -> WorkerLostError:
    """The error for an item that took its worker with it too often."""
    return WorkerLostError(
        f"item {item!r}: expected a worker to live through it, lost {times}; what was said last: "
        f"{_said(last)}\nIf memory ran out, give a worker more (smaller batches, fewer workers a "
        "machine); if machines come and go, allow more retries. What is finished is kept: the "
        "same command goes on from there"
    )


def never_started(times: int, last: BaseException) -> WorkerLostError:
    """The error for workers that die before they are given anything."""
    return WorkerLostError(
        f"expected workers that start, lost {times} in a row before they could take an item; what "
        f"was said last: {_said(last)}\nEvery node needs kinsight, the same versions of Python, "
        "torch and Ray as here, and memory for the network and its data"
    )


def _said(error: BaseException) -> str:
    """One line; Ray's own go on for a page."""
    text = " ".join(_COLOUR.sub("", str(error)).split())
    return f"{type(error).__name__}: {text[:_LONGEST]}" + "…" * (len(text) > _LONGEST)
