"""One package in a process of its own, in its own environment: answers requests, one a line.

    ENVIRONMENT/bin/python worker.py FOLDER PACKAGE

Requests and answers are JSON on standard input and output; what libraries print goes to standard
error. {"do": "ways"} -> the names of the ways to compute; {"do": "run", "way": …} -> seconds,
memory, and the result in FOLDER/PACKAGE.npy; {"do": "pass"} -> seconds of a training pass.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

sys.path[0] = str(Path(__file__).parents[1])

import numpy as np  # noqa: E402

from peers import memory  # noqa: E402


def main() -> None:
    """Answer until standard input ends."""
    folder, package = Path(sys.argv[1]), sys.argv[2]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    limit = int(os.environ.get("PEERS_MEMORY", "0"))
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        method = importlib.import_module(f"peers.methods.{package}").Method(folder)
    except Exception:  # noqa: BLE001  # whatever a package raises is its result
        _say(answers, failure())
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, answered(method, json.loads(line), folder / f"{package}.npy"))


def answered(method: Any, request: dict, place: Path) -> dict:
    """What a request comes to; an exception is an answer, too."""
    try:
        if request["do"] == "ways":
            return {"ways": list(method.ways())}
        if request["do"] == "pass":
            return timed(method.one_pass)[0]
        job = method.ways()[request["way"]]
        if hasattr(method, "warm"):
            method.warm(request["way"])  # what is compiled once is no part of the time
        base = memory.begin()
        took, result = timed(job)
        answer = took | {"memory": memory.peak() - base}
        np.save(place, np.asarray(result))
        return answer
    except Exception:  # noqa: BLE001
        return failure()


def timed(job: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds on the clock and of the processor, all threads together, and the result."""
    start, processor = time.perf_counter(), time.process_time()
    result = job()
    took = {"wall": time.perf_counter() - start, "processor": time.process_time() - processor}
    return took, result


def failure() -> dict:
    """The exception that is being handled, as an answer."""
    kind, error, _ = sys.exc_info()
    traceback.print_exc()
    lines = str(error).strip().splitlines() or [""]
    return {"error": f"{getattr(kind, '__name__', kind)}: {lines[0][:200]}"}


def _say(answers: TextIO, answer: dict) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
