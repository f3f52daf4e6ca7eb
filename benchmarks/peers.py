"""kinsight beside other packages: the same numbers from each, in turns, on this machine.

    python benchmarks/peers.py --install [PACKAGE …]       environments, once (also: make peers)
    python benchmarks/peers.py [--data FOLDER] [--jobs NAME …] [--only PACKAGE] [--shrink 10]

Prints a table, writes benchmarks/results/peers.json and docs/benchmark.md. Jobs and what is aimed
at: benchmarks/peers/jobs.py. Without --data, weights and inputs are made up, of the same shapes.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))  # this folder, whichever way the file is run
from passes import environment
from peers import bounds, page
from peers.environments import DEFAULT, OURS, install, packages, python_of, versions
from peers.jobs import JOBS, Job, materials
from peers.race import Entry, Rules, as_json, race
from peers.truth import errors


@dataclass(frozen=True)
class Machine:
    """What this machine can do at most."""

    rate: float
    copied: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Install, or measure, print and write."""
    asked = options().parse_args(arguments)
    if asked.install is not None:
        for package in asked.install or packages():
            print(f"{package}: {install(package, asked.environments) or 'installed'}", flush=True)
        return
    if asked.page:
        jobs = {name: bounded(JOBS[name].shrunk(job["shrink"]), job)
                for name, job in page.kept().items()}  # fmt: skip
        page.write(jobs, page.about())
        return
    torch.set_num_threads(asked.threads)
    rules = Rules(asked.environments, asked.data, asked.threads, asked.rounds, asked.patience,
                  asked.memory << 30, asked.clock, asked.ways)  # fmt: skip
    machine = Machine(bounds.matrix_rate(asked.clock), bounds.copy_rate(asked.clock))
    about = environment() | {"load": page.load(), "rate": machine.rate / 1e9, "threads":
             asked.threads, "copied": machine.copied / 1e9, "options": " --data FOLDER" if
             asked.data else ""}  # fmt: skip
    for name in asked.jobs or JOBS:
        found = measured(JOBS[name].shrunk(asked.shrink), asked, rules, machine)
        print(page.table(found), flush=True)
        if asked.out:
            jobs = page.kept() | {name: found}
            page.write({key: jobs[key] for key in JOBS if key in jobs}, about)


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--install", nargs="*", metavar="PACKAGE", choices=packages())
    found.add_argument("--environments", type=Path, default=DEFAULT, metavar="FOLDER")
    found.add_argument("--data", type=Path)
    found.add_argument(
        "--jobs", nargs="+", choices=list(JOBS), metavar="NAME", help=", ".join(JOBS)
    )
    found.add_argument("--only", nargs="+", metavar="PACKAGE", help="ours and these")
    found.add_argument("--threads", type=int, default=2)
    found.add_argument("--rounds", type=int, default=3)
    found.add_argument("--patience", type=float, default=120.0, help="seconds for one try")
    found.add_argument("--memory", type=int, default=12, help="GiB that one process may take")
    found.add_argument(
        "--clock",
        choices=("wall", "processor"),
        default="wall",
        help="what seconds are; one thread's processor time under a load",
    )
    found.add_argument("--ways", type=int, default=100, help="batch sizes and modes to try of each")
    found.add_argument("--shrink", type=int, default=1, help="a part of the samples, to try it out")
    found.add_argument("--page", action="store_true", help="only write the page, from what is kept")
    found.add_argument("--dry", dest="out", action="store_false", help="write nothing")
    return found


def measured(job: Job, asked: argparse.Namespace, rules: Rules, machine: Machine) -> dict:
    """One job with a row for each package."""
    load = page.load()
    chosen = [p for p in job.packages if not asked.only or p in (*asked.only, "kinsight")]
    entries, unit, made = race(job, chosen, rules)
    rows = [row(entry, job, made, unit, rules) for entry in entries]
    least = bounds.operations(job, made)
    ours = next((r["seconds"] for r in rows if r["package"] == "kinsight"), None)
    return {
        "title": job.title, "goal": job.goal, "aim_passes": job.reach, "shrink": asked.shrink,
        "pass_seconds": unit, "load": load, "threads": asked.threads, "clock": asked.clock,
        "ways": asked.ways, "rounds": asked.rounds, "rows": rows,
        "gflops": machine.rate / 1e9,
        "bound": ours * machine.rate / least if ours and least else None,
    }  # fmt: skip


def bounded(job: Job, found: dict) -> dict:
    """What was measured, with its words and its bound made anew."""
    ours = next((r["seconds"] for r in found["rows"] if r["package"] == "kinsight"), None)
    network, inputs = materials(replace(job, count=2, others=0), None)
    least = bounds.operations(job, {"network": network, **inputs})
    rate = found["gflops"] * 1e9
    return found | {"title": job.title, "goal": job.goal,
                    "bound": ours * rate / least if ours and least else None}  # fmt: skip


def row(entry: Entry, job: Job, made: dict, unit: float, rules: Rules) -> dict:
    """What a package came to, with its errors."""
    found = as_json(entry)
    if entry.seconds is not None and entry.result is not None:
        found |= {"passes": entry.seconds / unit, **errors(job, made, entry.result)}
    if entry.package not in OURS and python_of(entry.package, rules.environments):
        known = versions(entry.package, rules.environments)
        found["version"] = next(
            (v for name, v in known.items() if name.replace("-", "_") == entry.package), None
        )
    return found


if __name__ == "__main__":
    main()
