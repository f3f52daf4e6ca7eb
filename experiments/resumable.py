"""Experiments made of cells: each is measured once, kept at once, and not measured again.

A quick run writes into runs/, a full one beside the published results.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import torch
from pages import IMAGES, PAGES, RESULTS, ROOT, environment


def options(description: str | None) -> argparse.ArgumentParser:
    """What every such experiment can be asked for."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of data sets; without: digits")
    parser.add_argument("--full", action="store_true", help="the published numbers")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no cell after so long")
    return parser


def places(name: str, asked: argparse.Namespace) -> dict[str, Path]:
    """Where results, page and figures go: "results" (a file), "page" (a file), "images"."""
    rough = ROOT / "runs" / f"{name}_quick"
    folders = (RESULTS, PAGES, IMAGES) if asked.full else (rough, rough, rough)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "results": folders[0] / f"{name}.json",
        "page": folders[1] / f"{name}.md",
        "images": folders[2],
    }


def started(file: Path, sizes: dict) -> dict:
    """What was measured before with the same sizes and versions, or nothing yet."""
    found = environment(argparse.Namespace(), 0.0)
    del found["minutes"], found["arguments"]  # counted by the cells; the sizes say the rest
    now = json.loads(json.dumps({"environment": found, "sizes": sizes}))
    if file.exists():
        report = json.loads(file.read_text())
        if {key: report[key] for key in now} == now:
            return report
    return {**now, "cells": {}}


def completed(
    report: dict,
    names: Iterable[str],
    solve: Callable[[str], dict],
    file: Path,
    asked: argparse.Namespace,
) -> dict:
    """Measure the cells that are missing, in this order; every result is written at once."""
    missing = [name for name in dict.fromkeys(names) if name not in report["cells"]]
    for name, found in _worked(missing, solve, asked):
        report["cells"][name] = found
        keep(report, file)
        count = len(report["cells"])
        print(f"{name}: {found['seconds']} s, {count} cells", file=sys.stderr, flush=True)
    return report


def _worked(
    names: list[str], solve: Callable[[str], dict], asked: argparse.Namespace
) -> Iterator[tuple[str, dict]]:
    """Name and result of each cell, as they are ready; none is begun when time is over."""
    until, waiting = time.monotonic() + 60 * asked.minutes, iter(names)
    if asked.workers == 1:
        for name in waiting:
            if time.monotonic() > until:
                return
            yield name, _timed(solve, name)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(asked.workers, context, torch.set_num_threads, (1,)) as pool:
        pending = {pool.submit(_timed, solve, n): n for n in islice(waiting, asked.workers)}
        while pending:
            done = next(as_completed(pending))
            yield pending.pop(done), done.result()
            more = islice(waiting, int(time.monotonic() < until))
            pending |= {pool.submit(_timed, solve, name): name for name in more}


def keep(report: dict, file: Path) -> None:
    """The report as JSON, one cell a line; whole or as before."""
    report["cells"] = dict(sorted(report["cells"].items()))
    cells = ",\n".join(f"  {json.dumps(n)}: {json.dumps(c)}" for n, c in report["cells"].items())
    rest = {name: value for name, value in report.items() if name != "cells"}
    text = json.dumps(rest, indent=1)[:-2] + f',\n "cells": {{\n{cells}\n }}\n}}\n'
    partial = file.with_suffix(".partial")
    partial.write_text(text)
    os.replace(partial, file)


def minutes(report: dict) -> int:
    """Processor time of all cells."""
    return max(1, round(sum(cell["seconds"] for cell in report["cells"].values()) / 60))


def relative(path: Path, page: Path) -> str:
    """A file as a page links it."""
    return Path(os.path.relpath(path, page.parent)).as_posix()


def _timed(solve: Callable[[str], dict], name: str) -> dict:
    begin = time.process_time()
    found = solve(name)
    return {**found, "seconds": round(time.process_time() - begin, 1)}
