"""Packages take turns at one job, each in its own process; the least time of each counts."""

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from peers.environments import python_of, why_not
from peers.jobs import Job, materials

WORKER = Path(__file__).parent / "worker.py"


@dataclass(frozen=True)
class Rules:
    """How a race is run: threads of each, rounds, seconds and bytes that one try may take."""

    environments: Path
    data: Path | None = None
    threads: int = 2
    rounds: int = 3
    patience: float = 120.0
    memory: int = 12 << 30
    clock: str = "wall"  # or "processor": with one thread, what a loaded machine changes least
    ways: int = 100  # of each package that are tried, in its order


@dataclass
class Entry:
    """What one package came to."""

    package: str
    way: str = ""
    seconds: float | None = None
    memory: int | None = None
    refused: str = ""  # why there is no time
    tried: dict[str, float | str] = field(default_factory=dict)  # way -> seconds, or what it raised
    result: np.ndarray | None = None


class Worker:
    """A process that computes for one package."""

    def __init__(self, package: str, python: Path, folder: Path, rules: Rules):
        threads = str(rules.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        limits = dict.fromkeys(names, threads) | {"PEERS_MEMORY": str(rules.memory)}
        cores = sorted(os.sched_getaffinity(0))[: rules.threads]
        self.package, self._log = package, (folder / f"{package}.log").open("w")
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", ",".join(map(str, cores)), python, WORKER, folder, package],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env=os.environ | limits | {"JAX_PLATFORMS": "cpu", "TQDM_DISABLE": "1"},
        )  # fmt: skip

    def ask(self, request: dict[str, Any], patience: float) -> dict[str, Any]:
        """The answer, or an error; after ``patience`` seconds the process is ended."""
        stdin = self._process.stdin
        if stdin is None or self._process.poll() is not None:
            return {"error": "the process has ended"}
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        return self.answer(patience)

    def answer(self, patience: float) -> dict[str, Any]:
        """The next line that the process says."""
        stdout = self._process.stdout
        ready = stdout is not None and select.select([stdout], [], [], patience)[0]
        if not ready or stdout is None:
            self.end()
            return {"error": f"over {patience:.0f} s on the clock"}
        line = stdout.readline()
        return json.loads(line) if line else {"error": "the process ended: out of memory?"}

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()


def race(job: Job, packages: Sequence[str], rules: Rules) -> tuple[list[Entry], float, dict]:
    """Entries, seconds of one training pass (the least seen), and what the job was made of."""
    entries = [Entry(package) for package in packages]
    passes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        made = _written(job, folder, rules)
        running: list[tuple[Entry, Worker]] = []
        for entry in entries:
            worker = _started(entry, folder, rules)
            if worker is not None:
                running.append((entry, worker))
        running = [pair for pair in running if _all_ways(*pair, rules, passes)]
        for turn in range(1, rules.rounds):
            for entry, worker in running[:: -1 if turn % 2 else 1]:
                _one_turn(entry, worker, entry.way, rules, passes)
        for entry, worker in running:
            entry.result = np.load(folder / f"{entry.package}.npy")
            worker.end()
    return entries, min(passes, default=float("nan")), made


def _written(job: Job, folder: Path, rules: Rules) -> dict[str, Any]:
    network, inputs = materials(job, rules.data)
    torch.save(network.state_dict(), folder / "weights.pt")
    torch.save(inputs, folder / "inputs.pt")
    np.savez(folder / "weights.npz", **{n: v.numpy() for n, v in network.state_dict().items()})
    np.savez(folder / "inputs.npz", **{name: value.numpy() for name, value in inputs.items()})
    trained = [name for name, _ in network.named_parameters()]
    (folder / "parameters.json").write_text(json.dumps(trained))
    task = {"kind": job.kind, "output": job.output, "name": job.network, "sizes": job.sizes,
            "dim": job.dim}  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task))
    return {"network": network, **inputs}


def _started(entry: Entry, folder: Path, rules: Rules) -> Worker | None:
    python = python_of(entry.package, rules.environments)
    if python is None:
        entry.refused = why_not(entry.package, rules.environments)
        return None
    worker = Worker(entry.package, python, folder, rules)
    entry.refused = worker.answer(rules.patience).get("error", "")
    if entry.refused:
        worker.end()
        return None
    return worker


def _all_ways(entry: Entry, worker: Worker, rules: Rules, passes: list[float]) -> bool:
    """Try every way once; whether one of them came to an end."""
    answer = worker.ask({"do": "ways"}, 10 * rules.patience)
    if "error" in answer:
        entry.refused = answer["error"]
    elif not answer["ways"]:
        entry.refused = "has nothing for this"
    for way in answer.get("ways", [])[: rules.ways]:
        if not _one_turn(entry, worker, way, rules, passes):
            entry.refused = str(entry.tried[way])
            if entry.refused.startswith(("over", "the process")):
                break  # the process is gone
    if entry.seconds is None:
        tried, known = len(entry.tried), len(answer.get("ways", ()))
        if tried < known:
            entry.refused += f" ({tried} of its {known} ways were tried)"
        worker.end()
        return False
    entry.refused = ""
    return True


def _one_turn(entry: Entry, worker: Worker, way: str, rules: Rules, passes: list[float]) -> bool:
    """A pass and one computation; whether it came to an end."""
    if entry.package != "neural_tangents":  # whose passes are not PyTorch's
        passed = worker.ask({"do": "pass"}, rules.patience)
        if rules.clock in passed:
            passes.append(passed[rules.clock])
    answer = worker.ask({"do": "run", "way": way}, rules.patience)
    if "error" in answer:
        entry.tried.setdefault(way, answer["error"])
        return False
    seconds = answer[rules.clock]
    entry.tried[way] = min(seconds, _number(entry.tried.get(way)))
    if entry.seconds is None or seconds < entry.seconds:
        entry.seconds, entry.way, entry.memory = seconds, way, answer["memory"]
    return True


def _number(value: float | str | None) -> float:
    return value if isinstance(value, float) else float("inf")


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry without its result."""
    held = asdict(Entry(**{**entry.__dict__, "result": None}))
    del held["result"]
    return held
